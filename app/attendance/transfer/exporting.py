"""Writes stored records as NDJSON that an import reads back without loss."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import BinaryIO

import orjson

from app.database.transfer import ExportRow

LINE = orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z


async def export_records(pages: AsyncGenerator[Sequence[ExportRow], None], output: BinaryIO) -> int:
    """Write one line for each record, page by page; gives the number of records. `pages` are closed at the end."""
    records = 0
    async with aclosing(pages):
        async for page in pages:
            output.write(b"".join(map(render_record, page)))
            records += len(page)
    return records


def render_record(row: ExportRow) -> bytes:
    """The record as a line of NDJSON, its fields named as an import names them, times in UTC to the microsecond."""
    record = {
        "_id": row.id,
        "bookingId": row.booking_id,
        "sessionId": row.session_id,
        "status": row.status,
        "numberOfAttendees": row.number_of_attendees,
        "createdAt": row.created_at,
        "updatedAt": row.updated_at,
    }
    return orjson.dumps(record, option=LINE)
