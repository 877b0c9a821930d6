"""The poll sees the revisions of the sites that it lists, and weakens no other wall between sites."""

import re
from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database.migrations import migrate
from app.database.pool import Database
from app.plan.changes import ChangesPlan, ChangesPosition
from app.plan.filter import Perspective
from app.plan.properties import Property
from app.sql.changes import render_changes
from tests.conftest import in_new_loop
from tests.support.changes import Site
from tests.support.service import RecordingDatabase

pytestmark = pytest.mark.one_server

LIST = "SELECT set_config('attendance.site_ids', $1::uuid[]::text, true)"


async def test_a_session_that_lists_a_site_sees_its_revision_and_nothing_else(
    site: Site, database: RecordingDatabase
) -> None:
    other, third = Site(site.service, uuid4()), Site(site.service, uuid4())
    for each in (site, other, third):
        await each.set("a")
        await each.delete(*await each.set("b"))
    async with database.connection(site.site_id) as connection, connection.transaction():
        await connection.fetch(LIST, [other.site_id])
        revisions = await connection.fetch("SELECT site_id, revision FROM site_revision")
        assert {row[0]: row[1] for row in revisions} == {site.site_id: 3, other.site_id: 3}
        for table in ("attendance", "attendance_deletion"):
            sites = await connection.fetch(f"SELECT DISTINCT site_id FROM {table}")
            assert [row[0] for row in sites] == [site.site_id]
        changed = await connection.execute("UPDATE site_revision SET revision = 9 WHERE site_id = $1", other.site_id)
        assert changed == "UPDATE 0"
    async with database.connection(site.site_id) as connection:
        revisions = await connection.fetch("SELECT site_id FROM site_revision")
        assert [row[0] for row in revisions] == [site.site_id]


async def test_the_poll_gives_the_listed_sites_that_have_changed(site: Site, database: RecordingDatabase) -> None:
    other, unknown = Site(site.service, uuid4()), uuid4()
    await site.set("a")
    await other.set("a")
    await other.set("b")
    for entered in (site.site_id, unknown):
        async with database.connection(entered):
            pass
        mine, theirs = str(site.site_id), str(other.site_id)
        known = {str(unknown): 0, mine: 0, theirs: 2}
        assert await database.read_revisions(known) == {mine: 1}
        assert await database.read_revisions({**known, theirs: 5}) == {mine: 1, theirs: 2}


@pytest.fixture
async def open_database(create_database: Callable[[], str]) -> AsyncIterator[Database]:
    """A database without row security."""
    url = create_database()
    in_new_loop(migrate(url, row_security=False))
    database = Database(url, pool_size=1, row_security=False)
    await database.open()
    yield database
    await database.close()


async def test_the_poll_needs_no_row_security(open_database: Database) -> None:
    sites: list[UUID] = [uuid4() for _ in range(3)]
    async with open_database.connection(sites[0]) as connection:
        await connection.executemany("INSERT INTO site_revision VALUES ($1, $2)", [(each, 4) for each in sites])
    known = {str(sites[0]): 4, str(sites[1]): 3, str(uuid4()): 0}
    assert await open_database.read_revisions(known) == {str(sites[1]): 4}


PLANS = [
    ChangesPlan(perspective, after, 100)
    for perspective in (None, Perspective(Property.SESSION_ID, "a"))
    for after in (None, ChangesPosition(1))
]


@pytest.mark.parametrize("plan", PLANS)
async def test_a_statement_of_changes_names_its_site_at_each_table_and_row_security_stands_behind_it(
    site: Site, database: RecordingDatabase, plan: ChangesPlan
) -> None:
    other = Site(site.service, uuid4())
    for each in (site, other):
        await each.set("a", "b")
        await each.delete(*await each.set("a"))
    statement = render_changes(site.site_id, plan, tuple(Property))
    tables = re.findall(r'FROM "(\w+)"', statement.text)
    assert set(tables) == {"attendance", "attendance_deletion", "site_revision"}
    assert statement.text.count('"site_id" = $1') == len(tables)
    blind = statement.text.replace('"site_id" = $1', "$1::uuid IS NOT NULL")
    stranger = uuid4()
    for text in (statement.text, blind):
        rows = await database.fetch_rows(text, (stranger, *statement.arguments[1:]), stranger)
        assert [(row["id"], row["site_revision"]) for row in rows] == [(None, 0)]
    rows = await database.fetch_rows(statement.text, statement.arguments, site.site_id)
    assert rows[0]["id"] is not None


async def test_another_site_is_out_of_reach_by_a_list_that_is_no_list(site: Site, database: RecordingDatabase) -> None:
    async with database.connection(site.site_id) as connection, connection.transaction():
        await connection.fetch("SELECT set_config('attendance.site_ids', '', true)")
        assert await connection.fetch("SELECT FROM site_revision WHERE site_id <> $1", site.site_id) == []
        await connection.fetch("SELECT set_config('attendance.site_ids', 'nonsense', true)")
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            async with connection.transaction():
                await connection.fetch("SELECT FROM site_revision WHERE site_id <> $1", uuid4())
