"""The database of the benchmarks: records of several sites, made by Postgres itself."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.database.migrations import migrate, refresh_statistics
from benchmarks.statements import KEYSETS

SITES = tuple(UUID(int=number + 1) for number in range(4))
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
    from 1.
    """

    record_id: str
    booking_ids: tuple[str, ...]
    rank: int
    cursors: Mapping[str, str]


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
    cursors = {order: await find_cursor(connection, order, rank) for order in KEYSETS}
    return Sample(record_id, tuple(row[0] for row in bookings), rank, cursors)


async def find_cursor(connection: asyncpg.Connection, order: str, rank: int) -> str:
    """The cursor of the record at a rank, looked up by counting."""
    keyset = KEYSETS[order]
    statement = f"{keyset.first.rpartition(' LIMIT ')[0]} LIMIT 1 OFFSET $2"
    row = await connection.fetchrow(statement, SITES[0], rank - 1)
    return keyset.codec.encode(tuple(row[index] for index in keyset.key_indexes))
