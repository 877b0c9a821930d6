"""Finds the next record after text that cannot be read, and reports that text."""

import re

from app.attendance.transfer.json_parser import BrokenValue, ObjectParser
from app.attendance.transfer.json_text import JsonText
from app.attendance.transfer.records import MAX_RECORD_BYTES, Reject, UnreadText, excerpt
from app.attendance.transfer.wrappers import is_record

BRACKET_OR_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{}]', re.DOTALL)
# No record is the value of a field.
OBJECT_START = re.compile(rb'(?<!":)(?<!": )\{\s*"')
# How many bytes are parsed without success before the text in memory is skipped: nested levels are parsed again.
MOST_WORK = 4 * MAX_RECORD_BYTES
CLOSING = {b"{": b"}", b"[": b"]"}
# A field that occurs once in each record.
RECORD_KEY = re.compile(rb'"\s*booking[\s_-]*id\s*"\s*:', re.IGNORECASE)
SEPARATORS = b" \t\r\n,"


def find_end(text: bytes, start: int) -> int | None:
    """The end of an object or array by its brackets, even if it is invalid otherwise.

    None if its brackets do not match, if a string does not end, or if it is longer than `MAX_RECORD_BYTES`.
    """
    expected: list[bytes] = []
    for found in BRACKET_OR_STRING.finditer(text, start, start + MAX_RECORD_BYTES):
        mark = found[0]
        if mark in CLOSING:
            expected.append(CLOSING[mark])
        elif mark == b'"' or (mark in b"]}" and (not expected or expected.pop() != mark)):
            return None
        if not expected:
            return found.end()
    return None


class Stretch:
    """Text that cannot be read; it starts at the position that the text has when this is created."""

    def __init__(self, text: JsonText) -> None:
        self._text = text
        self._start = text.offset + text.position
        self._beginning = text.ahead[text.position : text.position + MAX_RECORD_BYTES]
        self._line = text.line

    def end_here(self, reason: str) -> Reject | UnreadText:
        """The report for the text up to the current position: one rejected record, or lines that were not read."""
        text = self._text
        length = text.offset + text.position - self._start
        beginning = self._beginning[:length].strip(SEPARATORS)
        records = len(RECORD_KEY.findall(beginning))
        is_object = beginning.startswith(b"{") and b'"' in beginning
        if records == 1 or (records == 0 and is_object):
            return Reject(self._line, f"the record is not valid JSON: {reason}", excerpt(beginning))
        last_line = max(text.line - self._count_lines_behind(), self._line)
        return UnreadText(self._line, last_line, reason, excerpt(beginning))

    def _count_lines_behind(self) -> int:
        """How many lines are between the end of the unreadable text and the current position."""
        before = self._text.ahead[: self._text.position]
        return before[len(before.rstrip(SEPARATORS)) :].count(b"\n")

    def find_next_record(self) -> bool:
        """Move to the next record after the start, or to the end of the text; return whether there is a record."""
        text, parser = self._text, ObjectParser()
        while True:
            text.fill()
            end = len(text.ahead) if text.is_whole else len(text.ahead) - MAX_RECORD_BYTES
            work = 0
            for found in OBJECT_START.finditer(text.ahead, text.position):
                if found.start() >= end or work > MOST_WORK:
                    break
                if text.offset + found.start() > self._start:
                    if starts_record(parser, text.ahead, found.start()):
                        text.move_to(found.start())
                        return True
                    work += parser.parsed
            text.move_to(end)
            if text.is_whole:
                return False


def starts_record(parser: ObjectParser, text: bytes, start: int) -> bool:
    try:
        value, _ = parser.parse(text, start)
    except BrokenValue:
        return False
    return is_record(value)
