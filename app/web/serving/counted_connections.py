"""What connections of HTTP and of WebSockets have in common: how many there may be, and their streams."""

import asyncio
import socket
from collections.abc import Callable

from app.web.load.connections import MAX_LINGERING, ConnectionLimits
from app.web.serving.raw_responses import TOO_MANY_CONNECTIONS

LINGER_SECONDS = 1.0
# Above the first, writing pauses; it goes on when the client has been sent all, because no less frees the memory.
BUFFER_LIMITS = (65_536, 0)
# What may wait in the system to be sent to a client that reads a stream slowly, beside what is on its way.
MAX_UNSENT_BYTES = 16_384
UNSENT_OPTION: int | None = getattr(socket, "TCP_NOTSENT_LOWAT", None)


class CountedConnection:
    """A connection that counts as open, or as streaming while it has streams.

    `paused_writes` counts how often the client has had more to read than fits the buffer.
    """

    transport: asyncio.Transport
    limits: ConnectionLimits
    is_counted = False
    is_write_paused = False
    paused_writes = 0
    streams = 0
    _on_lost: Callable[[], object] | None = None

    def count(self, *, is_counted: bool) -> None:
        """Begin to watch a connection that is counted as open."""
        self.is_counted = is_counted
        if is_counted:
            self.limits.watched.add(self)

    def count_unread_bytes(self) -> int:
        """The bytes of memory that are taken by what the client has not received."""
        return self.transport.get_write_buffer_size()

    def begin_stream(self, on_lost: Callable[[], object] | None = None) -> None:
        self._on_lost = on_lost
        self.streams += 1
        if self.streams == 1 and self.is_counted:
            self.limits.open -= 1
            self.limits.streaming += 1
            self.watch()
            limit_buffers(self.transport)
        elif not self.is_counted and on_lost is not None:
            on_lost()

    def end_stream(self) -> None:
        self._on_lost = None
        self.streams -= 1
        if self.streams == 0 and self.is_counted:
            self.limits.streaming -= 1
            self.limits.open += 1
            self.limits.watched.add(self)
            self.transport.set_write_buffer_limits(*BUFFER_LIMITS)

    def refuse(self) -> None:
        """Refuse a new connection. It stays open for a moment, because a reset could destroy the response."""
        self.transport.write(TOO_MANY_CONNECTIONS)
        if self.limits.lingering >= MAX_LINGERING:
            self.transport.close()
            return
        self.limits.lingering += 1
        self.transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_SECONDS, self._end_refusal)

    def _end_refusal(self) -> None:
        self.limits.lingering -= 1
        self.transport.close()

    def abort(self) -> None:
        self.transport.abort()

    def note_paused(self, *, is_paused: bool) -> None:
        """Note that the buffer has become too full, or empty enough, to write more."""
        self.is_write_paused = is_paused
        self.paused_writes += is_paused
        if is_paused:
            self.limits.note_unread(self)
        else:
            self.limits.unread.discard(self)
        self.watch()

    def must_act(self) -> bool:
        """Whether the client has something to do while it has streams."""
        return self.is_write_paused

    def watch(self) -> None:
        """Watch a connection with streams while its client has something to do."""
        if self.streams and self.is_counted:
            (self.limits.watched.add if self.must_act() else self.limits.watched.discard)(self)

    def count_lost(self) -> None:
        """Stop counting a connection that is lost."""
        if self.is_counted and self.streams:
            self.limits.streaming -= 1
        elif self.is_counted:
            self.limits.open -= 1
        self.is_counted = False
        self.limits.watched.discard(self)
        self.limits.unread.discard(self)
        if self._on_lost is not None:
            self._on_lost()


def limit_buffers(transport: asyncio.Transport) -> None:
    """Keep as little as possible for a client that does not read: then what it reads later is newer."""
    transport.set_write_buffer_limits(0)
    connected: socket.socket | None = transport.get_extra_info("socket")
    if UNSENT_OPTION is not None and connected is not None and connected.family in (socket.AF_INET, socket.AF_INET6):
        connected.setsockopt(socket.IPPROTO_TCP, UNSENT_OPTION, MAX_UNSENT_BYTES)
