"""Writes the same records in every dialect that an import reads."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from app.attendance.transfer.csv_reader import CHANGED_NUMBER
from app.attendance.transfer.formats import ImportFormat
from app.database.transfer import ImportRow

Choose = Callable[[Sequence[Any]], Any]

NAMES = ("_id", "bookingId", "sessionId", "status", "numberOfAttendees", "createdAt", "updatedAt")
HEADERS = (
    NAMES,
    ("_id", "Booking ID", "Session ID", "Status", "Number of attendees", "Created at", "Updated at"),
    ("_id", "booking_id", "session_id", "status", "number_of_attendees", "_createdDate", "_updatedDate"),
    ("_ID", "BOOKING-ID", "SESSION-ID", "STATUS", "NUMBER-OF-ATTENDEES", "CREATED-AT", "UPDATED-AT"),
)
SEPARATORS = (",", ";", "\t", "|")
LINE_ENDS = ("\n", "\r\n", "\r")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le")


@dataclass(frozen=True)
class Dialect:
    """A way of writing records; `choose` picks one of several ways for each value."""

    title: str
    file_format: ImportFormat
    write: Callable[[Sequence[ImportRow], Choose], str]
    encoding: str

    def encode(self, rows: Sequence[ImportRow], choose: Choose) -> bytes:
        return self.write(rows, choose).encode(self.encoding)


def list_dialects() -> Iterator[Dialect]:
    for position, separator in enumerate(SEPARATORS):
        for end_position, end in enumerate(LINE_ENDS):
            encoding = ENCODINGS[(position + end_position) % len(ENCODINGS)]
            header = HEADERS[(position + 2 * end_position) % len(HEADERS)]
            yield Dialect(
                f"CSV with {separator!r} and {end!r} in {encoding}",
                ImportFormat.CSV,
                lambda rows, choose, s=separator, e=end, h=header: write_csv(rows, choose, s, e, h),  # type: ignore[misc]
                encoding,
            )
    for position, (title, write) in enumerate(DOCUMENTS.items()):
        for file_format in (ImportFormat.JSON, ImportFormat.NDJSON):
            encoding = ENCODINGS[(position + len(file_format)) % len(ENCODINGS)]
            yield Dialect(f"{title} as {file_format} in {encoding}", file_format, write, encoding)


def write_csv(rows: Sequence[ImportRow], choose: Choose, separator: str, end: str, header: Sequence[str]) -> str:
    first = choose(["", f"sep={separator}{end}"])
    padding = choose(["", separator * 2])
    written = [separator.join(header) + padding]
    for row in rows:
        cells = [
            row.id or "",
            row.booking_id,
            row.session_id,
            write_status(row.status, choose),
            "" if row.number_of_attendees is None else choose(["{}", "{}.0", " {} "]).format(row.number_of_attendees),
            "" if row.created_at is None else write_time(row.created_at, choose),
            "" if row.updated_at is None else write_time(row.updated_at, choose),
        ]
        written.append(separator.join(quote(cell, separator, choose) for cell in cells) + padding)
        written += choose([[], [], [""], [separator * (len(header) - 1)]])
    return first + end.join(written) + end


def quote(cell: str, separator: str, choose: Choose) -> str:
    needs_quotes = any(mark in cell for mark in f'"\r\n{separator}') or CHANGED_NUMBER.fullmatch(cell)
    if needs_quotes or choose([True, False]):
        return '"' + cell.replace('"', '""') + '"'
    return cell if cell == cell.strip() else f'"{cell}"'


def write_status(status: str, choose: Choose) -> str:
    changed: str = choose([status, status.lower(), f" {status}", status.capitalize()])
    return changed


def write_time(time: datetime, choose: Choose) -> str:
    zone = choose([UTC, timezone(timedelta(hours=2)), timezone(-timedelta(hours=5, minutes=30))])
    text = time.astimezone(zone).isoformat()
    return text.replace("+00:00", "Z") if choose([True, False]) else text


def write_object(row: ImportRow, choose: Choose) -> dict[str, Any]:
    names = choose(HEADERS)
    number = row.number_of_attendees
    values = [
        row.id,
        row.booking_id,
        row.session_id,
        write_status(row.status, choose),
        None if number is None else choose([number, str(number), float(number), {"$numberInt": str(number)}]),
        None if row.created_at is None else choose([str, wrap_date])(write_time(row.created_at, choose)),
        None if row.updated_at is None else choose([str, wrap_date])(write_time(row.updated_at, choose)),
    ]
    return {
        name: value for name, value in zip(names, values, strict=True) if value is not None or choose([True, False])
    }


def wrap_date(text: str) -> dict[str, str]:
    return {"$date": text}


def write_texts(rows: Sequence[ImportRow], choose: Choose, indent: int | None = None) -> list[str]:
    return [json.dumps(write_object(row, choose), ensure_ascii=choose([True, False]), indent=indent) for row in rows]


DOCUMENTS: dict[str, Callable[[Sequence[ImportRow], Choose], str]] = {
    "an array": lambda rows, choose: "[" + ",\n".join(write_texts(rows, choose)) + "]",
    "an array on one line": lambda rows, choose: "[" + ",".join(write_texts(rows, choose)) + "]",
    "an indented array": lambda rows, choose: "[\n" + ",\n".join(write_texts(rows, choose, 2)) + "\n]\n",
    "an object around": lambda rows, choose: (
        '{"count": 1, "attendances": [\n' + ",\n".join(write_texts(rows, choose)) + '\n], "next": {"a": [1]}}'
    ),
    "lines": lambda rows, choose: "".join(text + choose(["\n", "\r\n", "\n\n"]) for text in write_texts(rows, choose)),
    "objects": lambda rows, choose: "\n".join(write_texts(rows, choose, 1)),
}
FORMS_OF_IDS = ("{}", "Yoga {}", '"{}"', "{}, advanced", "a\nb {}", "{};\t|", " {}", "é{}\u2028", "{{{}")
DIALECTS = list(list_dialects())


def make_rows(count: int, chance: random.Random) -> list[ImportRow]:
    """Records that are told apart by each of their texts, and have all that makes a file hard to read."""
    rows = []
    for number in range(count):
        mark = f"{chance.getrandbits(40):010x}"
        session_id = chance.choice(
            ["{}", "Yoga {}", '"{}"', "{}, advanced", "a\nb {}", "{};\t|", " {}", "é{}\u2028", "{{{}"]
        )
        rows.append(
            ImportRow(
                f"{mark[:8]}-{mark[8:]}00-4000-8000-{number:012x}",
                f"{mark[:8]}-{mark[8:]}00-4000-9000-{number:012x}",
                session_id.format(mark),
                chance.choice(["NOT_SET", "ATTENDED", "NOT_ATTENDED"]),
                chance.randint(0, 99),
                datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randint(0, 10**7)),
                None,
            )
        )
    return rows
