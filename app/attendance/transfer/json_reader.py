"""Reads one JSON document, a query's response or an array of records, record by record."""

from collections.abc import Iterator
from typing import BinaryIO

import orjson

from app.attendance.transfer.json_window import BrokenDocument, JsonWindow
from app.attendance.transfer.ndjson_reader import decode_record
from app.attendance.transfer.records import TOO_LONG, RawRecord, Reject, excerpt
from app.errors import ConfigurationError

RECORDS_FIELD = "attendances"
UNUSABLE = f'the JSON must be an array of records, or an object with an array of them as "{RECORDS_FIELD}"'


def read_json(stream: BinaryIO) -> Iterator[RawRecord | Reject]:
    """Each record, or the reason why there is none; a document that breaks off ends with one reject at that line.

    Raises ConfigurationError when the document is neither an array nor a response with `attendances`.
    """
    window = JsonWindow(stream)
    first = window.peek()
    if first not in (b"{", b"["):
        raise ConfigurationError(UNUSABLE)
    try:
        yield from read_array(window) if first == b"[" else read_response(window)
        if window.peek():
            raise BrokenDocument("expected its end")
    except BrokenDocument as error:
        reason = f"the JSON document is broken here: {error}; nothing from here on was read"
        yield Reject(window.line, reason, excerpt(window.ahead()))


def read_response(window: JsonWindow) -> Iterator[RawRecord | Reject]:
    """The records of an object's field `attendances`; the values of all other fields are passed over."""
    found = False
    mark = window.take(b"{")
    if window.peek() == b"}":
        mark = window.take(b"}")
    while mark != b"}":
        is_records = read_name(window) == RECORDS_FIELD
        window.take(b":")
        if is_records and window.peek() not in (b"[", b""):
            raise ConfigurationError(UNUSABLE)
        if is_records:
            found = True
            yield from read_array(window)
        else:
            window.skip_value()
        mark = window.take(b",}")
    if not found:
        raise ConfigurationError(UNUSABLE)


def read_name(window: JsonWindow) -> object:
    if window.peek() != b'"':
        raise BrokenDocument("expected a field's name")
    name = window.take_value()
    try:
        return orjson.loads(name or b"")
    except orjson.JSONDecodeError as error:
        raise BrokenDocument("expected a field's name") from error


def read_array(window: JsonWindow) -> Iterator[RawRecord | Reject]:
    mark = window.take(b"[")
    if window.peek() == b"]":
        mark = window.take(b"]")
    while mark != b"]":
        yield read_element(window)
        mark = window.take(b",]")


def read_element(window: JsonWindow) -> RawRecord | Reject:
    window.peek()
    line = window.line
    text = window.take_value()
    if text is not None:
        return decode_record(line, text)
    start = excerpt(window.ahead())
    window.skip_value()
    return Reject(line, TOO_LONG, start)
