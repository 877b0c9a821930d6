"""Plans of Postgres where nearly all bookings and sessions are small, so that the planner takes each for small.

It would read all records of a large one for a page of it, and sort them, because that is cheap for a small one.
"""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import asyncpg
import pytest

from app.database.migrations import migrate
from app.database.pool import Database
from app.plan.filter import Perspective
from app.plan.order import DEFAULT_ORDER
from app.plan.properties import Property, Value
from app.plan.summary import SummaryPlan
from app.sql.pages import render_connections, render_page
from tests.support.explain import PLAN_CACHE_MODES, Explained, explain
from tests.support.plan_cases import plan_site_page

SITE = UUID("00000000-0000-0000-0000-000000000001")
LARGE = {Property.BOOKING_ID: UUID("00000000-0000-0000-0000-000000000002"), Property.SESSION_ID: "the large one"}
OTHER = {Property.BOOKING_ID: UUID("00000000-0000-0000-0000-000000000003"), Property.SESSION_ID: "another one"}
# Of four sites, with 15 records of a booking and of a session on average, whose ids are in no order.
FILL = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT lpad((number % 4 + 1)::text, 32, '0')::uuid, md5('record ' || number)::uuid,
    md5('booking ' || number % 4 || ' ' || hashint4(number) % 2000)::uuid,
    md5('session ' || number % 4 || ' ' || hashint4(-number) % 2000), 'ATTENDED', 1
FROM generate_series(1, 120000) AS number
ON CONFLICT DO NOTHING
"""
FILL_LARGE = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT $1::uuid, md5($3::text || number)::uuid, md5($3 || 'booking ' || number)::uuid, $3, 'ATTENDED', 1
FROM generate_series(1, 3000) AS number
UNION ALL
SELECT $1, md5($3 || -number)::uuid, $2::uuid, $3 || number, 'ATTENDED', 1 FROM generate_series(1, 3000) AS number
"""
NO_FIGURES = SummaryPlan(None, None, frozenset())
in_both_modes = pytest.mark.parametrize("mode", PLAN_CACHE_MODES)
of_each_parent = pytest.mark.parametrize("of", LARGE)
pytestmark = pytest.mark.one_server


@pytest.fixture(scope="module", params=[True, False], ids=["row security", "no row security"])
async def uneven(create_database: Callable[[], str], request: pytest.FixtureRequest) -> AsyncIterator[Database]:
    url = create_database()
    await migrate(url, row_security=False)
    owner = await asyncpg.connect(url)
    await owner.execute(FILL)
    for each in (LARGE, OTHER):
        await owner.execute(FILL_LARGE, SITE, each[Property.BOOKING_ID], each[Property.SESSION_ID])
    await owner.execute("VACUUM ANALYZE attendance")
    await owner.close()
    await migrate(url, row_security=request.param)
    database = Database(url, pool_size=1, row_security=request.param)
    await database.open()
    yield database
    await database.close()


def assert_read_in_order(explained: Explained, most_read: int) -> None:
    assert explained.is_by_index, explained.summary
    assert explained.sorts == [], explained.summary
    assert explained.records_read <= most_read, explained.summary


@in_both_modes
@of_each_parent
@pytest.mark.parametrize("arguments", [{"first": 10}, {"last": 10}, {"first": 100}])
async def test_a_page_of_a_large_booking_or_session_reads_no_more_than_its_records(
    uneven: Database, of: Property, arguments: dict[str, int], mode: str
) -> None:
    page = plan_site_page(Perspective(of, LARGE[of]), None, DEFAULT_ORDER, **arguments)
    explained = await explain(uneven, SITE, render_page(SITE, page), mode)
    assert_read_in_order(explained, most_read=page.row_limit)


@in_both_modes
@of_each_parent
async def test_connections_of_large_bookings_or_sessions_read_no_more_than_their_pages(
    uneven: Database, of: Property, mode: str
) -> None:
    parents: list[Value] = [LARGE[of], OTHER[of]]
    page = plan_site_page(None, None, DEFAULT_ORDER, first=10)
    statement = render_connections(SITE, of, parents, page, NO_FIGURES)
    assert_read_in_order(await explain(uneven, SITE, statement, mode), most_read=len(parents) * page.row_limit)
