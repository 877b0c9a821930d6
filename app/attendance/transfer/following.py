"""Writes what changes in a site, as lines of NDJSON that a copy elsewhere is made from and kept true with."""

import asyncio
from collections.abc import Callable
from typing import Any, BinaryIO
from uuid import UUID

import orjson

from app.attendance.changes import ChangeBatch
from app.attendance.reading import AttendanceReader
from app.attendance.statistics import QueryStatistics
from app.attendance.transfer.exporting import LINE
from app.attendance.transfer.fields import EXPORTED_FIELDS
from app.attendance.watching import POLL_SECONDS
from app.database.pool import Database
from app.errors import OperationTimeout, ServiceUnavailable
from app.plan.changes import ChangesPlan, ChangesPosition, plan_changes_cursors
from app.plan.properties import Property

BATCH_CHANGES = 1000
RETRY_SECONDS = 1.0
COLUMNS = tuple(Property)


async def follow_changes(
    database: Database,
    site_id: UUID,
    after: ChangesPosition | None,
    output: BinaryIO,
    report_wait: Callable[[str], None],
) -> None:
    """Write the changes after a position, or a full copy, and then what changes, until it is cancelled.

    While the database is out of reach, it waits; `report_wait` is called with the reason when it begins to. Raises
    CursorExpired.
    """
    reader = AttendanceReader(database, site_id, QueryStatistics())
    position, told, is_waiting = after, after, False
    while True:
        try:
            plan = ChangesPlan(None, position, BATCH_CHANGES, begins_now=position is not None)
            batch = await reader.read_changes(plan, COLUMNS)
        except (ServiceUnavailable, OperationTimeout) as failure:
            if not is_waiting:
                report_wait(failure.message)
            is_waiting = True
            await asyncio.sleep(RETRY_SECONDS)
            continue
        is_waiting = False
        if batch.rows or told is None:
            output.write(write_batch(batch))
            output.flush()
            told = batch.position
        position = batch.position
        if not batch.has_more:
            await asyncio.sleep(POLL_SECONDS)


def write_batch(batch: ChangeBatch) -> bytes:
    """A line for each change; the last one has the cursor to go on from. Without changes, it has nothing else."""
    lines: list[dict[str, Any]] = [
        {
            "kind": "SET" if record else "DELETED",
            "id": row[0],
            "record": {name: record[of] for name, of in zip(EXPORTED_FIELDS, COLUMNS, strict=True)} if record else None,
        }
        for row, record in zip(batch.rows, batch.records, strict=True)
    ]
    lines = lines or [{}]
    lines[-1]["cursor"] = batch.cursor
    return b"".join(orjson.dumps(line, option=LINE) for line in lines)


def read_cursor(cursor: str) -> ChangesPosition:
    """The position of a cursor of the whole site's changes. Raises CursorInvalid or CursorMismatch."""
    return plan_changes_cursors(None).decode(cursor)
