"""Reads newline-delimited JSON: one record a line."""

from collections.abc import Iterator
from typing import BinaryIO

import orjson

from app.attendance.transfer.lines import is_too_long, read_lines
from app.attendance.transfer.records import TOO_LONG, RawRecord, Reject, excerpt


def read_ndjson(stream: BinaryIO) -> Iterator[RawRecord | Reject]:
    """Each line's record, or the reason why that line holds none; empty lines are passed over."""
    for number, line in enumerate(read_lines(stream), start=1):
        if is_too_long(line):
            yield Reject(number, TOO_LONG, excerpt(line))
        elif not line.isspace():
            yield decode_record(number, line)


def decode_record(line: int, text: bytes) -> RawRecord | Reject:
    """The record in its JSON text, or a reject: orjson refuses NaN, lone surrogates and invalid UTF-8."""
    try:
        return RawRecord(line, orjson.loads(text))
    except orjson.JSONDecodeError as error:
        return Reject(line, f"the record is not valid JSON: {error.msg}", excerpt(text.strip()))
