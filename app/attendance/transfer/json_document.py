"""Reads a JSON document record by record, and finds the next record after text that cannot be read."""

import re
from collections.abc import Iterator

from app.attendance.transfer.fields import simplify_name
from app.attendance.transfer.json_parser import BrokenValue, ObjectParser, StructureReader, ValueTooLong
from app.attendance.transfer.json_recovery import RECORD_KEY, Stretch, find_end
from app.attendance.transfer.json_text import SPACE, JsonText
from app.attendance.transfer.json_values import decode_exactly, decode_plain
from app.attendance.transfer.records import MAX_RECORD_BYTES, RawRecord, Reading, Reject, UnreadText, excerpt
from app.attendance.transfer.wrappers import is_record, unwrap_record

MOST_ENVELOPES = 4
RECORDS_FIELD = "attendances"
ARRAY_OF_RECORDS = re.compile(rb'"attendances"\s*:\s*\[|\[\s*[{\]]')
ARRAY_OF_OBJECTS = re.compile(rb"\[\s*[{\]]")
SCALAR = re.compile(rb'("(?:[^"\\]|\\.)*+"|[^\s",:\[\]{}]++)\s*(?=[,\]}]|\Z)', re.DOTALL)
FURTHER_FIELD = re.compile(rb'[\s,]*"(?:[^"\\]++|\\.)*+"\s*:', re.DOTALL)
NULLS = re.compile(rb"(?:[\s,]|null\b)*+")
UNFINISHED = "the JSON ends before it is complete: records may be missing"


def holds_records(value: object) -> bool:
    """Whether a value contains an array of records, at any depth."""
    rest = [value]
    while rest:
        inner = rest.pop()
        if isinstance(inner, list):
            if any(map(is_record, inner)):
                return True
            rest.extend(inner)
        elif isinstance(inner, dict):
            if any(isinstance(item, list) and simplify_name(name) == RECORDS_FIELD for name, item in inner.items()):
                return True
            rest.extend(inner.values())
    return False


class JsonDocument:
    """A JSON text, read from its current position; `has_array` says that an array that may hold records was found."""

    def __init__(self, text: JsonText) -> None:
        self._text = text
        self._parser = ObjectParser()
        self._has_lost_end = False
        self._envelopes = 0
        self.has_array = False

    def read(self) -> Iterator[Reading]:
        """Each record, or the reason why it is rejected, and the lines that were not read."""
        yield from self._read_values(depth=0)

    def _read_values(self, depth: int) -> Iterator[Reading]:
        """The values up to the end of the array around them, or at depth 0 up to the end of the text."""
        outer = depth
        while mark := self._text.skip():
            if mark == b"[" and self._opens_array(depth):
                self.has_array = True
                self._text.move_to(self._text.position + 1)
                depth += 1
            elif mark == b"]" and depth:
                self._text.move_to(self._text.position + 1)
                depth -= 1
                if outer and not depth:
                    return
            elif mark == b"{":
                yield from self._read_object()
            else:
                yield from self._read_other(depth)
        if depth:
            yield from self._report_end()

    def _opens_array(self, depth: int) -> bool:
        return not (depth or self.has_array) or bool(ARRAY_OF_OBJECTS.match(self._text.ahead, self._text.position))

    def _read_object(self) -> Iterator[Reading]:
        text, start, line = self._text, self._text.position, self._text.line
        end = text.ahead.find(b"}", start) + 1
        plain = decode_plain(text.ahead[start:end])
        if plain is not None and end - start <= MAX_RECORD_BYTES and not self._goes_on(start, end):
            text.move_to(end)
            yield RawRecord(line, plain)
            return
        try:
            value, end = self._parser.parse(text.ahead, start)
        except ValueTooLong as error:
            yield from self._read_envelope(str(error))
            return
        except BrokenValue as error:
            yield from self._read_envelope(str(error)) if self._is_envelope() else self._read_broken(str(error))
            return
        if not is_record(value) and holds_records(value):
            yield from self._read_envelope("")
            return
        if self._goes_on(start, end):
            yield self._find_next(Stretch(text), "the record is closed before its last field")
            return
        raw = text.ahead[start:end]
        text.move_to(end)
        if b"\\u" in raw:  # ijson makes a question mark of half a surrogate pair.
            decoded = decode_exactly(line, raw)
            yield decoded if isinstance(decoded, Reject) else unwrap_record(line, value)
        else:
            yield unwrap_record(line, value)

    def _goes_on(self, start: int, end: int) -> bool:
        """Whether the fields after a record's end belong to it, and not to a next record without a beginning."""
        ahead = self._text.ahead
        if not FURTHER_FIELD.match(ahead, end):
            return False
        rest = ahead[end : ahead.find(b"}", end)]
        return not (RECORD_KEY.search(rest) and RECORD_KEY.search(ahead, start, end))

    def _is_envelope(self) -> bool:
        """Whether an invalid object begins like an envelope around an array of records, not like a record."""
        start, limit = self._text.position, self._text.position + MAX_RECORD_BYTES
        array = ARRAY_OF_RECORDS.search(self._text.ahead, start, limit)
        return array is not None and not RECORD_KEY.search(self._text.ahead, start, array.start())

    def _read_envelope(self, reason: str) -> Iterator[Reading]:
        """The records of all arrays of records in an object; without any, the object is rejected with `reason`."""
        structure, stretch, line = StructureReader(self._text), Stretch(self._text), self._text.line
        if self._envelopes == MOST_ENVELOPES:
            yield self._find_next(stretch, "it is nested too deeply")
            return
        self._envelopes += 1
        beginning = excerpt(self._text.ahead[self._text.position : self._text.position + MAX_RECORD_BYTES])
        found = False
        try:
            structure.advance()
            while structure.depth:
                structure.advance()
                if structure.event == "start_array" and self._starts_records(structure.key):
                    self.has_array = found = True
                    yield from self._read_values(depth=1)
                    structure.end_array()
        except BrokenValue as failure:
            if not found:
                yield self._find_next(stretch, str(failure))
            elif not self._text.skip():
                yield from self._report_end()
        else:
            if not found:
                yield Reject(line, reason or "no array of records was found in it", beginning)
        self._envelopes -= 1

    def _starts_records(self, key: str) -> bool:
        """Whether the array that has begun holds records, by its name or by its first items."""
        if simplify_name(key) == RECORDS_FIELD:
            return True
        self._text.skip(SPACE)
        ahead, position, parser = self._text.ahead, self._text.position, ObjectParser()
        limit = position + MAX_RECORD_BYTES
        while (gap := NULLS.match(ahead, position)) and ahead.startswith(b"{", gap.end(), limit):
            try:
                value, position = parser.parse(ahead, gap.end())
            except BrokenValue:
                end = find_end(ahead, gap.end())
                return bool(RECORD_KEY.search(ahead, gap.end(), end or gap.end()))
            if is_record(value):
                return True
        return False

    def _read_other(self, depth: int) -> Iterator[Reading]:
        """A value that is not an object: inside an array, it is an invalid record."""
        text, line = self._text, self._text.line
        if text.ahead.startswith(b"[", text.position):
            end = find_end(text.ahead, text.position)
        else:
            scalar = SCALAR.match(text.ahead, text.position, text.position + MAX_RECORD_BYTES)
            end = scalar.end(1) if scalar else None
        if end is None or not depth:
            yield self._find_next(Stretch(text), "a record was expected here")
            return
        raw = text.ahead[text.position : end]
        text.move_to(end)
        yield decode_exactly(line, raw)

    def _read_broken(self, reason: str) -> Iterator[Reading]:
        """Reject an invalid object: alone, if its end can be found, else with all text before the next record."""
        text, line = self._text, self._text.line
        end = find_end(text.ahead, text.position)
        raw = text.ahead[text.position : end]
        if end is None or len(RECORD_KEY.findall(raw)) > 1:
            yield self._find_next(Stretch(text), reason)
            return
        text.move_to(end)
        decoded = decode_exactly(line, raw)
        yield unwrap_record(line, decoded.value) if isinstance(decoded, RawRecord) else decoded

    def _find_next(self, stretch: Stretch, reason: str) -> Reject | UnreadText:
        self._has_lost_end |= not stretch.find_next_record()
        return stretch.end_here(reason)

    def _report_end(self) -> Iterator[UnreadText]:
        """Report once that the text ends too early."""
        if not self._has_lost_end:
            self._has_lost_end = True
            yield UnreadText(self._text.line, self._text.line, UNFINISHED, "")
