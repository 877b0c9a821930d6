"""Plans of Postgres for changes on a large site: a batch reads its own changes by an index, however deep it lies."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID

import asyncpg
import pytest

from app.attendance.watching import MOST_TOUCHED, TOUCHED_COLUMNS
from app.database.migrations import migrate
from app.database.pool import Database
from app.database.revisions import READ_LISTED_REVISIONS
from app.plan.changes import ChangesPlan, ChangesPosition
from app.plan.filter import Perspective
from app.plan.properties import Property
from app.sql.changes import NEAR_REVISIONS, render_changes
from app.sql.fragment import Statement
from tests.support.explain import INDEX_SCANS, PLAN_CACHE_MODES, Explained, explain

SITE = UUID("11111111-1111-4111-8111-111111111111")
RECORDS, DELETIONS, SIZE = 60_000, 20_000, 100
COLUMNS = tuple(Property)
OPEN = Perspective(Property.SESSION_ID, "open")
# One record in six is of one session, all others are of small ones. Each fourth revision is a deletion.
FILL = f"""
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees, revision)
SELECT $1, md5('record ' || n)::uuid, md5('booking ' || n)::uuid,
    CASE WHEN n % 6 = 0 THEN 'open' ELSE 'session ' || n / 20 END, 'ATTENDED', 1, (n - 1) / 3 * 4 + (n - 1) % 3 + 1
FROM generate_series(1, {RECORDS}) AS n
"""
FILL_DELETIONS = f"""
INSERT INTO attendance_deletion (site_id, revision, id, booking_id, session_id, deleted_at)
SELECT $1, n * 4, md5('gone ' || n)::uuid, md5('booking ' || n)::uuid, 'session ' || n, now()
FROM generate_series(1, {DELETIONS}) AS n
"""
FILL_SMALL_SITES = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees, revision)
SELECT md5('site ' || site)::uuid, gen_random_uuid(), gen_random_uuid(), 'session ' || n, 'ATTENDED', 1, n
FROM generate_series(1, 2000) AS site, generate_series(1, 5) AS n
"""
FILL_COUNTERS = "INSERT INTO site_revision SELECT site_id, max(revision) + 1 FROM attendance GROUP BY site_id"
pytestmark = pytest.mark.one_server
in_both_modes = pytest.mark.parametrize("mode", PLAN_CACHE_MODES)


@pytest.fixture(scope="module")
async def large(create_database: Callable[[], str]) -> AsyncIterator[Database]:
    url = create_database()
    await migrate(url, row_security=False)
    owner = await asyncpg.connect(url)
    await owner.execute(FILL_SMALL_SITES)
    await owner.execute(FILL, SITE)
    await owner.execute(FILL_DELETIONS, SITE)
    await owner.execute(FILL_COUNTERS)
    for table in ("attendance", "attendance_deletion", "site_revision"):
        await owner.execute(f"VACUUM ANALYZE {table}")
    await owner.close()
    await migrate(url, row_security=True)
    database = Database(url, pool_size=1, row_security=True)
    await database.open()
    yield database
    await database.close()


async def find_last(database: Database) -> int:
    (row,) = await database.fetch_rows("SELECT revision FROM site_revision WHERE site_id = $1", [SITE], SITE)
    return int(row[0])


def assert_by_index(explained: Explained, *, most_read: int) -> None:
    assert {scan["Node Type"] for scan in explained.scans} <= INDEX_SCANS, explained.summary
    assert explained.records_read <= most_read, explained.summary


@in_both_modes
async def test_a_batch_of_the_site_reads_its_own_changes_however_deep_it_lies(large: Database, mode: str) -> None:
    last = await find_last(large)
    for after in (None, *(ChangesPosition(last * part // 4) for part in range(1, 5))):
        for size, columns in ((SIZE, COLUMNS), (MOST_TOUCHED, TOUCHED_COLUMNS)):
            statement = render_changes(SITE, ChangesPlan(None, after, size), columns)
            explained = await explain(large, SITE, statement, mode)
            # Of records and of deletions, one more than the batch at most, and the counter.
            assert_by_index(explained, most_read=2 * (size + 1) + 1)
            assert not explained.sorts, explained.summary


@in_both_modes
async def test_the_latest_changes_of_a_session_are_found_among_the_latest_of_the_site(
    large: Database, mode: str
) -> None:
    last = await find_last(large)
    for behind in (0, 1, NEAR_REVISIONS):
        plan = ChangesPlan(OPEN, ChangesPosition(last - behind), SIZE)
        explained = await explain(large, SITE, render_changes(SITE, plan, COLUMNS), mode)
        # For known values, Postgres may take a bitmap of those few, which counts them twice.
        assert "Seq Scan" not in {scan["Node Type"] for scan in explained.scans}
        assert explained.records_read <= 2 * behind + 1, explained.summary


@in_both_modes
async def test_a_copy_of_a_small_session_reads_its_records_and_not_the_site(large: Database, mode: str) -> None:
    plan = ChangesPlan(Perspective(Property.SESSION_ID, "session 77"), None, SIZE)
    explained = await explain(large, SITE, render_changes(SITE, plan, COLUMNS), mode)
    used = {scan["Index Name"] for scan in explained.scans if scan["Actual Loops"] and "Index Name" in scan}
    assert used - {"attendance_deletion_by_revision"} == {"attendance_by_session", "site_revision_pkey"}
    # A bitmap of the records counts them twice.
    assert explained.records_read <= 2 * 20 + DELETIONS + 1, explained.summary


@in_both_modes
async def test_the_poll_looks_up_each_listed_site_by_its_key(large: Database, mode: str) -> None:
    rows = await large.fetch_rows("SELECT md5('site ' || n)::uuid::text FROM generate_series(1, 50) AS n", [], SITE)
    sites = [row[0] for row in rows]
    lists = f"{{{','.join(sites)}}}", f"{{{','.join(['4'] * 50)}}}"
    explained = await explain(large, SITE, Statement(READ_LISTED_REVISIONS, lists), mode)
    of_table = [scan for scan in explained.scans if scan.get("Relation Name") == "site_revision"]
    assert [scan["Index Name"] for scan in of_table] == ["site_revision_pkey"], explained.summary
    assert explained.records_read == 50, explained.summary
