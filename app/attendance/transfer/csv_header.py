"""Reads the header of a CSV: the separator, and the field of each column."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from app.attendance.transfer.csv_rows import InvalidRow, RowSplitter, UnclosedQuote
from app.attendance.transfer.fields import REQUIRED_FIELDS, find_field
from app.attendance.transfer.lines import NumberedLines, is_too_long
from app.attendance.transfer.records import TOO_LONG
from app.errors import ConfigurationError
from app.plan.properties import GUID_PATTERN

SEPARATORS = (",", ";", "\t", "|")
SEPARATOR_LINE = re.compile(r'"?sep=(\\t|[^"\r\n])?"?[,;\t|]*\s*', re.IGNORECASE)
STATUS_WORD = re.compile(r"(?<![A-Z])(?:NOT_SET|(?:NOT_)?ATTENDED)(?![A-Z])", re.IGNORECASE)
UNPRINTABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u200b-\u200f\ufeff]")
SEPARATOR_NAMES = {"\t": "tabs", " ": "spaces"}
MOST_HEADER_LINES = 10
MOST_NAMES_SHOWN = 20
LONGEST_NAME_SHOWN = 40


@dataclass(frozen=True, slots=True)
class Header:
    """The columns of a CSV: `names` as the file has them, `fields` as this service names them; a name may be empty.

    `most_cells` also counts the columns without names at the end, which a row may leave out.
    """

    splitter: RowSplitter
    names: Sequence[str]
    fields: Sequence[str]
    most_cells: int

    @property
    def unused(self) -> list[str]:
        """The names of the columns that are ignored."""
        return [name for name, field in zip(self.names, self.fields, strict=True) if name and not find_field(field)]

    @property
    def context(self) -> dict[str, object]:
        """What is needed to read a single row later."""
        unnamed = [""] * (self.most_cells - len(self.names))
        return {"columns": [*self.names, *unnamed], "separator": self.splitter.separator}


def make_header(names: Sequence[str], separator: str) -> Header:
    """The header of these names.

    Raises ConfigurationError if a required column is missing or a field occurs twice.
    """
    most_cells = len(names)
    names = trim_names(names)
    fields = [find_field(name) or name for name in names]
    for field in REQUIRED_FIELDS:
        if field not in fields and any("\0" in name for name in names):
            raise ConfigurationError("the file is not text: its first line has NUL bytes")
        if field not in fields:
            raise ConfigurationError(f"the CSV lacks the column {field}{describe_columns(names)}")
    for name in names:
        if not find_field(name) and holds_two_names(name):
            raise ConfigurationError(f"the CSV has two columns in one, {name!r}: a separator is missing in its header")
    positions: dict[str, int] = {}
    for position, field in enumerate(fields):
        first = positions.setdefault(field, position)
        if first != position and find_field(field) is not None:
            raise ConfigurationError(
                f"the CSV names a column twice: {names[first]!r} and {names[position]!r} are both {field}"
            )
    return Header(RowSplitter(separator, most_cells), names, fields, most_cells)


def check_single_line(names: Sequence[str], lines: NumberedLines, separator: str) -> None:
    """Raise ConfigurationError if a record is in the line of the header, because the line's end is not recognized."""
    text = "\n".join(name for name in names if not find_field(name))
    if not (GUID_PATTERN.search(text) and STATUS_WORD.search(text)):
        return
    row = lines.take()
    lines.put_back([] if row is None else [row])
    if row is None or row.count(separator.encode()) < len(names) - 1:
        raise ConfigurationError(
            "the header of the CSV has a record in its line: end the lines of the file with LF, CR LF or CR"
            f"{describe_columns(names)}"
        )


def read_header(lines: NumberedLines) -> Header:
    """The header, which is the first non-empty line, after a line such as `sep=;` if there is one.

    Raises ConfigurationError if there is no usable header.
    """
    text = take_header(lines)
    separators: tuple[str, ...] = SEPARATORS
    if found := SEPARATOR_LINE.fullmatch(text):
        separators = (found[1].replace("\\t", "\t"), *SEPARATORS) if found[1] else SEPARATORS
        text = take_header(lines)
    if text.lstrip().startswith(("{", "[")):
        raise ConfigurationError("the file looks like JSON, not like CSV: give --format json")
    splitters = [RowSplitter(separator) for separator in dict.fromkeys(separators)]
    best = max(splitters, key=lambda splitter: count_fields(text, splitter))
    if not count_fields(text, best) and (separator := find_separator(text)):
        if separator in separators:
            raise ConfigurationError("the header of the CSV is one quoted cell: remove the quotes around each line")
        shown = SEPARATOR_NAMES.get(separator, f"`{escape(separator)}`")
        raise ConfigurationError(
            f"the columns of the CSV are separated by {shown}: "
            f"use `,` `;` `|` or tabs, or a first line `sep={escape(separator)}`"
        )
    header = make_header(split_names(text, best), best.separator)
    check_single_line(header.names, lines, best.separator)
    return header


def take_header(lines: NumberedLines) -> str:
    """The next row that is not empty, as text."""
    while (line := lines.take()) is not None:
        if is_too_long(line):
            raise ConfigurationError(f"the CSV has no usable header: {TOO_LONG}")
        text = join_names(line, lines).decode("utf-8", "surrogateescape")
        if text.strip(" \t\r\n,;|"):
            return text
    raise ConfigurationError("the CSV lacks the column bookingId: the file is empty")


def join_names(line: bytes, lines: NumberedLines) -> bytes:
    """The line, joined with the lines in which a quoted name continues; alone, if those lines are already rows."""
    taken = [line]
    while b"".join(taken).count(b'"') % 2 == 1:
        more = lines.take()
        taken += [] if more is None else [more]
        if more is None or len(taken) > MOST_HEADER_LINES or GUID_PATTERN.search(more.decode("utf-8", "replace")):
            lines.put_back(taken[1:])
            return line
    return b"".join(taken)


def count_fields(text: str, splitter: RowSplitter) -> int:
    """How many known fields a header has, if it is split by this separator."""
    return len({find_field(name) for name in split_names(text, splitter)} - {None})


def split_names(text: str, splitter: RowSplitter) -> list[str]:
    try:
        return [name.strip() for name in splitter.split(text).values]
    except (UnclosedQuote, InvalidRow):
        return [name.strip().strip('"') for name in text.split(splitter.separator)]


def trim_names(names: Sequence[str]) -> Sequence[str]:
    """The names without the empty ones at the end, which spreadsheets write for columns that once held something."""
    return names[: max((position for position, name in enumerate(names, start=1) if name), default=0)]


def find_separator(text: str) -> str | None:
    """The character between two known columns, if it is not one of the usual separators."""
    parts = re.split(r"([^\w\s\"-]|\s+)", text.strip())
    names, marks = parts[::2], parts[1::2]
    for (first, second), mark in zip(pairwise(names), marks, strict=False):
        if find_field(first.strip('"')) and find_field(second.strip('"')):
            return mark[0]
    return None


def holds_two_names(name: str) -> bool:
    """Whether a name consists of the names of two fields with one character between them."""
    return any(find_field(name[:end]) and find_field(name[end + 1 :]) for end in range(1, len(name)))


def describe_columns(names: Sequence[str]) -> str:
    return f"; columns found: {join_names_shown(names)}"


def join_names_shown(names: Sequence[str]) -> str:
    """The first names, shortened, for a message."""
    shown = [escape(name[:LONGEST_NAME_SHOWN]) for name in names[:MOST_NAMES_SHOWN] if name]
    return ", ".join(shown) + (", ..." if len(names) > MOST_NAMES_SHOWN else "")


def escape(text: str) -> str:
    """Text for a message: what does not print is written as an escape, invalid bytes as question marks."""
    printed = text.encode("utf-8", "replace").decode()
    return UNPRINTABLE.sub(lambda found: ascii(found[0])[1:-1], printed)
