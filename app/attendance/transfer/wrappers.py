"""Unwraps records: from an edge of a connection, or from a corrected line of a file of rejects."""

from collections.abc import Mapping
from typing import Any

import orjson

from app.attendance.transfer.csv_header import make_header
from app.attendance.transfer.csv_reader import read_record
from app.attendance.transfer.csv_rows import Cells, InvalidRow, UnclosedQuote
from app.attendance.transfer.fields import looks_like_record
from app.attendance.transfer.records import RawRecord, Reject
from app.errors import ConfigurationError

REJECT_FIELDS = frozenset({"line", "reason", "record"})


def is_record(value: object) -> bool:
    """Whether a value is a record, wrapped or not."""
    if not isinstance(value, dict):
        return False
    return looks_like_record(value) or looks_like_record(value.get("node")) or value.keys() >= REJECT_FIELDS


def unwrap_record(line: int, value: Any) -> RawRecord | Reject:
    """The record itself, or the reason why a rejected record is still invalid."""
    if not isinstance(value, dict) or looks_like_record(value):
        return RawRecord(line, value)
    if looks_like_record(value.get("node")):
        return RawRecord(line, value["node"])
    if value.keys() >= REJECT_FIELDS:
        return unwrap_reject(line, value)
    return RawRecord(line, value)


def unwrap_reject(line: int, reject: Mapping[str, Any]) -> RawRecord | Reject:
    """The record of a line that an import wrote for a reject."""
    record, columns, separator = reject["record"], reject.get("columns"), reject.get("separator")
    if isinstance(columns, list) and isinstance(separator, str) and isinstance(record, str | list):
        return read_row(line, record, [str(column) for column in columns], separator)
    if isinstance(record, str):
        try:
            return RawRecord(line, orjson.loads(record))
        except orjson.JSONDecodeError:
            return Reject(line, f"the record is not corrected yet: {reject['reason']}", record)
    return RawRecord(line, record)


def read_row(line: int, row: str | list[Any], columns: list[str], separator: str) -> RawRecord | Reject:
    """The record of a CSV row, as text or as its cells."""
    context: dict[str, object] = {"columns": columns, "separator": separator}
    try:
        header = make_header(columns, separator)
        if isinstance(row, str):
            cells = header.splitter.split(row)
        else:
            values = ["" if cell is None else str(cell) for cell in row]
            cells = Cells(values, quoted=values)
    except (ConfigurationError, UnclosedQuote, InvalidRow, ValueError) as error:
        reason = "a quote is not closed" if isinstance(error, UnclosedQuote) else str(error)
        return Reject(line, f"the record is not corrected yet: {reason}", row, context)
    return read_record(header, line, cells)
