"""Where log lines go: standard output, which must never hold the service up nor bring it down."""

import os
import select
from collections.abc import Iterator, Sequence
from contextlib import suppress

MOST_MILLISECONDS = 50
# What is written at once stays in one piece in a pipe that processes share.
MOST_BYTES_WHOLE = select.PIPE_BUF


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
        for group in gather_lines(lines):
            self._write(group)

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


def gather_lines(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Lines in groups that stay whole in a pipe; a longer line is one of its own."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and size + len(line) > MOST_BYTES_WHOLE:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield group
