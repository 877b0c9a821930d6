"""Reads JSON by its content: an array of records, an object around one, or one record after another."""

from collections.abc import Iterator
from itertools import chain

import orjson

from app.attendance.transfer.encodings import Source, read_utf8
from app.attendance.transfer.json_document import JsonDocument, holds_records
from app.attendance.transfer.json_text import JsonText
from app.attendance.transfer.json_values import decode_exactly, describe_invalid
from app.attendance.transfer.lines import is_too_long, read_lines
from app.attendance.transfer.records import MAX_RECORD_BYTES, TOO_LONG, RawRecord, Reading, Reject, excerpt
from app.attendance.transfer.wrappers import is_record, unwrap_record
from app.errors import ConfigurationError

MOST_PROBED_LINES = 20
UNUSABLE = 'the JSON must be an array of records, or an object with an array of them as "attendances"'


def read_ndjson(source: Source) -> Iterator[Reading]:
    """The record of each line, or the reason why the line is rejected; empty lines are ignored.

    A file that is one JSON document is read as a document.
    """
    chunks = read_utf8(source)
    start = read_ahead(chunks)
    complete, lines = count_complete_lines(start)
    first = start.lstrip().partition(b"\n")[0].rstrip()
    is_document = complete * 2 < lines and (first.startswith(b"[") or (first[:1] == b"{" and not first.endswith(b"}")))
    chunks = chain([start] if start else [], chunks)
    yield from JsonDocument(JsonText(chunks)).read() if is_document else read_json_lines(chunks)


def read_json(source: Source) -> Iterator[Reading]:
    """Each record, or the reason why it is rejected, and the lines that were not read.

    Raises ConfigurationError if the file is not JSON, or has no records.
    """
    chunks = read_utf8(source)
    start = read_ahead(chunks)
    complete, lines = count_complete_lines(start)
    chunks = chain([start] if start else [], chunks)
    if complete * 2 > lines:
        yield from read_json_lines(chunks)
        return
    if not start.lstrip().startswith((b"[", b"{")):
        raise ConfigurationError(f"{UNUSABLE}; it begins with {start.lstrip()[:40].decode('utf-8', 'replace')!r}")
    document = JsonDocument(JsonText(chunks))
    readings = document.read()
    first, second = next(readings, None), next(readings, None)
    if second is None and not document.has_array:
        check_single_value(first)
    yield from (reading for reading in (first, second) if reading is not None)
    yield from readings


def check_single_value(reading: Reading | None) -> None:
    """Raise ConfigurationError if the only value of a file is not a record and contains none."""
    if isinstance(reading, Reject) or (isinstance(reading, RawRecord) and is_record(reading.value)):
        return
    found = ""
    if isinstance(reading, RawRecord) and isinstance(reading.value, dict):
        found = f"; fields found: {', '.join(list(reading.value)[:MOST_PROBED_LINES]) or 'none'}"
    raise ConfigurationError(UNUSABLE + found)


def read_ahead(chunks: Iterator[bytes]) -> bytes:
    """The beginning of the text, at least as long as the longest record."""
    start = b""
    while len(start) <= MAX_RECORD_BYTES and (chunk := next(chunks, None)) is not None:
        start += chunk
    return start


def count_complete_lines(start: bytes) -> tuple[int, int]:
    """How many of the first lines are complete records, and how many lines were checked."""
    lines = [line for line in start.splitlines()[: MOST_PROBED_LINES + 1] if line.strip()]
    complete = 0
    for line in lines[:MOST_PROBED_LINES]:
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            continue
        complete += isinstance(value, dict) and (is_record(value) or (len(lines) > 1 and not holds_records(value)))
    return complete, len(lines[:MOST_PROBED_LINES])


def read_json_lines(chunks: Iterator[bytes]) -> Iterator[Reading]:
    for number, line in enumerate(read_lines(chunks), start=1):
        if is_too_long(line):
            yield Reject(number, TOO_LONG, excerpt(line))
            continue
        try:
            value = orjson.loads(line)
        except orjson.JSONDecodeError:
            if not line.isspace():
                yield from read_unusual_line(number, line)
            continue
        if type(value) is dict and "bookingId" in value:
            # orjson reads whole numbers beyond 64 bits as floating-point ones.
            yield decode_exactly(number, line) if float in map(type, value.values()) else RawRecord(number, value)
        elif isinstance(value, dict | list) and not is_record(value) and holds_records(value):
            yield from JsonDocument(JsonText(iter([line]), line=number)).read()
        else:
            decoded = decode_exactly(number, line)
            yield unwrap_record(number, decoded.value) if isinstance(decoded, RawRecord) else decoded


def read_unusual_line(number: int, line: bytes) -> Iterator[Reading]:
    """The records in a line that is not one JSON value, or the reason why there are none."""
    readings = list(JsonDocument(JsonText(iter([line]), line=number)).read())
    if any(isinstance(reading, RawRecord) for reading in readings):
        yield from readings
    else:
        yield Reject(number, describe_invalid(line), excerpt(line.strip()))
