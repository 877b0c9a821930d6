"""The totals of a site are those of its records, whoever writes them, and while `attendance migrate` counts them."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.attendance.statistics import QueryStatistics
from app.attendance.writing import AttendanceWriter
from app.database import migrations
from app.database.migrations import migrate, read_migrations
from app.database.pool import Database
from app.database.sites import FIRST_KEY, erase_batch
from app.database.totals import CLAIM_SITE, compare_totals
from app.database.transfer import ImportRow, store_batch
from app.plan.properties import Property
from app.plan.write import plan_bulk_delete, plan_bulk_set
from tests.support.totals import count_records, read_figures, read_stored
from tests.support.version_before import VersionBefore

BEFORE_TOTALS = 5
COLUMNS = (Property.ID, Property.BOOKING_ID, Property.SESSION_ID)
STATUSES = ("NOT_SET", "ATTENDED", "NOT_ATTENDED")
KEYS = [(str(uuid4()), session) for _ in range(30) for session in ("a", "b")]
FILL = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
SELECT $1, gen_random_uuid(), gen_random_uuid(), 'filled',
    (ARRAY['NOT_SET', 'ATTENDED', 'NOT_ATTENDED'])[1 + n % 3], n % 5
FROM generate_series(1, $2::integer) AS n
"""
MOST_COUNTED_BY_A_WRITE = 10_000


@pytest.fixture
async def url(empty_url: str) -> str:
    """A migrated database."""
    await migrate(empty_url, row_security=True)
    return empty_url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    database = Database(url, pool_size=9, row_security=True)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def owner(url: str) -> AsyncIterator[Any]:
    """A superuser's connection, which row security does not bind."""
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def set_some(database: Database, site_id: UUID, chance: random.Random) -> list[str]:
    """Set up to twenty records, new or not: their ids."""
    items = [
        {"bookingId": booking, "sessionId": session, "status": chance.choice(STATUSES)}
        | ({"numberOfAttendees": chance.randrange(9)} if chance.random() < 0.7 else {})
        for booking, session in chance.sample(KEYS, chance.choice((1, 2, 20)))
    ]
    result = await AttendanceWriter(database, site_id, QueryStatistics()).write(plan_bulk_set(items, "input"), COLUMNS)
    return [item.row[0] for item in result.items if item.row is not None]


async def delete_some(database: Database, site_id: UUID, chance: random.Random) -> None:
    rows = await database.fetch_rows("SELECT id::text FROM attendance WHERE site_id = $1", [site_id], site_id)
    ids = [row[0] for row in rows if chance.random() < 0.3] or [str(uuid4())]
    await AttendanceWriter(database, site_id, QueryStatistics()).write(plan_bulk_delete(ids[:50], "ids"), ())


async def import_some(database: Database, site_id: UUID, chance: random.Random) -> None:
    rows = [
        ImportRow(None, booking, session, chance.choice(STATUSES), chance.choice((None, 2, 7)), None, None)
        for booking, session in chance.sample(KEYS, 25)
    ]
    async with database.connection(site_id) as connection:
        await store_batch(connection, site_id, rows, at=datetime.now(UTC))


async def write_as_before(database: Database, site_id: UUID, chance: random.Random) -> None:
    await VersionBefore(database, site_id).set(chance.sample(KEYS, 5), chance.choice(STATUSES), chance.randrange(5))


async def erase_some(database: Database, site_id: UUID, _: random.Random) -> None:
    async with database.connection(site_id) as connection:
        await erase_batch(connection, site_id, FIRST_KEY, distributed=False)


@pytest.mark.parametrize("seed", range(3))
async def test_they_are_those_of_the_records_after_each_write(
    database: Database, owner: Any, site_id: UUID, seed: int
) -> None:
    chance = random.Random(seed)
    writes = [*[set_some] * 4, *[delete_some] * 2, import_some, write_as_before, erase_some]
    for write in [set_some, *chance.choices(writes, k=40)]:
        await write(database, site_id, chance)
        counted = await count_records(owner, site_id)
        assert await read_stored(owner, site_id) == counted == await read_figures(database, site_id), write


async def test_they_follow_statements_over_several_sites_and_none_that_is_taken_back(owner: Any) -> None:
    sites = [uuid4() for _ in range(3)]
    for site_id in sites:
        await owner.execute(FILL, site_id, 7)
    await owner.execute("UPDATE attendance SET status = 'ATTENDED', number_of_attendees = number_of_attendees + 2")
    await owner.execute("DELETE FROM attendance WHERE number_of_attendees > 4")
    await owner.execute("UPDATE attendance SET site_id = $1 WHERE site_id = $2", *sites[:2])
    async with owner.transaction():
        taken_back = owner.transaction()
        await taken_back.start()
        await owner.execute("DELETE FROM attendance")
        await taken_back.rollback()
        await owner.execute("UPDATE attendance SET status = 'NOT_SET' WHERE site_id = $1", sites[2])
    counted = [await count_records(owner, site_id) for site_id in sites]
    assert [await read_stored(owner, site_id) for site_id in sites] == counted
    assert [totals["total"] > 0 for totals in counted] == [True, False, True]
    await owner.execute("TRUNCATE attendance")
    await owner.execute(FILL, sites[0], 2)
    assert await read_stored(owner, sites[0]) == await count_records(owner, sites[0])


async def test_a_query_counts_the_records_where_no_totals_are_known(
    database: Database, owner: Any, site_id: UUID
) -> None:
    assert set((await read_figures(database, site_id)).values()) == {0}
    await owner.execute(FILL, site_id, 50)
    await owner.execute("UPDATE site_totals SET is_counted = false, attended = 999 WHERE site_id = $1", site_id)
    assert await read_figures(database, site_id) == await count_records(owner, site_id)
    await owner.execute("DELETE FROM site_totals")
    assert await read_figures(database, site_id) == await count_records(owner, site_id)


@pytest.mark.parametrize("records", [MOST_COUNTED_BY_A_WRITE, MOST_COUNTED_BY_A_WRITE + 1])
async def test_a_write_counts_a_site_that_is_restored_without_totals_if_it_is_small(
    owner: Any, url: str, site_id: UUID, records: int
) -> None:
    await owner.execute(FILL, site_id, records - 1)
    await owner.execute("DELETE FROM site_totals")
    await owner.execute(FILL, site_id, 1)
    is_small = records == MOST_COUNTED_BY_A_WRITE
    assert await read_stored(owner, site_id) == (await count_records(owner, site_id) if is_small else None)
    await migrate(url, row_security=True)
    assert await read_stored(owner, site_id) == await count_records(owner, site_id)


async def test_they_are_right_after_concurrent_writers_of_both_versions_while_migrate_counts(
    database: Database, owner: Any, url: str, site_id: UUID
) -> None:
    await owner.execute(FILL, site_id, 3_000)
    ended = asyncio.Event()

    async def work(seed: int) -> int:
        chance, writes = random.Random(seed), 0
        while not ended.is_set():
            await chance.choice((set_some, set_some, delete_some, write_as_before))(database, site_id, chance)
            writes += 1
        return writes

    working = [asyncio.create_task(work(seed)) for seed in range(8)]
    for _ in range(10):
        await owner.execute("UPDATE site_totals SET is_counted = false, attendees = 77 WHERE site_id = $1", site_id)
        await asyncio.gather(*(migrate(url, row_security=True) for _ in range(2)))
        assert await read_stored(owner, site_id) is not None
    ended.set()
    assert min(await asyncio.gather(*working)) > 0
    assert await read_stored(owner, site_id) == await count_records(owner, site_id)


async def test_sites_of_before_are_counted_by_the_migration_beside_their_writers(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, sites = read_migrations(), [uuid4() for _ in range(3)]
    monkeypatch.setattr(migrations, "read_migrations", lambda: known[:BEFORE_TOTALS])
    await migrate(empty_url, row_security=True)
    monkeypatch.setattr(migrations, "read_migrations", lambda: known)
    owner = await asyncpg.connect(empty_url)
    before = await asyncpg.connect(empty_url)
    for site_id in sites:
        await owner.execute(FILL, site_id, 500)
    ended = asyncio.Event()

    async def write() -> None:
        while not ended.is_set():
            await before.execute(FILL, sites[0], 3)

    writing = asyncio.create_task(write())
    await migrate(empty_url, row_security=True)
    ended.set()
    await writing
    assert [await read_stored(owner, each) for each in sites] == [await count_records(owner, each) for each in sites]
    await owner.close()
    await before.close()


async def test_a_site_that_another_process_counts_is_left_to_it_and_counted_again_if_that_ends(
    owner: Any, url: str, site_id: UUID
) -> None:
    await owner.execute(FILL, site_id, 20)
    await owner.execute("UPDATE site_totals SET is_counted = false, attended = 5 WHERE site_id = $1", site_id)
    async with owner.transaction():
        assert await owner.fetchval(CLAIM_SITE, str(site_id))
        await migrate(url, row_security=True)
        assert await read_stored(owner, site_id) is None
    await migrate(url, row_security=True)
    assert await read_stored(owner, site_id) == await count_records(owner, site_id)


async def test_a_comparison_names_the_sites_whose_records_were_written_without_the_triggers(
    owner: Any, url: str
) -> None:
    right, wrong, uncounted, emptied = (uuid4() for _ in range(4))
    for site_id in (right, wrong, uncounted, emptied):
        await owner.execute(FILL, site_id, 9)
    await owner.execute("UPDATE site_totals SET is_counted = false WHERE site_id = $1", uncounted)
    await owner.execute("DELETE FROM attendance WHERE site_id = $1", emptied)
    assert await compare_totals(url) == (3, 1, [])
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(FILL, wrong, 1)
    assert await compare_totals(url) == (3, 1, [wrong])
