"""The database of the benchmarks: records of several sites, made by Postgres itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.database.migrations import migrate
from app.database.owner import refresh_statistics
from app.plan.cursor import plan_cursors
from app.plan.order import plan_order
from app.plan.properties import GUID_PROPERTIES
from app.schema.names import ORDER_KEYS
from benchmarks.baseline import SITES, write_cursor
from benchmarks.statements import KEYSETS

RECORDS_A_BOOKING = 10
LARGE_SESSION = "the session that every forty-seventh record is of"
LARGEST_RANK = 200_000
FILL = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT
    $1::uuid,
    md5('record' || $1::text || n)::uuid,
    md5('booking' || $1::text || n / $3)::uuid,
    CASE
        WHEN n % 47 = 7 THEN $4
        ELSE md5('session' || n % ($2 / 40 + 1)) || '-' || md5('of ' || n % ($2 / 40 + 1))
    END,
    (ARRAY['ATTENDED', 'ATTENDED', 'ATTENDED', 'NOT_ATTENDED', 'NOT_SET'])[1 + n % 5],
    CASE WHEN n % 5 < 3 THEN 1 + n % 7 % 3 ELSE 0 END
FROM generate_series(0, $2 - 1) AS n
ON CONFLICT DO NOTHING
"""
SAMPLE = """
SELECT booking_id::text FROM attendance WHERE site_id = $1
GROUP BY booking_id HAVING count(*) = $2 ORDER BY booking_id LIMIT 1000
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """What requests ask for, of the first site.

    These are the id of one record, 1,000 bookings, and for each order the cursor of the record at a rank, counted
    from 1: the service's, and the hand-written endpoint's.
    """

    record_id: str
    booking_ids: tuple[str, ...]
    rank: int
    cursors: Mapping[str, str]
    plain_cursors: Mapping[str, str]


async def fill_database(url: str, records: int) -> Sample:
    """Migrate the database and give each site its share of the records."""
    await migrate(url, row_security=True)
    connection = await asyncpg.connect(url)
    try:
        for site_id in SITES:
            share = records // len(SITES)
            await connection.execute(FILL, site_id, share, RECORDS_A_BOOKING, LARGE_SESSION, timeout=600)
        await connection.execute("VACUUM attendance", timeout=600)
        await refresh_statistics(url)
        await connection.execute("CHECKPOINT", timeout=600)
        return await take_sample(connection)
    finally:
        await connection.close()


async def take_sample(connection: asyncpg.Connection) -> Sample:
    site = SITES[0]
    record_id = await connection.fetchval("SELECT id::text FROM attendance WHERE site_id = $1 LIMIT 1", site)
    bookings = await connection.fetch(SAMPLE, site, RECORDS_A_BOOKING)
    count = await connection.fetchval("SELECT count(*) FROM attendance WHERE site_id = $1", site)
    rank = min(LARGEST_RANK, count * 4 // 5)
    rows = {order: await find_row(connection, order, rank) for order in KEYSETS}
    cursors = {order: encode_position(order, row) for order, row in rows.items()}
    plain_cursors = {order: write_cursor(row, KEYSETS[order].keys) for order, row in rows.items()}
    return Sample(record_id, tuple(row[0] for row in bookings), rank, cursors, plain_cursors)


async def find_row(connection: asyncpg.Connection, order: str, rank: int) -> asyncpg.Record:
    """The record at a rank, found by counting."""
    statement = f"{KEYSETS[order].first.rpartition(' LIMIT ')[0]} LIMIT 1 OFFSET $2"
    return await connection.fetchrow(statement, SITES[0], rank - 1)


def encode_position(order: str, row: asyncpg.Record) -> str:
    """The service's cursor of a record."""
    keys = plan_order([ORDER_KEYS[order]])
    values = [UUID(row[each.of]) if each.of in GUID_PROPERTIES else row[each.of] for each in keys]
    return plan_cursors(keys, None, None).encode(tuple(values))
