"""The totals of sites on a Citus cluster: by the triggers of the migration, made once the tables are distributed.

What makes and counts them does the same on one server. The last test needs a cluster.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database.distribution.totals import explain_triggers, keep_totals, read_commands
from app.database.migrations import migrate
from app.database.pool import Database
from app.database.totals import STOP_TOTALS, compare_totals, count_sites
from tests.support.mutations import BULK_SET, DELETE, make_input
from tests.support.private_service import open_service
from tests.support.service import Record, RecordingDatabase, store
from tests.support.totals import count_records, read_figures, read_stored
from tests.support.waiting import wait_until

FILL = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT $1, gen_random_uuid(), gen_random_uuid(), 'filled', 'ATTENDED', 2 FROM generate_series(1, $2::integer)
"""
IS_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


@pytest.fixture
async def owner(empty_url: str) -> AsyncIterator[Any]:
    """An owner's connection to a database whose triggers are gone, as they are on a cluster."""
    await migrate(empty_url, row_security=False)
    connection = await asyncpg.connect(empty_url)
    await connection.execute(STOP_TOTALS)
    yield connection
    await connection.close()


async def make_triggers(owner: Any) -> None:
    async with owner.transaction():
        await keep_totals(owner)


def test_the_commands_of_the_migration_are_found_in_it() -> None:
    found = [re.match(r"(?:CREATE OR REPLACE )?(FUNCTION|CREATE TRIGGER|REVOKE)", text) for text in read_commands()]
    assert [kind[1] for kind in found if kind] == ["FUNCTION"] * 4 + ["REVOKE"] + ["CREATE TRIGGER"] * 3
    assert len(found) == 8


def test_a_trigger_stays_in_the_shards_of_its_site() -> None:
    for text in read_commands():
        if "FUNCTION %1$I.forget_site_totals" in text:  # no trigger calls it
            continue
        named = re.findall(r"(?:\bFROM|\bUPDATE) %1\$I\.\w+", text)
        assert len(named) == len(re.findall(r"\bsite_id = site\b", text)), text


async def test_triggers_are_made_and_then_left(empty_url: str, owner: Any, site_id: UUID) -> None:
    await owner.execute(FILL, site_id, 12)
    assert (await explain_triggers(owner) or "").startswith("the trigger attendance_created is missing")
    for _ in range(2):
        await make_triggers(owner)
        await count_sites(empty_url, owner, distributed=True)
        assert await explain_triggers(owner) is None
        assert await read_stored(owner, site_id) == await count_records(owner, site_id)
        await owner.execute(FILL, site_id, 3)
        assert await compare_totals(empty_url) == (1, 0, [])


async def test_one_missing_trigger_has_all_sites_counted_anew(empty_url: str, owner: Any, site_id: UUID) -> None:
    await make_triggers(owner)
    await owner.execute(FILL, site_id, 4)
    await owner.execute("DROP TRIGGER attendance_deleted ON attendance")
    await owner.execute("DELETE FROM attendance")
    assert await compare_totals(empty_url) == (1, 0, [site_id])
    await owner.execute(FILL, site_id, 2)
    await make_triggers(owner)
    await count_sites(empty_url, owner, distributed=True)
    assert await compare_totals(empty_url) == (1, 0, [])


async def test_a_count_waits_for_a_writer_and_the_next_writer_for_the_count(
    empty_url: str, owner: Any, site_id: UUID
) -> None:
    await owner.execute(FILL, site_id, 9)
    await make_triggers(owner)
    writer = await asyncpg.connect(empty_url)
    observer = await asyncpg.connect(empty_url)

    async def waits() -> bool:
        return bool(await observer.fetchval(IS_WAITING))

    async with writer.transaction():
        await writer.execute(FILL, site_id, 2)
        counting = asyncio.create_task(count_sites(empty_url, owner, distributed=True))
        await wait_until(waits, within=5)
        await writer.execute(FILL, site_id, 1)
    await counting
    await writer.execute(FILL, site_id, 1)
    assert (await read_stored(observer, site_id) or {})["total"] == 13
    assert await compare_totals(empty_url) == (1, 0, [])
    for connection in (writer, observer):
        await connection.close()


async def test_on_a_cluster_they_are_those_of_the_records(spread: str) -> None:
    await migrate(spread, row_security=True)
    before = Database(spread, pool_size=1, row_security=True)
    sites = [uuid4() for _ in range(5)]
    for site_id in sites:
        await store(before, site_id, [Record() for _ in range(20)])
    await before.close()
    await migrate(spread, row_security=False, distributed=True)
    assert await compare_totals(spread) == (5, 0, [])
    database = RecordingDatabase(spread, row_security=False)
    database.is_distributed = True
    owner = await asyncpg.connect(spread)
    async with open_service(database) as client_of:
        for site_id in [*sites, uuid4()]:
            made = await client_of(site_id).data(BULK_SET, input=[make_input() for _ in range(7)])
            first = made["bulkSetAttendance"]["results"][0]["attendance"]["id"]
            await client_of(site_id).data(DELETE, id=first)
            assert await read_figures(database, site_id) == await read_stored(owner, site_id)
    await owner.execute("UPDATE attendance SET number_of_attendees = 8")
    assert await compare_totals(spread) == (6, 0, [])
    await owner.close()
