"""A site large enough for plans to matter, among thousands of small ones that make up the planner's averages."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import asyncpg

from app.database.migrations import migrate
from app.database.pool import Database
from app.plan.cursor import Position
from app.plan.page import PagePlan
from app.plan.properties import Property
from app.sql.catalogue import COLUMNS, TABLE
from app.sql.conditions import all_of, order_by, where_filter, where_site
from app.sql.fragment import Fragment, Statement, join, sql
from app.sql.pages import split_page
from app.sql.slices import PERSPECTIVE_VALUE
from app.sql.values import SITE_VALUE
from tests.support.waiting import wait_until

SITE = UUID("11111111-1111-4111-8111-111111111111")
NEIGHBOURS = (UUID("00000000-0000-4000-8000-000000000001"), UUID("22222222-2222-4222-8222-222222222222"))
RECORDS = 200_000
OPEN_SESSION = "an open session that 5,000 of the bookings attended"
NUMBERS = 31

# Each booking is of one of 300 courses with ten weekly sessions. Ids are in the order of time, as UUIDs of version 7
# are. Of the sessions that have been, a booking missed 14 %; of those to come nothing is known; some are of groups.
FILL_COURSES = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT
    $1,
    (lpad(to_hex(1790000000000 + hours::bigint * 3600000 + chance % 3600000), 12, '0')
        || '7' || substr(digest, 9, 3) || '8' || substr(digest, 12, 15))::uuid AS id,
    md5('booking ' || booking)::uuid,
    'session-' || md5('course ' || course) || '-' || lesson,
    CASE WHEN hours > 14500 THEN 'NOT_SET' WHEN chance % 100 < 14 THEN 'NOT_ATTENDED' ELSE 'ATTENDED' END,
    CASE WHEN chance % 100 < 14 THEN 0 WHEN chance % 100 < 92 THEN 1 ELSE chance / 100 % 29 + 2 END
FROM generate_series(1, $2::integer) AS booking
CROSS JOIN generate_series(1, 10) AS lesson
CROSS JOIN LATERAL (SELECT booking % 300 AS course, md5(booking || '/' || lesson) AS digest) AS joined
CROSS JOIN LATERAL (
    SELECT course * 48 + lesson * 168 AS hours, ('x' || substr(digest, 1, 7))::bit(28)::integer AS chance
) AS held
ORDER BY id
"""
IS_ALL_VISIBLE = "SELECT relallvisible = relpages FROM pg_class WHERE oid = 'attendance'::regclass"
FILL_OPEN_SESSION = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT $1, md5('open ' || booking)::uuid, md5('booking ' || booking)::uuid, $2, 'ATTENDED', 1
FROM generate_series(1, 5000) AS booking
"""
FILL_SMALL_SITES = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT md5('site ' || site)::uuid, gen_random_uuid(), gen_random_uuid(), 'session ' || lesson, 'ATTENDED', 1
FROM generate_series(1, 4000) AS site, generate_series(1, 5) AS lesson
"""


@dataclass(frozen=True, slots=True)
class LargeSite:
    """The site in its database, with a hundred of its ids, bookings and sessions; the first session is the open one."""

    database: Database
    values: dict[Property, list[Any]]
    known: dict[Hashable, Any] = field(default_factory=dict)

    async def look_up(self, key: Hashable, statement: Statement) -> Any:
        """The first row of a statement, which is sent once."""
        if key not in self.known:
            (self.known[key],) = await self.database.fetch_rows(statement.text, statement.arguments, SITE)
        return self.known[key]

    async def count_records(self, plan: PagePlan) -> int:
        """How many records the plan's filter and perspective let pass."""
        statement = (
            sql("SELECT count(*) AS total FROM {} WHERE {}", TABLE, where_plan(plan))
            .to_template(SITE_VALUE)
            .bind(split_page(SITE, plan)[1])
        )
        row = await self.look_up((plan.perspective, plan.filter), statement)
        return int(row["total"])

    async def find_position(self, plan: PagePlan, rank: int) -> Position:
        """The position of the record at a rank of the plan's order, counted from 0."""
        keys = join(", ", [COLUMNS[key.of] for key in plan.order])
        order = order_by(plan.order, backward=False)
        text = f"SELECT {{}} FROM {{}} WHERE {{}} ORDER BY {{}} LIMIT 1 OFFSET {rank}"
        statement = (
            sql(text, keys, TABLE, where_plan(plan), order).to_template(SITE_VALUE).bind(split_page(SITE, plan)[1])
        )
        row = await self.look_up((plan.order, plan.perspective, plan.filter, rank), statement)
        return tuple(row.values())


def where_plan(plan: PagePlan) -> Fragment:
    perspective = plan.perspective
    found = () if perspective is None else (sql("{} = {}", COLUMNS[perspective.of], PERSPECTIVE_VALUE),)
    return all_of((where_site(SITE_VALUE), *found, *where_filter(plan.filter)))


async def vacuum(owner: asyncpg.Connection) -> bool:
    """Whether all records are marked as visible to everybody, for which a standby's feedback may have to be awaited."""
    await owner.execute("VACUUM ANALYZE attendance")
    return bool(await owner.fetchval(IS_ALL_VISIBLE))


async def fill_sites(url: str) -> None:
    """Migrate an empty database and fill it: the large site, two of 3,000 records, and thousands of five."""
    await migrate(url, row_security=False)
    owner = await asyncpg.connect(url)
    try:
        await owner.execute(FILL_SMALL_SITES)
        await owner.execute(FILL_COURSES, NEIGHBOURS[0], 300)
        await owner.execute(FILL_COURSES, SITE, 19_500)
        await owner.execute(FILL_OPEN_SESSION, SITE, OPEN_SESSION)
        await owner.execute(FILL_COURSES, NEIGHBOURS[1], 300)
        await wait_until(partial(vacuum, owner), within=60)
    finally:
        await owner.close()
    await migrate(url, row_security=True)


async def find_large_site(database: Database) -> LargeSite:
    """The large site of a filled database."""
    properties = (Property.ID, Property.BOOKING_ID, Property.SESSION_ID)
    values = {of: await find_values(database, of) for of in properties}
    others = [session for session in values[Property.SESSION_ID] if session != OPEN_SESSION]
    return LargeSite(database, values | {Property.SESSION_ID: [OPEN_SESSION, *others[:99]]})


async def find_values(database: Database, of: Property) -> list[Any]:
    """A hundred values of a property, from everywhere in the large site."""
    text = f"SELECT {of} FROM attendance WHERE site_id = $1 GROUP BY 1 ORDER BY md5({of}::text) LIMIT 100"
    return [row[of] for row in await database.fetch_rows(text, [SITE], SITE)]
