"""Parsers that feed ijson with pieces of a text, so that the end of each value is known."""

import re
import sys
from typing import Any

import ijson

from app.attendance.transfer.json_text import SPACE, JsonText
from app.attendance.transfer.records import MAX_RECORD_BYTES, TOO_LONG

MARK = re.compile(rb'["\[\]{}]')
ENDS_INSIDE = "the text ends inside a value, so the file may have been cut off"
STRING_REST = re.compile(rb'(?:[^"\\]++|\\.)*+"', re.DOTALL)
BACKSLASHES = re.compile(rb"\\*\Z")
PARSE_ERRORS = (ijson.JSONError, ValueError, ArithmeticError)
# ijson's parser cannot continue after a number that Python refuses to convert.
MOST_DIGITS = sys.get_int_max_str_digits() or sys.int_info.default_max_str_digits
TOO_MANY_DIGITS = re.compile(rb"[0-9]{%d}" % MOST_DIGITS)


class BrokenValue(Exception):
    """A value that cannot be read; the message says why."""


class ValueTooLong(BrokenValue):
    """A value above `MAX_RECORD_BYTES`."""


def check_digits(piece: bytes) -> None:
    """Raise BrokenValue for text that may be a number with too many digits to convert."""
    if len(piece) >= MOST_DIGITS and TOO_MANY_DIGITS.search(piece):
        raise BrokenValue("it has a number of too many digits")


class ObjectParser:
    """Parses one object after another; `parsed` is how many bytes of the last one were parsed, valid or not."""

    def __init__(self) -> None:
        self.parsed = 0
        self._restart()

    def _restart(self) -> None:
        self._values: Any = ijson.sendable_list()
        self._parser = ijson.items_coro(self._values, "", multiple_values=True)

    def parse(self, text: bytes, start: int) -> tuple[Any, int]:
        """The object that starts here, and where it ends. Whole numbers are exact, others are decimals.

        Raises BrokenValue.
        """
        end = start
        self.parsed = 0
        try:
            while not self._values:
                cut = text.find(b"}", end) + 1
                if not cut or cut - start > MAX_RECORD_BYTES:
                    too_long = len(text) - start > MAX_RECORD_BYTES
                    raise ValueTooLong(TOO_LONG) if too_long else BrokenValue(ENDS_INSIDE)
                check_digits(piece := text[end:cut])
                self.parsed += len(piece)
                self._parser.send(piece)
                end = cut
        except BrokenValue:
            self._restart()
            raise
        except PARSE_ERRORS as error:
            self._restart()
            raise BrokenValue(describe_parse_error(error)) from error
        value = self._values.pop()
        self._values.clear()
        return value, end


def describe_parse_error(error: Exception) -> str:
    """The message of ijson in one line, without its drawing of the position."""
    if isinstance(error, UnicodeError):
        return "it is not valid UTF-8"
    if not isinstance(error, ijson.JSONError):
        return "a number is out of range"
    message = error.args[0] if error.args else "it is not valid JSON"
    text = message.decode("utf-8", "replace") if isinstance(message, bytes) else str(message)
    return text.partition("\n")[0].strip().rstrip(".")


class StructureReader:
    """Reads only the structure of a value of any length, from the position of a text on.

    `event` is ijson's last event, `key` the name of the field that it belongs to.
    """

    def __init__(self, text: JsonText) -> None:
        self._text = text
        self._events: Any = ijson.sendable_list()
        self._parser = ijson.basic_parse_coro(self._events)
        self._is_in_string = False
        self.depth = 0
        self.event = ""
        self.key = ""

    def advance(self) -> None:
        """Read up to the next bracket or quote. Raises BrokenValue, and moves no further, where that is not valid."""
        self._text.fill()
        if not self._is_in_string:
            self._text.skip(SPACE)
        elif self._text.ahead.find(b'"', self._text.position, self._text.position + MAX_RECORD_BYTES) < 0:
            self._skip_string()
        ahead, position = self._text.ahead, self._text.position
        found = MARK.search(ahead, position, position + MAX_RECORD_BYTES)
        if not found:
            raise BrokenValue(ENDS_INSIDE)
        self._feed(ahead[position : found.end()])
        if found[0] == b'"':
            self._is_in_string = self.event not in ("string", "map_key")
        self._text.move_to(found.end())

    def end_array(self) -> None:
        """Mark the last array as ended, because its items and its end were read elsewhere."""
        self._feed(b"]")

    def _feed(self, piece: bytes) -> None:
        check_digits(piece)
        try:
            self._parser.send(piece)
        except PARSE_ERRORS as error:
            raise BrokenValue(describe_parse_error(error)) from error
        self.event = ""
        for event, value in self._events:
            self.event = event
            if event == "map_key":
                self.key = value
            elif event.startswith("start_"):
                self.depth += 1
            elif event.startswith("end_"):
                self.depth -= 1
        self._events.clear()

    def _skip_string(self) -> None:
        """Skip the text of a long string up to its closing quote."""
        text = self._text
        while not (rest := STRING_REST.match(text.ahead, text.position)):
            if text.is_whole:
                raise BrokenValue(ENDS_INSIDE)
            backslashes = BACKSLASHES.search(text.ahead, text.position)
            text.move_to(backslashes.start() if backslashes else len(text.ahead))
            text.fill()
        text.move_to(rest.end() - 1)
