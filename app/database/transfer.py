"""Moves a site's attendance records in bulk: batches come in by COPY and one upsert, all go out by a cursor."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from uuid_utils import uuid7

Key = tuple[str, str]

ATTEMPTS = 4
LONGEST_FIRST_PAUSE_SECONDS = 0.05
# What another writer can cause: it took an id or locked keys between this batch's look and its write.
REPEATABLE_ERRORS = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
)
EXPORT_PAGE_ROWS = 1000

STAGED_COLUMNS = ("id", "booking_id", "session_id", "status", "number_of_attendees", "created_at", "updated_at")

# Emptied by hand too: inside a caller's own transaction nothing is committed between two batches.
CREATE_STAGING = """
CREATE TEMPORARY TABLE IF NOT EXISTS import_batch (
    id uuid NOT NULL,
    booking_id uuid NOT NULL,
    session_id text COLLATE "C" NOT NULL,
    status text NOT NULL,
    number_of_attendees integer NOT NULL,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
DELETE FROM pg_temp.import_batch
"""

FIND_HOLDERS = """
SELECT id::text, booking_id::text, session_id
FROM attendance
WHERE site_id = $1 AND id = ANY($2::uuid[])
"""

# Every import takes its locks in the order of the keys, so that two of them cannot block each other.
# A row that this statement created has never been locked, and so has no `xmax`.
UPSERT = """
INSERT INTO attendance
    (site_id, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at)
SELECT $1::uuid, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at
FROM pg_temp.import_batch
ORDER BY booking_id, session_id
ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
SET status = excluded.status,
    number_of_attendees = excluded.number_of_attendees,
    updated_at = excluded.updated_at
WHERE (attendance.status, attendance.number_of_attendees)
    IS DISTINCT FROM (excluded.status, excluded.number_of_attendees)
RETURNING xmax = 0 AS is_created
"""

HAS_RECORDS = "SELECT EXISTS (SELECT FROM attendance WHERE site_id = $1)"

EXPORT = """
SELECT id::text, booking_id::text, session_id, status, number_of_attendees, created_at, updated_at
FROM attendance
WHERE site_id = $1
ORDER BY id
"""


class ImportRow(NamedTuple):
    """A valid record to store. GUIDs are text in lower case; an absent id or time is given when the row is created."""

    id: str | None
    booking_id: str
    session_id: str
    status: str
    number_of_attendees: int
    created_at: datetime | None
    updated_at: datetime | None


class ExportRow(NamedTuple):
    """A stored record. GUIDs are text in lower case, times are in UTC."""

    id: str
    booking_id: str
    session_id: str
    status: str
    number_of_attendees: int
    created_at: datetime
    updated_at: datetime


class RejectedRow(NamedTuple):
    """A row that was not stored: its place in the batch, counted from 0, and why."""

    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """What became of a batch's rows; `unchanged` counts those, too, that a later row of the batch replaces."""

    created: int
    updated: int
    unchanged: int
    rejected: Sequence[RejectedRow]


async def store_batch(connection: Any, site_id: UUID, rows: Sequence[ImportRow], *, at: datetime) -> BatchResult:
    """Create or update the rows of one site in one transaction, as if they were set one after another.

    A row that exists keeps its id and createdAt, and is written only where its status or number differs.
    `at` is the time for rows that bring none. The connection is in the service's role and has entered the site.
    Raises the driver's error when other writers got in the way `ATTEMPTS` times, or when the database fails.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return await try_to_store(connection, site_id, rows, at)
        except REPEATABLE_ERRORS:
            await asyncio.sleep(secrets.randbelow(1000) / 1000 * LONGEST_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return await try_to_store(connection, site_id, rows, at)


async def try_to_store(connection: Any, site_id: UUID, rows: Sequence[ImportRow], at: datetime) -> BatchResult:
    async with connection.transaction():
        holders = await fetch_holders(connection, site_id, [row.id for row in rows if row.id is not None])
        rows_to_write, rejected = resolve_batch(rows, holders)
        await connection.execute(CREATE_STAGING)
        await connection.copy_records_to_table(
            "import_batch",
            schema_name="pg_temp",
            columns=STAGED_COLUMNS,
            records=complete_rows(rows_to_write, at),
        )
        written = await connection.fetch(UPSERT, site_id)
    created = sum(row["is_created"] for row in written)
    unchanged = len(rows) - len(rejected) - len(written)
    return BatchResult(created, len(written) - created, unchanged, rejected)


async def fetch_holders(connection: Any, site_id: UUID, ids: Sequence[str]) -> dict[str, Key]:
    """Which booking and session hold each of these ids at this site, for those that are in use."""
    found = await connection.fetch(FIND_HOLDERS, site_id, ids) if ids else []
    return {row["id"]: (row["booking_id"], row["session_id"]) for row in found}


def resolve_batch(
    rows: Sequence[ImportRow], holders: Mapping[str, Key]
) -> tuple[Sequence[ImportRow], Sequence[RejectedRow]]:
    """One row for each booking and session, and the rows whose id is that of another booking and session.

    Where several rows have the same booking and session, the last one's status and number count, while id and
    createdAt are the first one's: it would have created the row, the others would have updated it.
    """
    keys_by_id = dict(holders)
    resolved: dict[Key, ImportRow] = {}
    rejected = []
    for index, row in enumerate(rows):
        key = (row.booking_id, row.session_id)
        if row.id is not None and keys_by_id.setdefault(row.id, key) != key:
            rejected.append(RejectedRow(index, describe_clash(row.id, keys_by_id[row.id])))
            continue
        first = resolved.get(key)
        resolved[key] = row if first is None else row._replace(id=first.id, created_at=first.created_at)
    return tuple(resolved.values()), rejected


def describe_clash(record_id: str, holder: Key) -> str:
    booking_id, session_id = holder
    return f"the id {record_id} is already that of booking {booking_id} at session {session_id}"


def complete_rows(rows: Sequence[ImportRow], at: datetime) -> Iterator[tuple[object, ...]]:
    """The staged columns of each row, with a time-ordered id and with times where the record brings none."""
    for row in rows:
        updated_at = row.updated_at or at
        yield (
            row.id or str(uuid7()),
            row.booking_id,
            row.session_id,
            row.status,
            row.number_of_attendees,
            row.created_at or min(updated_at, at),
            updated_at,
        )


async def has_records(connection: Any, site_id: UUID) -> bool:
    """Whether a site holds any record."""
    found: bool = await connection.fetchval(HAS_RECORDS, site_id)
    return found


async def fetch_export(connection: Any, site_id: UUID) -> AsyncGenerator[Sequence[ExportRow], None]:
    """All records of a site by id, a page of `EXPORT_PAGE_ROWS` at a time, as they were at one moment.

    The connection is in the service's role and has entered the site; close the generator when you stop early.
    """
    async with connection.transaction(readonly=True):
        cursor = await connection.cursor(EXPORT, site_id)
        while rows := await cursor.fetch(EXPORT_PAGE_ROWS):
            yield [ExportRow(*row) for row in rows]
