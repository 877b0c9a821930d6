"""The version before revisions, on a database that the new version migrates: it goes on, and what it leaves out."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from app.attendance.statistics import QueryStatistics
from app.attendance.writing import AttendanceWriter
from app.database import migrations
from app.database.migrations import migrate, read_migrations
from app.database.pool import Database
from app.database.sites import restart_followers
from app.plan.properties import Property
from app.plan.write import plan_bulk_delete, plan_bulk_set
from tests.support.revisions import Follower, read_counter, read_deletions, read_records
from tests.support.version_before import VersionBefore

SECONDS = 3.0
KEYS = [(str(uuid4()), session) for _ in range(20) for session in ("a", "b")]
COLUMNS = (Property.ID, Property.BOOKING_ID, Property.SESSION_ID)
STATUSES = ("NOT_SET", "ATTENDED", "NOT_ATTENDED")


@pytest.fixture
async def database(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Database]:
    """A pool on a database as the version before has migrated it."""
    known = read_migrations()
    monkeypatch.setattr(migrations, "read_migrations", lambda: known[:1])
    await migrate(empty_url, row_security=True)
    monkeypatch.setattr(migrations, "read_migrations", lambda: known)
    database = Database(empty_url, pool_size=8, row_security=True)
    await database.open()
    yield database
    await database.close()


async def work_as_before(before: VersionBefore, seed: int, ended: asyncio.Event) -> int:
    """Sets, deletes and reads of the version before, until the event: how many there were."""
    chance, count = random.Random(seed), 0
    while not ended.is_set():
        rows = await before.set(chance.sample(KEYS, chance.choice((1, 5, 20))), chance.choice(STATUSES))
        count += len(await before.delete([row["id"] for row in rows if chance.random() < 0.2])) + len(rows)
        assert len({row["id"] for row in await before.read()}) > 0
    return count


async def work_as_now(database: Database, site_id: UUID, seed: int, until: float) -> None:
    """Sets and deletes of this version."""
    chance, writer = random.Random(seed), AttendanceWriter(database, site_id, QueryStatistics())
    while time.monotonic() < until:
        items = [
            {"bookingId": booking, "sessionId": session, "status": chance.choice(STATUSES)}
            for booking, session in chance.sample(KEYS, chance.choice((1, 5, 20)))
        ]
        result = await writer.write(plan_bulk_set(items, "input"), COLUMNS)
        ids = [item.row[0] for item in result.items if item.row is not None and chance.random() < 0.2]
        if ids:
            await writer.write(plan_bulk_delete(ids, "ids"), ())


async def test_it_serves_reads_and_writes_while_the_migration_runs_and_beside_the_new_version(
    empty_url: str, database: Database, site_id: UUID
) -> None:
    before, ended = VersionBefore(database, site_id), asyncio.Event()
    await before.set(KEYS, "NOT_SET")
    working = [asyncio.create_task(work_as_before(before, seed, ended)) for seed in range(3)]
    await asyncio.sleep(SECONDS / 6)
    assert len(await migrate(empty_url, row_security=True)) == len(read_migrations()) - 1
    until = time.monotonic() + SECONDS
    await asyncio.gather(*(work_as_now(database, site_id, seed, until) for seed in range(3)))
    ended.set()
    assert min(await asyncio.gather(*working)) > 0

    records = await read_records(database, site_id)
    late = Follower(database, site_id)
    while await late.follow(100):
        pass
    assert late.state == {id_: tuple(row)[:5] for id_, row in records.items()}
    assert records.keys().isdisjoint(await read_deletions(database, site_id))


async def test_what_it_writes_is_in_a_later_copy_and_not_among_the_changes_since_an_earlier_one(
    empty_url: str, database: Database, site_id: UUID
) -> None:
    before = VersionBefore(database, site_id)
    await migrate(empty_url, row_security=True)
    await before.set(KEYS[:1], "NOT_SET")
    [deleted] = await before.set(KEYS[1:2], "NOT_SET")
    early = Follower(database, site_id)
    await early.take_snapshot()
    await before.set(KEYS[:1], "ATTENDED")
    await before.set(KEYS[2:3], "ATTENDED")
    await before.delete([deleted["id"]])
    assert await early.follow(100) == 0

    records = await read_records(database, site_id)
    late = Follower(database, site_id)
    assert await late.follow(100) == 2
    assert late.state == {id_: tuple(row)[:5] for id_, row in records.items()} != early.state
    await restart_followers(empty_url)
    assert (await read_counter(database, site_id))[1] > early.position[0], "the early one begins again"


async def test_a_record_that_it_imports_again_with_its_old_id_is_deleted_as_any_other(
    empty_url: str, database: Database, site_id: UUID
) -> None:
    await migrate(empty_url, row_security=True)
    writer = AttendanceWriter(database, site_id, QueryStatistics())
    text = """
    INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
    VALUES ($1, $2, $2, 'session', 'ATTENDED', 1)
    """
    id_ = uuid4()
    for revision in (1, 2):
        await database.fetch_rows(text, [site_id, id_], site_id)
        await writer.write(plan_bulk_delete([str(id_)], "ids"), ())
        assert {each: row["revision"] for each, row in (await read_deletions(database, site_id)).items()} == {
            id_: revision
        }
