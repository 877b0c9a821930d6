"""Where log lines go: standard output, which must never hold the service up nor bring it down."""

import os
import select
from collections.abc import Sequence
from contextlib import suppress

MOST_MILLISECONDS = 50
MOST_BYTES = select.PIPE_BUF


class LineOutput:
    """Writes lines whole, so that processes can share a pipe: no more at once than a pipe takes without a break.

    A reader that stalls is waited for once, and no longer than `MOST_MILLISECONDS`; until it reads on, lines are
    dropped and counted. What cannot be written at all, because the reader is gone or a disk is full, is dropped too.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._is_stalled = False
        self.dropped = 0

    def write_all(self, lines: Sequence[bytes]) -> None:
        """Write lines, each of which ends as lines do."""
        chunk: list[bytes] = []
        size = 0
        for line in lines:
            if chunk and size + len(line) > MOST_BYTES:
                self._write(chunk)
                chunk, size = [], 0
            chunk.append(line)
            size += len(line)
        if chunk:
            self._write(chunk)

    def _write(self, lines: Sequence[bytes]) -> None:
        if not self._poll.poll(0) and (self._is_stalled or not self._poll.poll(MOST_MILLISECONDS)):
            self._is_stalled = True
            self.dropped += len(lines)
            return
        self._is_stalled = False
        content = b"".join(lines)
        try:
            written = os.write(self._descriptor, content)
        except OSError:
            self.dropped += len(lines)
        else:
            if written < len(content):
                self._write_rest(content[written:])

    def _write_rest(self, rest: bytes) -> None:
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
