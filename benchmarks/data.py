"""The database of the benchmarks: records of several sites, made by Postgres itself."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.database.migrations import migrate, refresh_statistics

SITES = tuple(UUID(int=number + 1) for number in range(4))
RECORDS_A_BOOKING = 10
FILL = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT
    $1::uuid,
    md5('record' || $1::text || n)::uuid,
    md5('booking' || $1::text || n / $3)::uuid,
    md5('session' || n % ($2 / 40 + 1)) || '-' || md5('of ' || n % ($2 / 40 + 1)),
    (ARRAY['ATTENDED', 'ATTENDED', 'ATTENDED', 'NOT_ATTENDED', 'NOT_SET'])[1 + n % 5],
    CASE WHEN n % 5 < 3 THEN 1 + n % 7 % 3 ELSE 0 END
FROM generate_series(0, $2 - 1) AS n
ON CONFLICT DO NOTHING
"""
SAMPLE = """
SELECT DISTINCT booking_id::text FROM attendance WHERE site_id = $1 ORDER BY booking_id::text LIMIT 1000
"""


@dataclass(frozen=True, slots=True)
class Sample:
    """Records that requests ask for: one id, and 1,000 bookings of the first site."""

    record_id: str
    booking_ids: tuple[str, ...]


async def fill_database(url: str, records: int) -> Sample:
    """Migrate the database and give each site its share of the records."""
    await migrate(url, row_security=True)
    connection = await asyncpg.connect(url)
    try:
        for site_id in SITES:
            await connection.execute(FILL, site_id, records // len(SITES), RECORDS_A_BOOKING, timeout=600)
        await connection.execute("VACUUM attendance", timeout=600)
        bookings = await connection.fetch(SAMPLE, SITES[0])
        record_id = await connection.fetchval("SELECT id::text FROM attendance WHERE site_id = $1 LIMIT 1", SITES[0])
    finally:
        await connection.close()
    await refresh_statistics(url)
    return Sample(record_id, tuple(row[0] for row in bookings))
