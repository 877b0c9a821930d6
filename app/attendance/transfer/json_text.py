"""The part of a JSON text that is in memory, a position in it, and the line of that position."""

import re
from collections.abc import Iterator

from app.attendance.transfer.records import MAX_RECORD_BYTES

SPACE = re.compile(rb"[ \t\r\n]*")
SPACE_AND_COMMAS = re.compile(rb"[ \t\r\n,]*")
LINE_START = re.compile(rb"\r|(?<!\r)\n")


class JsonText:
    """Keeps the next `MAX_RECORD_BYTES` of the text in memory, or all of the rest, and at most one chunk more.

    `offset` is the position in the whole text at which the part in memory starts.
    """

    def __init__(self, chunks: Iterator[bytes], *, line: int = 1) -> None:
        self._chunks = chunks
        self.is_whole = False
        self.ahead = b""
        self.position = 0
        self.offset = 0
        self.line = line
        self.fill()

    def fill(self) -> None:
        """Read chunks until enough of the text is in memory."""
        while not self.is_whole and len(self.ahead) - self.position <= MAX_RECORD_BYTES + 1:
            chunk = next(self._chunks, None)
            self.is_whole = chunk is None
            self.offset += self.position
            self.ahead = self.ahead[self.position :] + (chunk or b"")
            self.position = 0

    def skip(self, pattern: re.Pattern[bytes] = SPACE_AND_COMMAS) -> bytes:
        """Skip a match of the pattern of any length; return the next byte, or no byte at the end."""
        while True:
            found = pattern.match(self.ahead, self.position)
            self.move_to(found.end() if found else self.position)
            is_at_end = self.position == len(self.ahead)
            self.fill()
            if not is_at_end or self.position == len(self.ahead):
                return self.ahead[self.position : self.position + 1]

    def move_to(self, position: int) -> None:
        """Move to a later position in memory."""
        self.line += self.count_lines(position)
        self.position = position

    def count_lines(self, position: int) -> int:
        """How many lines end between the position and a later one."""
        if self.ahead.find(b"\r", self.position, position) < 0:
            return self.ahead.count(b"\n", self.position, position)
        return sum(1 for _ in LINE_START.finditer(self.ahead, self.position, position))
