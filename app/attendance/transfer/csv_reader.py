"""Reads CSV with a header: columns are fields, and an empty cell is an absent field."""

import re
from collections.abc import Iterator
from decimal import Decimal

from app.attendance.transfer.csv_header import STATUS_WORD, Header, join_names_shown, read_header
from app.attendance.transfer.csv_rows import QUOTE, Cells, InvalidRow, UnclosedQuote
from app.attendance.transfer.encodings import Source, read_utf8
from app.attendance.transfer.lines import NumberedLines, is_too_long, read_lines
from app.attendance.transfer.records import MAX_RECORD_BYTES, TOO_LONG, Note, RawRecord, Reading, Reject, excerpt
from app.plan.properties import GUID_PATTERN

# How pandas, R and Excel write a whole number that they have converted to floating point.
CHANGED_NUMBER = re.compile(r"-?[0-9]+\.0+|-?[0-9](?:[.,][0-9]+)?[Ee]\+[0-9]{1,3}", re.ASCII)
LINE_END = re.compile(r"\r\n|\r|\n")


def read_csv(source: Source) -> Iterator[Reading]:
    """Each row as a record of its non-empty cells, or the reason why it is rejected; empty rows are ignored.

    Raises ConfigurationError if the header is missing or lacks a required column.
    """
    lines = NumberedLines(read_lines(read_utf8(source)))
    header = read_header(lines)
    if header.unused:
        yield Note(f"columns that are not used: {join_names_shown(header.unused)}")
    rows = RowReader(lines, header)
    while (line := lines.take()) is not None:
        number = lines.number
        cells = rows.read_row(line)
        if isinstance(cells, Reject):
            yield cells
        elif any(cells.values):
            yield read_record(header, number, cells)


def read_record(header: Header, line: int, cells: Cells) -> RawRecord | Reject:
    """The record of a row that starts in this line, or the reason why its cells are none."""
    values = cells.values
    if len(values) != header.most_cells and not fits(header, values):
        reason = f"the row has {len(values)} cells where the header has {len(header.fields)}"
        return Reject(line, reason, values, header.context)
    record: dict[str, object] = {
        field: cell for field, cell in zip(header.fields, values, strict=False) if cell and field
    }
    session_id = record.get("sessionId")
    if isinstance(session_id, str) and CHANGED_NUMBER.fullmatch(session_id):
        is_quoted = cells.is_quoted(header.fields.index("sessionId"))
        record["sessionId"] = session_id if is_quoted else Decimal(session_id.replace(",", "."))
    return RawRecord(line, record)


def fits(header: Header, values: list[str]) -> bool:
    """Whether a row has a cell for each named column; what it has beyond the header must be empty."""
    return len(values) >= len(header.fields) and not any(values[header.most_cells :])


class RowReader:
    """Reads rows, which may have several lines in a quoted cell, and finds the rows after an unclosed quote."""

    def __init__(self, lines: NumberedLines, header: Header) -> None:
        self._lines = lines
        self._header = header

    def read_row(self, line: bytes) -> Cells | Reject:
        """The cells of the row that starts with the line taken last, or the reason why it is rejected."""
        number = self._lines.number
        if is_too_long(line):
            return Reject(number, TOO_LONG, excerpt(line))
        try:
            return self._header.splitter.split(decode(line))
        except InvalidRow as error:
            return Reject(number, str(error), excerpt(line.rstrip(b"\r\n")), self._header.context)
        except UnclosedQuote as error:
            return self._join_lines(number, line, error.offset)

    def _join_lines(self, number: int, line: bytes, opening: int) -> Cells | Reject:
        """The cells of a row whose quoted cell continues in the next lines; if the quote is never closed, a reject."""
        taken = [line]
        text = decode(line)
        while (more := self._lines.take()) is not None:
            taken.append(more)
            text += decode(more)
            if len(text) > MAX_RECORD_BYTES:
                break
            if QUOTE.encode() not in more:
                continue
            try:
                cells = self._header.splitter.split(text)
            except UnclosedQuote as error:
                opening = error.offset
                continue
            except InvalidRow:
                break
            if self._has_swallowed_rows(cells):
                break
            return cells
        return self._reject_opening(number, taken, text, opening)

    def _has_swallowed_rows(self, cells: Cells) -> bool:
        """Whether the cells do not match the header, or a quoted one contains a whole row."""
        if not fits(self._header, cells.values):
            return True
        lines = (line for text in cells.quoted for line in LINE_END.split(text)[1:])
        return any(self._looks_like_row(line.split(self._header.splitter.separator)) for line in lines)

    def _looks_like_row(self, cells: list[str]) -> bool:
        """Whether cells in a line of a quoted cell have a booking or a status where the header has it."""
        fields = self._header.fields
        if len(cells) < len(fields):
            return False
        booking, status = (cells[fields.index(field)].strip(' \t"') for field in ("bookingId", "status"))
        return bool(GUID_PATTERN.fullmatch(booking) or STATUS_WORD.fullmatch(status))

    def _reject_opening(self, number: int, taken: list[bytes], text: str, opening: int) -> Reject:
        """Reject the lines up to the one with the opening quote, and put the lines after it back to be read as rows."""
        kept = len(LINE_END.split(text[:opening]))
        self._lines.put_back(taken[kept:])
        where = "here" if kept == 1 else f"in line {number + kept - 1:,}"
        reason = f"the quote that opens {where} is not closed; the rows behind it are read"
        return Reject(number, reason, excerpt(b"".join(taken[:kept]).rstrip(b"\r\n")), self._header.context)


def decode(line: bytes) -> str:
    """The text of a line; invalid UTF-8 bytes become surrogates, which matter only in a column that is used."""
    return line.decode("utf-8", "surrogateescape")
