"""Behind a pooler, a statement ends as without one: at the same time, with the same error, and in Postgres too."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import UUID

import asyncpg
import pytest

from app.database import pool as module
from app.database.connector import SESSION_SETTINGS
from app.database.migrations import migrate
from app.database.pool import Database
from app.errors import OperationTimeout
from tests.support.commands import run_command
from tests.support.pgbouncer import run_pgbouncer
from tests.support.service import SECRET
from tests.support.waiting import wait_until

LIMIT_SECONDS = 1.0
DROPPED = ["statement_timeout", "role", *SESSION_SETTINGS]
SLEEP = "SELECT pg_sleep(20), $1::text"
COUNT_RUNNING = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep(20)%' AND state = 'active'"


@pytest.fixture(autouse=True)
def short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STATEMENT_SECONDS", LIMIT_SECONDS)


@pytest.fixture
async def owner(empty_url: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(empty_url)
    yield connection
    await connection.close()


async def check_limit(url: str, owner: asyncpg.Connection, site_id: UUID, *, row_security: bool) -> None:
    """Check that a statement is stopped in time, here and in Postgres, and that the connection serves on."""
    database = Database(url, pool_size=1, row_security=row_security)
    await database.open()
    await database.fetch_rows("SELECT 1 AS one", (), site_id)
    for _ in range(2):
        begin = time.monotonic()
        with pytest.raises(OperationTimeout):
            await database.fetch_rows(SLEEP, ("x",), site_id)
        assert LIMIT_SECONDS <= time.monotonic() - begin < LIMIT_SECONDS + 0.7

        async def has_ended() -> bool:
            return await owner.fetchval(COUNT_RUNNING) == 0

        await wait_until(has_ended, within=1)
        assert [tuple(row) for row in await database.fetch_rows("SELECT 1 AS one", (), site_id)] == [(1,)]
    await database.close()


@pytest.mark.parametrize("row_security", [True, False])
async def test_without_a_pooler(
    empty_url: str, owner: asyncpg.Connection, site_id: UUID, *, row_security: bool
) -> None:
    await migrate(empty_url, row_security=row_security)
    await check_limit(empty_url, owner, site_id, row_security=row_security)


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("ignored", [[], DROPPED], ids=["refuses the settings", "drops the settings"])
async def test_without_row_security(
    empty_url: str, owner: asyncpg.Connection, site_id: UUID, mode: str, ignored: Sequence[str]
) -> None:
    await migrate(empty_url, row_security=False)
    with run_pgbouncer(empty_url, mode=mode, ignored=ignored, pool_size=1) as url:
        await check_limit(url, owner, site_id, row_security=False)


async def test_in_session_mode_with_a_role_that_logs_in(
    empty_url: str, service_role: str, owner: asyncpg.Connection, site_id: UUID
) -> None:
    await migrate(empty_url, row_security=True)
    settings = {**SESSION_SETTINGS, "statement_timeout": f"{LIMIT_SECONDS * 1000:.0f}"}
    for command in ("LOGIN", *(f"SET {name} = '{value}'" for name, value in settings.items())):
        await owner.execute(f"ALTER ROLE {service_role} {command}")
    try:
        with run_pgbouncer(empty_url, mode="session", ignored=DROPPED, users=[service_role]) as url:
            await check_limit(url, owner, site_id, row_security=True)
    finally:
        await owner.execute(f"DROP OWNED BY {service_role}")


async def test_the_check_names_a_limit_that_postgres_lacks(
    empty_url: str, owner: asyncpg.Connection, tmp_path: Path
) -> None:
    await migrate(empty_url, row_security=False)

    async def check(url: str) -> str:
        settings = {"DATABASE_URL": url, "JWT_SECRET": SECRET, "ROW_SECURITY": "off"}
        done = await asyncio.to_thread(run_command, tmp_path, "check", **settings)
        [line] = [line for line in done.stdout.splitlines() if line.startswith("role ")]
        return line.split(maxsplit=1)[1]

    assert (await check(empty_url)).startswith("ok")
    with run_pgbouncer(empty_url, mode="session") as url:
        assert await check(url) == (
            "wrong: connections have statement_timeout = 0, because a pooler drops the startup parameters: run "
            "ALTER ROLE postgres SET statement_timeout = '5s'"
        )
    database = await owner.fetchval("SELECT quote_ident(current_database())")
    await owner.execute(f"ALTER ROLE postgres IN DATABASE {database} SET statement_timeout = '4s'")
    with run_pgbouncer(empty_url, mode="session") as url:
        assert (await check(url)).startswith("ok")
