"""Imports and exports a site's attendance records: batches are stored by COPY and one upsert, exports use a cursor."""

import asyncio
import secrets
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
from uuid_utils import uuid7

from app.database.batches import StagedRow, WriteRows, write_by_function, write_by_statements

Key = tuple[str, str]

ATTEMPTS = 4
LONGEST_FIRST_PAUSE_SECONDS = 0.05
# Errors that another writer can cause, which took an id or locked keys between this batch's read and its write.
REPEATABLE_ERRORS = (
    asyncpg.UniqueViolationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.InvalidCachedStatementError,
)
EXPORT_PAGE_ROWS = 1000

FIND_OWNERS_OF_IDS = """
SELECT id::text, booking_id::text, session_id
FROM attendance
WHERE site_id = $1 AND id = ANY((SELECT $2::text::uuid[])::uuid[])
"""

HAS_RECORDS = "SELECT EXISTS (SELECT FROM attendance WHERE site_id = $1)"

EXPORT = """
SELECT id::text, booking_id::text, session_id, status, number_of_attendees, created_at, updated_at
FROM attendance
WHERE site_id = $1
ORDER BY id
"""


class ImportRow(NamedTuple):
    """A valid record to store. GUIDs are text in lower case; an absent id or time is given when the row is created.

    An absent number leaves the stored one as it is; a new record then has 1.
    """

    id: str | None
    booking_id: str
    session_id: str
    status: str
    number_of_attendees: int | None
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
    """A row that was not stored: its position in the batch, counted from 0, and the reason."""

    position: int
    reason: str


@dataclass(frozen=True, slots=True)
class BatchResult:
    """The outcome of a batch; `unchanged` includes rows that a later row of the batch replaces."""

    created: int
    updated: int
    unchanged: int
    rejected: Sequence[RejectedRow]


async def store_batch(
    connection: Any, site_id: UUID, rows: Sequence[ImportRow], *, at: datetime, distributed: bool = False
) -> BatchResult:
    """Create or update the rows of one site in one transaction, as if they were set one after another.

    A row that exists keeps its id and createdAt, and is written only where its status or number differs.
    `at` is the time for rows without one. The connection is in the service's role and has entered the site.
    Raises the driver's error when other writers interfered `ATTEMPTS` times, or when the database fails.
    """
    write = write_by_function if distributed else write_by_statements
    for attempt in range(1, ATTEMPTS):
        try:
            return await try_to_store(connection, site_id, rows, at, write)
        except REPEATABLE_ERRORS:
            await asyncio.sleep(secrets.randbelow(1000) / 1000 * LONGEST_FIRST_PAUSE_SECONDS * 2 ** (attempt - 1))
    return await try_to_store(connection, site_id, rows, at, write)


async def try_to_store(
    connection: Any, site_id: UUID, rows: Sequence[ImportRow], at: datetime, write: WriteRows
) -> BatchResult:
    given_ids = [row.id for row in rows if row.id is not None]
    ids = f"{{{','.join(given_ids)}}}" if given_ids else None
    keys_by_id = await fetch_keys_by_id(connection, site_id, ids)
    rows_to_write, rejected = resolve_batch(rows, keys_by_id)
    created, written = await write(connection, site_id, complete_rows(rows_to_write, at), ids)
    return BatchResult(created, written - created, len(rows) - len(rejected) - written, rejected)


async def fetch_keys_by_id(connection: Any, site_id: UUID, ids: str | None) -> dict[str, Key]:
    """The booking and session of each of these ids at this site, for those that exist; `ids` is an array as text."""
    found = [] if ids is None else await connection.fetch(FIND_OWNERS_OF_IDS, site_id, ids)
    return {row["id"]: (row["booking_id"], row["session_id"]) for row in found}


def resolve_batch(
    rows: Sequence[ImportRow], existing: Mapping[str, Key]
) -> tuple[Sequence[ImportRow], Sequence[RejectedRow]]:
    """One row for each booking and session, and the rows whose id is that of another booking and session.

    Where several rows have the same booking and session, the last one's status and number count, while id and
    createdAt are the first one's: it would have created the row, the others would have updated it.
    """
    keys_by_id = dict(existing)
    resolved: dict[Key, ImportRow] = {}
    rejected = []
    for index, row in enumerate(rows):
        key = (row.booking_id, row.session_id)
        if row.id is not None and keys_by_id.setdefault(row.id, key) != key:
            rejected.append(RejectedRow(index, describe_clash(row.id, keys_by_id[row.id])))
            continue
        first = resolved.get(key)
        resolved[key] = row if first is None else follow(first, row)
    return tuple(resolved.values()), rejected


def follow(first: ImportRow, row: ImportRow) -> ImportRow:
    """What is stored when a row is set after an earlier one with its booking and session."""
    number = first.number_of_attendees if row.number_of_attendees is None else row.number_of_attendees
    return row._replace(id=first.id, created_at=first.created_at, number_of_attendees=number)


def describe_clash(record_id: str, holder: Key) -> str:
    booking_id, session_id = holder
    return f"the id {record_id} is already that of booking {booking_id} at session {session_id}"


def complete_rows(rows: Sequence[ImportRow], at: datetime) -> Iterator[StagedRow]:
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
