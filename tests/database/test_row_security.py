"""Row security: switched by its setting, and never other than the setting says."""

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest

from app.database import migrations
from app.database.migrations import Migration, migrate, read_migrations
from app.database.pool import Database
from tests.support.service import Record, store

DIFFERS = "row security of the table and ATTENDANCE_ROW_SECURITY differ: run `attendance migrate`"
COUNT = "SELECT count(*) AS total FROM attendance"

OpenDatabase = Callable[..., Awaitable[Database]]


@pytest.fixture
async def open_database(empty_url: str) -> AsyncIterator[OpenDatabase]:
    """Opens the service's pool on the test's own database."""
    opened: list[Database] = []

    async def open_pool(*, row_security: bool) -> Database:
        opened.append(Database(empty_url, pool_size=1, row_security=row_security))
        await opened[-1].open()
        return opened[-1]

    yield open_pool
    for database in opened:
        await database.close()


async def count_records(database: Database) -> int:
    """How many records a statement without any condition sees for a site that has none."""
    (row,) = await database.fetch_rows(COUNT, [], uuid4())
    total: int = row["total"]
    return total


async def test_row_security_is_switched_off_and_on_again(empty_url: str, open_database: OpenDatabase) -> None:
    await migrate(empty_url, row_security=True)
    bound, free = await open_database(row_security=True), await open_database(row_security=False)
    await store(bound, uuid4(), [Record()])
    seen = []
    for row_security in (True, False, True):
        await migrate(empty_url, row_security=row_security)
        seen.append((await count_records(bound), await bound.explain_unreadiness(), await free.explain_unreadiness()))
    assert seen == [(0, None, DIFFERS), (1, DIFFERS, None), (0, None, DIFFERS)]


async def test_row_security_that_binds_all_but_the_owner_is_not_off(
    empty_url: str, open_database: OpenDatabase
) -> None:
    await migrate(empty_url, row_security=False)
    free = await open_database(row_security=False)
    owner = await asyncpg.connect(empty_url)
    await owner.execute("ALTER TABLE attendance ENABLE ROW LEVEL SECURITY")
    await owner.close()
    assert await free.explain_unreadiness() == DIFFERS
    await migrate(empty_url, row_security=False)
    assert await free.explain_unreadiness() is None


async def test_without_row_security_the_service_reads_and_writes(empty_url: str, open_database: OpenDatabase) -> None:
    await migrate(empty_url, row_security=False)
    database = await open_database(row_security=False)
    site_id = uuid4()
    await store(database, site_id, [Record(), Record()])
    (row,) = await database.fetch_rows(f"{COUNT} WHERE site_id = $1", [site_id], site_id)
    assert (row["total"], await database.explain_unreadiness()) == (2, None)


async def test_a_record_of_another_site_cannot_be_written(empty_url: str, open_database: OpenDatabase) -> None:
    await migrate(empty_url, row_security=True)
    database = await open_database(row_security=True)
    text = "INSERT INTO attendance VALUES ($1, $2, $2, 'session', 'ATTENDED', 1)"
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await database.fetch_rows(text, [uuid4(), uuid4()], uuid4())


async def test_readiness_tells_what_is_missing(
    empty_url: str, open_database: OpenDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await open_database(row_security=False)
    assert await database.explain_unreadiness() == "the database is not migrated: run `attendance migrate`"
    await migrate(empty_url, row_security=False)
    assert await database.explain_unreadiness() is None

    newer = Migration(9001, "9001_newer", "SELECT 1")
    known = read_migrations()
    monkeypatch.setattr(migrations, "read_migrations", lambda: [*known, newer])
    assert await database.explain_unreadiness() == "migration 9001_newer is missing: run `attendance migrate`"
    monkeypatch.setattr(migrations, "read_migrations", list)
    assert await database.explain_unreadiness() == (
        f"the database has migration {known[0].name}, which is newer than this service"
    )


async def test_a_service_without_its_role_is_not_ready(service_role: str, open_database: OpenDatabase) -> None:
    database = await open_database(row_security=True)
    reason = await database.explain_unreadiness()
    assert reason is not None
    assert reason.startswith(f"the role {service_role} does not exist or cannot be taken")
