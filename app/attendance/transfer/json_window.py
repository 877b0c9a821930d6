"""A JSON document seen through a window: the part that is in memory, a position in it, and its line."""

import re
from typing import BinaryIO

from app.attendance.transfer.lines import BYTE_ORDER_MARK
from app.attendance.transfer.records import MAX_RECORD_BYTES

READ_BYTES = 1024 * 1024
SPACE = re.compile(rb"[ \t\r\n]*")
STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
SCALAR = re.compile(rb'[^\[\]{}",: \t\r\n]*')
SCALAR_END = re.compile(rb'[\[\]{}",: \t\r\n]')
# What leads to the next bracket that is not inside a string, and that bracket.
UP_TO_BRACKET = re.compile(rb'[^"{}\[\]]*(?:"[^"\\]*(?:\\.[^"\\]*)*"[^"{}\[\]]*)*([{}\[\]])', re.DOTALL)
BRACKET_OR_QUOTE = re.compile(rb'["{}\[\]]')
QUOTE_OR_ESCAPE = re.compile(rb'"|\\.', re.DOTALL)


class BrokenDocument(Exception):
    """The document's structure ends or breaks where the window stands, so that nothing after it can be told apart."""


class JsonWindow:
    """Holds at least `MAX_RECORD_BYTES` of what lies ahead, or all of it, and about `READ_BYTES` at most."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._at_end = False
        self._text = b""
        self._position = 0
        self.line = 1
        self._read_on()
        self._position = len(BYTE_ORDER_MARK) if self._text.startswith(BYTE_ORDER_MARK) else 0

    def ahead(self) -> bytes:
        """The next bytes, at most as many as a record may have."""
        return self._text[self._position : self._position + MAX_RECORD_BYTES]

    def peek(self) -> bytes:
        """The next byte that is not white space, without taking it; empty at the end of the document."""
        self._move_to(self._end_of(SPACE))
        while self._position == len(self._text) and not self._at_end:
            self._read_on()
            self._move_to(self._end_of(SPACE))
        self._read_on()
        return self._text[self._position : self._position + 1]

    def take(self, expected: bytes) -> bytes:
        """Take the next byte that is not white space. Raises BrokenDocument when it is none of `expected`."""
        found = self.peek()
        if not found or found not in expected:
            wanted = " or ".join(expected.decode())
            raise BrokenDocument(f"expected {wanted}" if found else f"it ends, where {wanted} was expected")
        self._move_to(self._position + 1)
        return found

    def take_value(self) -> bytes | None:
        """Take the next value's text; None, and nothing taken, where it is longer than a record may be.

        Raises BrokenDocument when the document ends before the value does.
        """
        first = self.peek()
        limit = self._position + MAX_RECORD_BYTES
        end = self._find_bracketed_end(limit) if first in (b"{", b"[") else self._find_plain_end(first, limit)
        if end is None:
            if len(self._text) <= limit:
                raise BrokenDocument("it ends inside a value")
            return None
        if end == self._position:
            raise BrokenDocument("expected a value")
        value = self._text[self._position : end]
        self._move_to(end)
        return value

    def skip_value(self) -> None:
        """Pass over the next value, however long it is. Raises BrokenDocument when the document ends inside it."""
        first = self.peek()
        if first == b'"':
            self._move_to(self._position + 1)
            self._skip_string()
        elif first in (b"{", b"["):
            self._skip_brackets()
        else:
            self._seek(SCALAR_END, past=False)

    def _find_bracketed_end(self, limit: int) -> int | None:
        depth = 0
        end = self._position
        while found := UP_TO_BRACKET.match(self._text, end, limit):
            end = found.end()
            depth += 1 if found[1] in b"{[" else -1
            if depth == 0:
                return end
        return None

    def _find_plain_end(self, first: bytes, limit: int) -> int | None:
        found = (STRING if first == b'"' else SCALAR).match(self._text, self._position, limit)
        return None if found is None or found.end() == limit else found.end()

    def _skip_brackets(self) -> None:
        depth = 0
        while True:
            mark = self._seek(BRACKET_OR_QUOTE)
            if mark == b'"':
                self._skip_string()
                continue
            depth += 1 if mark in b"{[" else -1
            if depth == 0:
                return

    def _skip_string(self) -> None:
        while self._seek(QUOTE_OR_ESCAPE) != b'"':
            pass

    def _seek(self, marks: re.Pattern[bytes], *, past: bool = True) -> bytes:
        """Move to the next of these marks, or past it, reading on as far as it takes."""
        while True:
            self._read_on()
            found = marks.search(self._text, self._position)
            if found:
                self._move_to(found.end() if past else found.start())
                return found[0]
            if self._at_end:
                raise BrokenDocument("it ends inside a value")
            # The last byte may be the first half of a mark: an escape is two bytes.
            self._move_to(len(self._text) - 1)

    def _end_of(self, pattern: re.Pattern[bytes]) -> int:
        found = pattern.match(self._text, self._position)
        return found.end() if found else self._position

    def _read_on(self) -> None:
        while not self._at_end and len(self._text) - self._position <= MAX_RECORD_BYTES:
            read = self._stream.read(READ_BYTES)
            self._at_end = not read
            self._text = self._text[self._position :] + read
            self._position = 0

    def _move_to(self, position: int) -> None:
        self.line += self._text.count(b"\n", self._position, position)
        self._position = position
