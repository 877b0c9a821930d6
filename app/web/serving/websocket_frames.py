"""The frames of WebSockets that have arrived but are not parsed: one is parsed after the other, in turns."""

from app.web.load.connections import ConnectionLimits

MEDIUM, LONG = 126, 127  # These lengths say that the length follows, in two bytes or in eight (RFC 6455, section 5.2).
MASK_BYTES = 4
FINAL, CONTROL = 0x80, 0x08
# What a part of an unfinished message takes beside its bytes.
FRAGMENT_BYTES = 64


class FrameBuffer:
    """What a client has sent ahead, and the parts of its unfinished message, within the bound of all connections.

    `max_size` is that of a frame's payload.
    """

    def __init__(self, limits: ConnectionLimits, max_size: int) -> None:
        self._limits = limits
        self._max_size = max_size
        self._ahead = bytearray()
        self._fragments = 0

    @property
    def is_empty(self) -> bool:
        """Whether all that has arrived was taken."""
        return not self._ahead

    @property
    def is_inside_message(self) -> bool:
        """Whether the last message that has begun is unfinished."""
        return self._fragments > 0

    def add(self, data: bytes) -> bool:
        """Keep what has arrived. False if there is no room for it."""
        if not self._limits.hold_message(len(data)):
            return False
        self._ahead += data
        return True

    def take_frame(self) -> bytes | None:
        """The next frame, None until it is whole. One that is too large comes as far as it has arrived."""
        size = measure_frame(self._ahead, self._max_size)
        if size is None:
            return None
        frame = bytes(self._ahead[:size])
        del self._ahead[:size]
        self._limits.bytes_of_messages -= size
        return frame

    def count(self, frame: bytes) -> bool:
        """Count a frame that was parsed while its message is unfinished. False if there is no room for it."""
        if frame[0] & CONTROL:
            return True
        if frame[0] & FINAL:
            self._limits.bytes_of_messages -= self._fragments
            self._fragments = 0
            return True
        size = len(frame) + FRAGMENT_BYTES
        if not self._limits.hold_message(size):
            return False
        self._fragments += size
        return True

    def clear(self) -> None:
        """Let go of everything, because the connection is lost."""
        self._limits.bytes_of_messages -= len(self._ahead) + self._fragments
        self._ahead.clear()
        self._fragments = 0


def measure_frame(data: bytes | bytearray, max_size: int) -> int | None:
    """The length of the frame with which the data begins, None if it is not whole; see RFC 6455, section 5.2."""
    if len(data) < 2:
        return None
    length, head = data[1] & 0x7F, 2
    if length >= MEDIUM:
        head += 2 if length == MEDIUM else 8
        if len(data) < head:
            return None
        length = int.from_bytes(data[2:head])
    if length > max_size:
        return len(data)
    end = head + length + (MASK_BYTES if data[1] & 0x80 else 0)
    return end if len(data) >= end else None
