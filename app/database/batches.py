"""Writes a batch of an import: by a temporary table and statements, or by a function that Citus sends to a worker."""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from uuid import UUID

StagedRow = tuple[object, ...]
# Takes the rows, and the ids that the import names as the text of an array, None if it names none.
WriteRows = Callable[[Any, UUID, Iterable[StagedRow], str | None], Awaitable[tuple[int, int]]]

STAGED_COLUMNS = ("id", "booking_id", "session_id", "status", "number_of_attendees", "created_at", "updated_at")

# The DELETE is needed inside a caller's own transaction, where nothing is committed between two batches.
CREATE_STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS import_batch (
    id uuid NOT NULL,
    booking_id uuid NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    number_of_attendees integer,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
DELETE FROM pg_temp.import_batch
"""

# The sub-select does not depend on the row, so Postgres hashes it once, and only where a record exists.
NEW_NUMBER = """
    CASE WHEN (excluded.booking_id, excluded.session_id) IN (
        SELECT booking_id, session_id FROM pg_temp.import_batch WHERE number_of_attendees IS NULL
    )
    THEN attendance.number_of_attendees
    ELSE excluded.number_of_attendees END
"""

# The counter of the site is raised first, and records are locked in the order of their keys, as by every writer.
# A row that this statement created has never been locked, and so has no `xmax`.
UPSERT = f"""
WITH clock AS (
    INSERT INTO site_revision AS counter (site_id, revision)
    VALUES ($1, 1)
    ON CONFLICT (site_id) DO UPDATE SET revision = counter.revision + 1
    RETURNING revision
)
INSERT INTO attendance
    (site_id, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at, revision)
SELECT $1::uuid, id, booking_id, session_id, status, coalesce(number_of_attendees, 1), created_at, updated_at,
    (SELECT revision FROM clock)
FROM pg_temp.import_batch
ORDER BY booking_id, session_id
ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
SET status = excluded.status,
    number_of_attendees = {NEW_NUMBER},
    updated_at = excluded.updated_at,
    revision = excluded.revision
WHERE (attendance.status, attendance.number_of_attendees) IS DISTINCT FROM (excluded.status, {NEW_NUMBER})
RETURNING xmax = 0 AS is_created
"""  # noqa: S608 - put together from constants

# A record that is back with its old id is no longer deleted. If it is that of another booking or session, those who
# follow the old one are told of the deletion. This statement is one of its own, because it must see what other writers
# did until the batch had the counter.
FORGET_DELETIONS = """
DELETE FROM attendance_deletion AS deletion
WHERE site_id = $1
    AND id = ANY((SELECT $2::text::uuid[])::uuid[])
    AND EXISTS (
        SELECT FROM attendance
        WHERE site_id = $1
            AND id = deletion.id
            AND (booking_id, session_id) = (deletion.booking_id, deletion.session_id)
    )
"""

# The same as a function of a database that Citus distributes: workers cannot read a temporary table.
CALL_IMPORT = "SELECT created, written FROM attendance_import_2($1, $2)"


async def write_by_statements(
    connection: Any, site_id: UUID, rows: Iterable[StagedRow], ids: str | None
) -> tuple[int, int]:
    """Stage and write the rows in one transaction: how many were created, and how many were written in all."""
    async with connection.transaction():
        await connection.execute(CREATE_STAGING)
        await connection.copy_records_to_table(
            "import_batch", schema_name="pg_temp", columns=STAGED_COLUMNS, records=rows
        )
        written = await connection.fetch(UPSERT, site_id)
        created = sum(row["is_created"] for row in written)
        if created and ids is not None:
            await connection.execute(FORGET_DELETIONS, site_id, ids)
    return created, len(written)


async def write_by_function(
    connection: Any, site_id: UUID, rows: Iterable[StagedRow], _ids: str | None
) -> tuple[int, int]:
    """Write the rows by one call, which Citus sends to the site's worker."""
    staged = json.dumps([dict(zip(STAGED_COLUMNS, row, strict=True)) for row in rows], default=str)
    done = await connection.fetchrow(CALL_IMPORT, site_id, staged)
    return done["created"], done["written"]
