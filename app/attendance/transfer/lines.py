"""Splits a text into lines of bounded length."""

from collections import deque
from collections.abc import Iterable, Iterator

from app.attendance.transfer.records import MAX_RECORD_BYTES

LINE_ENDS = b"\r\n"


def read_lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Every line with its end, which is LF, CR or both; a line above the limit is cut just above it."""
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        # A CR at the end may be the first half of a line's end.
        rest = b"" if lines[-1].endswith(b"\n") else lines.pop()
        yield from lines
        if is_too_long(rest) and not rest.endswith(b"\r"):
            rest = rest[: MAX_RECORD_BYTES + 1]
    if rest:
        yield rest


def is_too_long(text: bytes) -> bool:
    """Whether a record's text is above `MAX_RECORD_BYTES`, without the end of its last line."""
    return len(text) > MAX_RECORD_BYTES and len(text.rstrip(LINE_ENDS)) > MAX_RECORD_BYTES


class NumberedLines:
    """Lines that are taken one after another and may be put back; `number` is the number of the last one taken."""

    def __init__(self, lines: Iterator[bytes]) -> None:
        self._lines = lines
        self._returned: deque[bytes] = deque()
        self.number = 0

    def take(self) -> bytes | None:
        """The next line; None at the end."""
        line = self._returned.popleft() if self._returned else next(self._lines, None)
        if line is not None:
            self.number += 1
        return line

    def put_back(self, lines: list[bytes]) -> None:
        """Put back these lines, the last ones taken, to be taken again."""
        self._returned.extendleft(reversed(lines))
        self.number -= len(lines)
