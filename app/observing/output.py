"""Writes log lines to standard output, without blocking the service or failing it."""

import os
import select
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from time import monotonic

MAX_WAIT_MILLISECONDS = 50
# A write to a pipe is atomic up to this size, also when processes share the pipe.
MAX_ATOMIC_BYTES = select.PIPE_BUF


class LineOutput:
    """Writes whole lines, in writes that are atomic for a pipe, so that processes can share it.

    When the reader stalls, one write waits up to `MAX_WAIT_MILLISECONDS`; then lines are dropped and counted until the
    reader continues. Lines that cannot be written, because the reader is gone or a disk is full, are dropped too. A
    line that is too long for one write is written in parts. If the reader stalls between them, the rest is kept and
    written before the next line.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = open_without_blocking(descriptor)
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._is_stalled = False
        self._rest = b""
        self.dropped = 0

    def write_all(self, lines: Sequence[bytes]) -> None:
        """Write lines, each of which ends with a line feed."""
        for group in group_lines(lines):
            self._write(group)

    def write(self, line: str) -> None:
        """Write a line, as the text streams of `logging` do."""
        self.write_all([line.encode()])

    def _write(self, lines: Sequence[bytes]) -> None:
        if self._rest:
            self._write_parts()
        if self._rest or not self._is_writable():
            self.dropped += len(lines)
            return
        content = b"".join(lines)
        try:
            written = os.write(self._descriptor, content[:MAX_ATOMIC_BYTES])
        except OSError:
            self.dropped += len(lines)
        else:
            self._rest = content[written:]
            self._write_parts()

    def _write_parts(self) -> None:
        """Write as much of the rest of a line as the reader takes, waiting `MAX_WAIT_MILLISECONDS` altogether."""
        deadline = monotonic() + MAX_WAIT_MILLISECONDS / 1000
        try:
            while self._rest and self._is_writable(max(0.0, deadline - monotonic()) * 1000):
                self._rest = self._rest[os.write(self._descriptor, self._rest[:MAX_ATOMIC_BYTES]) :]
        except BlockingIOError:
            self._is_stalled = True
        except OSError:
            self._rest = b""
            self.dropped += 1

    def _is_writable(self, milliseconds: float = MAX_WAIT_MILLISECONDS) -> bool:
        """Whether the reader takes an atomic write. A reader that has not stalled before is waited for."""
        self._is_stalled = not self._poll.poll(0 if self._is_stalled else milliseconds)
        return not self._is_stalled


def open_without_blocking(descriptor: int) -> int:
    """A descriptor of the same pipe whose writes never block, even if another process fills the pipe first.

    The given descriptor cannot be changed, because its mode is shared with other programs. Returns it unchanged if it
    is no pipe, or if the pipe cannot be opened again.
    """
    with suppress(OSError):
        if stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            return os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
    return descriptor


def group_lines(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Lines in groups of at most `MAX_ATOMIC_BYTES`. A longer line is a group of its own."""
    group: list[bytes] = []
    size = 0
    for line in lines:
        if group and size + len(line) > MAX_ATOMIC_BYTES:
            yield group
            group, size = [], 0
        group.append(line)
        size += len(line)
    if group:
        yield group
