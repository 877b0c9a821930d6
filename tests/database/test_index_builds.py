"""Migrations of a database that is in use: a table that is locked for moments, and an index that is built meanwhile."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from app.database import migrations
from app.database.migrations import LOCK, Migration, migrate, read_migrations
from app.database.owner import open_owner
from app.database.pool import Database
from app.database.readiness import explain_history
from app.errors import ConfigurationError
from tests.support.service import Record, store

ALL = read_migrations()
TABLES, INDEX = ALL[:2], ALL[2]
# It is applied before the index is built.
TABLE_OF_TOTALS = ALL[5]
INSERT = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'session', 'ATTENDED', 1)
"""
COUNT = "SELECT count(*) FROM attendance"
IS_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)"
FIND_BUILDER = "SELECT pid FROM pg_stat_progress_create_index WHERE datname = current_database()"
SECONDS = 30

KEY = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
VALUES ('00000000-0000-4000-8000-000000000001', gen_random_uuid(), '00000000-0000-4000-8000-000000000002', 's', $1, 1)
"""
SET_KEY = f"{KEY} ON CONFLICT (site_id, booking_id, session_id) DO UPDATE SET status = excluded.status RETURNING status"
INDEXES_OF_KEYS = """
SELECT array_agg(indexrelid::regclass::text ORDER BY 1) FROM pg_index
WHERE indrelid = 'attendance'::regclass AND indisunique AND NOT indisprimary AND indisvalid
"""

Install = Callable[[list[Migration]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes a version of the service that comes with these migrations."""
    return lambda installed: monkeypatch.setattr(migrations, "read_migrations", lambda: installed)


@pytest.fixture
async def half_migrated(empty_url: str, install: Install) -> str:
    """A database that has the tables, and lacks the index."""
    install(TABLES)
    await migrate(empty_url, row_security=True)
    install(ALL)
    return empty_url


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def wait_for_builder(observer: Any, index: str = "attendance_by_revision") -> int:
    """The pid of the session that builds the index, once that waits for the transactions of others."""
    async with asyncio.timeout(SECONDS):
        while await observer.fetchval(IS_VALID, index) is not False:  # noqa: ASYNC110 (another server's event)
            await asyncio.sleep(0.01)
    return int(await observer.fetchval(FIND_BUILDER))


def test_only_an_index_is_built_outside_of_a_transaction() -> None:
    assert [migration.index for migration in ALL[:3]] == [None, None, "attendance_by_revision"]
    for migration in ALL:
        commands = [line for line in migration.text.splitlines() if line and not line.startswith("--")]
        assert ("CONCURRENTLY" in migration.text) is (migration.index is not None)
        assert migration.index is None or len(commands) == 1


async def test_records_are_read_and_written_while_an_index_is_built(half_migrated: str) -> None:
    async with connect(half_migrated) as slow, connect(half_migrated) as other:
        async with slow.transaction():
            await slow.execute(INSERT)
            migrating = asyncio.create_task(migrate(half_migrated, row_security=True))
            await wait_for_builder(other)
            async with asyncio.timeout(SECONDS):
                for number in range(5):
                    await other.execute(INSERT)
                    assert await other.fetchval(COUNT) == number + 1
            assert not await other.fetchval(IS_VALID, INDEX.index)
        assert await migrating == [each.name for each in ALL[2:]]
        assert await other.fetchval(IS_VALID, INDEX.index)


async def test_the_service_is_ready_while_an_index_is_built_and_the_check_names_it(half_migrated: str) -> None:
    database = Database(half_migrated, pool_size=1, row_security=True)
    await database.open()
    async with connect(half_migrated) as slow, open_owner(half_migrated) as owner:
        async with slow.transaction():
            await slow.execute(INSERT)
            migrating = asyncio.create_task(migrate(half_migrated, row_security=True))
            await wait_for_builder(owner)
            assert await database.explain_unreadiness() is None
            await store(database, uuid4(), [Record()])
            reason = await explain_history(owner, row_security=True)
            assert reason == f"migration {INDEX.name} is missing: run `attendance migrate`"
        await migrating
        assert await explain_history(owner, row_security=True) is None
    await database.close()


async def test_processes_that_migrate_at_once_wait_for_one_build(half_migrated: str) -> None:
    async with connect(half_migrated) as slow, connect(half_migrated) as observer:
        async with slow.transaction():
            await slow.execute(INSERT)
            migrating = [asyncio.create_task(migrate(half_migrated, row_security=True)) for _ in range(4)]
            builder = await wait_for_builder(observer)
            await asyncio.sleep(2 * migrations.PAUSE_SECONDS)
            assert await wait_for_builder(observer) == builder
            assert not any(each.done() for each in migrating)
        async with asyncio.timeout(SECONDS):
            applied = await asyncio.gather(*migrating)
    assert sorted(name for names in applied for name in names) == [each.name for each in ALL[2:]]


async def test_a_build_holds_no_lock_that_another_migrating_process_waits_for(half_migrated: str) -> None:
    """A build waits for all older transactions, so one that waited for the build would make both wait for ever."""
    async with connect(half_migrated) as slow, connect(half_migrated) as other:
        async with slow.transaction():
            await slow.execute(INSERT)
            migrating = asyncio.create_task(migrate(half_migrated, row_security=True))
            await wait_for_builder(other)
            async with asyncio.timeout(SECONDS), other.transaction():
                await other.execute(LOCK)
        await migrating


async def test_a_build_that_was_interrupted_is_done_again_by_the_next_run(half_migrated: str) -> None:
    async with connect(half_migrated) as slow, connect(half_migrated) as observer:
        async with slow.transaction():
            await slow.execute(INSERT)
            migrating = asyncio.create_task(migrate(half_migrated, row_security=True))
            builder = await wait_for_builder(observer)
            await observer.execute("SELECT pg_terminate_backend($1)", builder)
            with pytest.raises(ConfigurationError):
                await migrating
        assert await observer.fetchval(IS_VALID, INDEX.index) is False
        assert await migrate(half_migrated, row_security=True) == [
            each.name for each in ALL[2:] if each != TABLE_OF_TOTALS
        ]
        assert await observer.fetchval(IS_VALID, INDEX.index) is True


async def test_a_build_goes_on_without_its_process_and_the_next_run_waits_for_it(half_migrated: str) -> None:
    async with connect(half_migrated) as slow, connect(half_migrated) as observer:
        async with slow.transaction():
            await slow.execute(INSERT)
            building = asyncio.create_task(observer.execute(INDEX.text))
            async with connect(half_migrated) as other:
                await wait_for_builder(other)
            migrating = asyncio.create_task(migrate(half_migrated, row_security=True))
            await asyncio.sleep(2 * migrations.PAUSE_SECONDS)
            assert not migrating.done()
        await building
        assert await migrating == [each.name for each in ALL[2:]]
        assert await observer.fetchval(IS_VALID, INDEX.index) is True


async def test_an_index_of_that_name_that_is_there_already_is_only_noted(half_migrated: str) -> None:
    async with connect(half_migrated) as owner:
        await owner.execute(INDEX.text)
        oid = await owner.fetchval("SELECT to_regclass('attendance_by_revision')::oid")
        assert await migrate(half_migrated, row_security=True) == [each.name for each in ALL[2:]]
        assert await owner.fetchval("SELECT to_regclass('attendance_by_revision')::oid") == oid


async def test_limits_of_time_that_the_database_sets_do_not_stop_a_build(half_migrated: str) -> None:
    async with connect(half_migrated) as slow, connect(half_migrated) as other:
        name = await slow.fetchval("SELECT current_database()")
        for setting in ("statement_timeout", "lock_timeout"):
            await slow.execute(f"ALTER DATABASE {name} SET {setting} = '100ms'")
        async with slow.transaction():
            await slow.execute(INSERT)
            migrating = asyncio.create_task(migrate(half_migrated, row_security=True))
            await wait_for_builder(other)
            await asyncio.sleep(0.5)
        assert INDEX.name in await migrating


async def test_a_table_that_a_long_transaction_uses_is_read_and_written_while_the_migration_waits(
    empty_url: str, install: Install
) -> None:
    install(ALL[:1])
    await migrate(empty_url, row_security=True)
    install(ALL)
    async with connect(empty_url) as backup, connect(empty_url) as other:
        async with backup.transaction():
            await backup.fetchval(COUNT)
            migrating = asyncio.create_task(migrate(empty_url, row_security=True))
            for number in range(15):
                async with asyncio.timeout(SECONDS):
                    await other.execute(INSERT)
                    assert await other.fetchval(COUNT) == number + 1
                await asyncio.sleep(0.1)
            assert not migrating.done()
        assert await migrating == [each.name for each in ALL[1:]]


async def test_a_table_that_stays_in_use_is_told(
    empty_url: str, install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(ALL[:1])
    await migrate(empty_url, row_security=True)
    install(ALL)
    monkeypatch.setattr(migrations, "PATIENCE_SECONDS", 1)
    async with connect(empty_url) as backup, backup.transaction():
        await backup.fetchval(COUNT)
        with pytest.raises(ConfigurationError, match="was in use for 1 seconds by a transaction that does not end"):
            await migrate(empty_url, row_security=True)


async def test_keys_are_unique_and_sets_find_them_while_their_index_is_replaced(
    empty_url: str, install: Install
) -> None:
    index, cleanup = ALL[3:5]
    install(ALL[:3])
    await migrate(empty_url, row_security=True)
    install(ALL[:5])

    async def set_key(connection: Any, status: str) -> None:
        assert await connection.fetchval(SET_KEY, status) == status
        with pytest.raises(asyncpg.UniqueViolationError):
            await connection.execute(KEY, status)

    async with connect(empty_url) as slow, connect(empty_url) as other:
        await other.execute(KEY, "NOT_SET")
        async with slow.transaction():
            await slow.execute(INSERT)
            migrating = asyncio.create_task(migrate(empty_url, row_security=True))
            await wait_for_builder(other, "attendance_by_booking_session")
            await set_key(other, "ATTENDED")
            assert await other.fetchval(INDEXES_OF_KEYS) == ["attendance_booking_session"]
        assert await migrating == [index.name, cleanup.name]
        await set_key(other, "NOT_ATTENDED")
        assert await other.fetchval(INDEXES_OF_KEYS) == ["attendance_by_booking_session"]


async def test_the_service_is_ready_before_the_old_index_of_keys_is_dropped(empty_url: str, install: Install) -> None:
    install(ALL[:4])
    await migrate(empty_url, row_security=True)
    install(ALL[:5])
    database = Database(empty_url, pool_size=1, row_security=True)
    await database.open()
    assert await database.explain_unreadiness() is None
    await database.close()
    async with open_owner(empty_url) as owner:
        reason = await explain_history(owner, row_security=True)
    assert reason == f"migration {ALL[4].name} is missing: run `attendance migrate`"
