"""Writes stored records as NDJSON or CSV that an import reads back without loss."""

import csv
import io
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from enum import StrEnum
from typing import BinaryIO

import orjson

from app.attendance.transfer.fields import EXPORTED_FIELDS
from app.database.transfer import ExportRow

LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


class ExportFormat(StrEnum):
    NDJSON = "ndjson"
    CSV = "csv"


async def export_records(
    pages: AsyncGenerator[Sequence[ExportRow], None],
    output: BinaryIO,
    export_format: ExportFormat = ExportFormat.NDJSON,
) -> int:
    """Write the records page by page, close `pages`, and return the number of records."""
    records = 0
    output.write(HEADERS[export_format])
    async with aclosing(pages):
        async for page in pages:
            output.write(RENDERERS[export_format](page))
            records += len(page)
    return records


def render_ndjson(rows: Sequence[ExportRow]) -> bytes:
    """One line for each record, with the field names of an import; times are in UTC to the microsecond."""
    return b"".join(orjson.dumps(dict(zip(EXPORTED_FIELDS, row, strict=True)), option=LINE) for row in rows)


def render_csv(rows: Sequence[ExportRow]) -> bytes:
    """One CSV row for each record. All texts are quoted, because an import trims unquoted cells."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerows((*row[:5], render_time(row.created_at), render_time(row.updated_at)) for row in rows)
    return text.getvalue().encode()


def render_time(time: datetime) -> str:
    return time.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


HEADERS = {ExportFormat.NDJSON: b"", ExportFormat.CSV: (",".join(EXPORTED_FIELDS) + "\n").encode()}
RENDERERS: dict[ExportFormat, Callable[[Sequence[ExportRow]], bytes]] = {
    ExportFormat.NDJSON: render_ndjson,
    ExportFormat.CSV: render_csv,
}
