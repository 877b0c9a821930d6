"""Where log lines go: standard output, which must never hold the service up nor bring it down."""

import os
import select
from contextlib import suppress

MOST_MILLISECONDS = 50


class LineOutput:
    """Writes each line at once and whole, so that processes can share a pipe.

    A reader that stalls is waited for once, and no longer than `MOST_MILLISECONDS`; until it reads on, lines are
    dropped and counted. What cannot be written at all, because the reader is gone or a disk is full, is dropped too.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._poll = select.poll()
        self._poll.register(descriptor, select.POLLOUT)
        self._is_stalled = False
        self.dropped = 0

    def write(self, line: bytes) -> None:
        if not self._poll.poll(0) and (self._is_stalled or not self._poll.poll(MOST_MILLISECONDS)):
            self._is_stalled = True
            self.dropped += 1
            return
        self._is_stalled = False
        try:
            written = os.write(self._descriptor, line)
        except OSError:
            self.dropped += 1
        else:
            if written < len(line):
                self._write_rest(line[written:])

    def _write_rest(self, rest: bytes) -> None:
        with suppress(OSError):
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]

    def flush(self) -> None:
        """Nothing is held back."""
