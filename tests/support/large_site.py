"""A site large enough for plans to matter, among thousands of small ones: most statistics are those of the small."""

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.database.migrations import migrate
from app.database.pool import Database
from app.plan.cursor import Position
from app.plan.filter import Filter, Perspective
from app.plan.order import Order
from app.sql.catalogue import COLUMNS, TABLE
from app.sql.conditions import all_of, order_by, where_filter, where_site
from app.sql.fragment import Parameter, join, sql

SITE = UUID("11111111-1111-4111-8111-111111111111")
NEIGHBOURS = (UUID("00000000-0000-4000-8000-000000000001"), UUID("22222222-2222-4222-8222-222222222222"))
RECORDS = 200_000
BOOKINGS = 19_500
OPEN_SESSION = "an open session that 5,000 of the bookings attended"
OPEN_SESSION_RECORDS = 5_000
LARGEST_NUMBER = 30
SMALL_SITES = 4_000

# A booking is of one of 300 courses with ten weekly sessions. Ids are in the order of time, as UUIDs of version 7 are.
# Of the sessions that have been, a booking missed 14 %; nothing is known of those to come. A few bookings are groups.
FILL_SITE = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT
    $1,
    (lpad(to_hex(1790000000000 + hours::bigint * 3600000 + chance % 3600000), 12, '0')
        || '7' || substr(digest, 9, 3) || '8' || substr(digest, 12, 15))::uuid AS id,
    md5('booking ' || booking)::uuid,
    coalesce($4, 'session-' || md5('course ' || course) || '-' || lesson),
    CASE WHEN hours > 14500 THEN 'NOT_SET' WHEN chance % 100 < 14 THEN 'NOT_ATTENDED' ELSE 'ATTENDED' END,
    CASE WHEN chance % 100 < 14 THEN 0 WHEN chance % 100 < 92 THEN 1 ELSE chance / 100 % 29 + 2 END
FROM generate_series(1, $2::integer) AS booking
CROSS JOIN generate_series(1, $3::integer) AS lesson
CROSS JOIN LATERAL (SELECT booking % 300 AS course, md5(booking || '/' || lesson || $4) AS digest) AS joined
CROSS JOIN LATERAL (
    SELECT course * 48 + lesson * 168 AS hours, ('x' || substr(digest, 1, 7))::bit(28)::integer AS chance
) AS held
ORDER BY id
"""
FILL_SMALL_SITES = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT md5('site ' || site)::uuid, gen_random_uuid(), gen_random_uuid(), 'session ' || lesson, 'ATTENDED', 1
FROM generate_series(1, $1::integer) AS site, generate_series(1, 5) AS lesson
"""


@dataclass(frozen=True, slots=True)
class LargeSite:
    """The site in its database, with some of its ids, bookings and sessions: a hundred of each, from everywhere."""

    database: Database
    ids: list[UUID]
    bookings: list[UUID]
    sessions: list[str]


async def fill_sites(url: str) -> None:
    """Migrate an empty database and fill it: the large site, two of 3,000 records, and many of five."""
    await migrate(url, row_security=False)
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(FILL_SITE.replace("|| $4", "|| coalesce($4, '')"), NEIGHBOURS[0], 300, 10, None)
    finally:
        await owner.close()


async def find_values(database: Database, column: str) -> list[object]:
    """A hundred values of a column of the large site."""
    text = f"SELECT DISTINCT {column}, md5({column}::text) FROM attendance WHERE site_id = $1 ORDER BY 2 LIMIT 100"
    return [row[0] for row in await database.fetch_rows(text, [SITE], SITE)]
