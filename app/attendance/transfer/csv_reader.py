"""Reads CSV with a header: the columns are the fields, an empty cell is a field that is absent."""

import csv
from collections.abc import Iterator
from typing import BinaryIO

from app.attendance.transfer.lines import is_too_long, read_lines
from app.attendance.transfer.records import TOO_LONG, RawRecord, Reject, excerpt
from app.errors import ConfigurationError

REQUIRED_COLUMNS = ("bookingId", "sessionId", "status")
NUMBER_COLUMN = "numberOfAttendees"
MAX_DIGITS = 10


class RecordTooLong(Exception):
    """A record, of one line or of several that a quoted cell joins, above `MAX_RECORD_BYTES`."""


class RecordLines:
    """The lines that `csv.reader` asks for, and which of them make up the record at hand."""

    def __init__(self, stream: BinaryIO) -> None:
        self._lines = read_lines(stream)
        self._lines_read = 0
        self.first_line = 1
        self.text = b""

    def start_record(self) -> None:
        self.first_line = self._lines_read + 1
        self.text = b""

    def __iter__(self) -> "RecordLines":
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self._lines_read += 1
        self.text += line
        if is_too_long(self.text):
            raise RecordTooLong
        return line.decode()


def read_csv(stream: BinaryIO) -> Iterator[RawRecord | Reject]:
    """Each row as a record of its filled cells, or the reason why there is none; empty lines are passed over.

    Raises ConfigurationError when the header is missing, or lacks a column that every record needs.
    """
    lines = RecordLines(stream)
    rows = csv.reader(lines, strict=True)
    header = read_header(rows)
    while True:
        lines.start_record()
        try:
            cells = next(rows)
        except StopIteration:
            return
        except (csv.Error, UnicodeDecodeError, RecordTooLong) as error:
            yield Reject(lines.first_line, describe_error(error), excerpt(lines.text.rstrip(b"\r\n")))
            continue
        if len(cells) == len(header):
            yield RawRecord(lines.first_line, read_cells(header, cells))
        elif cells:
            reason = f"the row has {len(cells)} cells where the header has {len(header)}"
            yield Reject(lines.first_line, reason, cells)


def read_header(rows: Iterator[list[str]]) -> list[str]:
    """The names of the columns, from the first line that is not empty."""
    try:
        header = [name.strip() for name in next((row for row in rows if row), [])]
    except (csv.Error, UnicodeDecodeError, RecordTooLong) as error:
        raise ConfigurationError(f"the CSV has no usable header: {describe_error(error)}") from error
    missing = [name for name in REQUIRED_COLUMNS if name not in header]
    if missing:
        raise ConfigurationError(f"the CSV lacks the column {missing[0]}: its first line must name the columns")
    if len(set(header)) < len(header):
        raise ConfigurationError("the CSV names a column twice")
    return header


def read_cells(header: list[str], cells: list[str]) -> dict[str, object]:
    record: dict[str, object] = {name: cell for name, cell in zip(header, cells, strict=True) if cell}
    number = record.get(NUMBER_COLUMN)
    if isinstance(number, str) and is_whole_number(number):
        record[NUMBER_COLUMN] = int(number)
    return record


def is_whole_number(cell: str) -> bool:
    digits = cell.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) <= MAX_DIGITS


def describe_error(error: Exception) -> str:
    if isinstance(error, RecordTooLong):
        return TOO_LONG
    if isinstance(error, UnicodeDecodeError):
        return f"the record is not valid UTF-8: {error.reason}"
    return f"the record is not valid CSV: {error}"
