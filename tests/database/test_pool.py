"""The pool: every wait ends, every failure is reported, and the next operation finds a connection that works."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database import pool
from app.database.migrations import SERVICE_ROLE
from app.database.pool import Database
from app.errors import OperationTimeout, ServiceUnavailable

PID = "SELECT pg_backend_pid() AS pid"
SLEEP = "SELECT pg_sleep(30)"


@pytest.fixture
async def single(database_url: str) -> AsyncIterator[Database]:
    """A pool of one connection."""
    database = Database(database_url, pool_size=1, row_security=True)
    await database.open()
    yield database
    await database.close()


async def find_pid(database: Database, site_id: UUID) -> int:
    (row,) = await database.fetch_rows(PID, [], site_id)
    pid: int = row["pid"]
    return pid


async def end_sleeping(server: Any, pid: int) -> None:
    """End the process of a connection as soon as it sleeps."""
    text = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1 AND state = 'active' AND query = $2"
    while not await server.fetchval(text, pid, SLEEP):  # noqa: ASYNC110 (another process sets no event)
        await asyncio.sleep(0.01)


async def test_a_caller_waits_for_a_connection_only_so_long(
    database_url: str, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.server.ACQUIRE_SECONDS", 0.1)
    single = Database(database_url, pool_size=1, row_security=True)
    await single.open()
    async with single.connection(site_id):
        begin = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            await find_pid(single, site_id)
        assert 0.1 <= time.monotonic() - begin < 2
    assert await find_pid(single, site_id)
    await single.close()


async def test_a_connection_that_is_ended_in_use_is_told_once_and_replaced(
    single: Database, server: Any, site_id: UUID
) -> None:
    pid = await find_pid(single, site_id)
    sleeping = asyncio.create_task(single.fetch_rows(SLEEP, [], site_id))
    await end_sleeping(server, pid)
    with pytest.raises(ServiceUnavailable):
        await sleeping
    assert await find_pid(single, site_id) != pid


async def test_a_connection_that_is_ended_while_idle_is_replaced(single: Database, server: Any, site_id: UUID) -> None:
    pid = await find_pid(single, site_id)
    await server.execute("SELECT pg_terminate_backend($1)", pid)
    failures = 0
    for _ in range(5):
        try:
            assert await find_pid(single, site_id) != pid
        except ServiceUnavailable:
            failures += 1
    assert failures <= 1


async def test_a_statement_that_takes_too_long_is_stopped_and_its_connection_kept(
    database_url: str, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "STATEMENT_SECONDS", 0.2)
    database = Database(database_url, pool_size=1, row_security=True)
    await database.open()
    pid = await find_pid(database, site_id)
    with pytest.raises(OperationTimeout):
        await database.fetch_rows(SLEEP, [], site_id)
    assert await find_pid(database, site_id) == pid
    await database.close()


async def test_a_server_that_never_answers_does_not_hold_the_caller(
    database_url: str, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "STATEMENT_SECONDS", 0)  # the server stops nothing, the caller waits for a second
    database = Database(database_url, pool_size=1, row_security=True)
    await database.open()
    with pytest.raises(ServiceUnavailable):
        await database.fetch_rows(SLEEP, [], site_id)
    assert await find_pid(database, site_id)
    await database.close()


async def test_a_fault_of_a_statement_passes_through_as_it_is(single: Database, site_id: UUID) -> None:
    with pytest.raises(asyncpg.UndefinedColumnError):
        await single.fetch_rows("SELECT nothing FROM attendance", [], site_id)
    with pytest.raises(asyncpg.DivisionByZeroError):
        await single.fetch_rows("SELECT 1 / 0", [], site_id)
    with pytest.raises(asyncpg.DataError):
        await single.fetch_rows("SELECT $1::integer", ["not a number"], site_id)
    assert await find_pid(single, site_id)


@pytest.mark.parametrize("address", ["nobody@127.0.0.1:1/nowhere", "nobody@/nowhere?host=/no/such/directory"])
async def test_a_server_that_is_not_there_makes_the_service_unavailable(address: str, site_id: UUID) -> None:
    database = Database(f"postgresql://{address}", pool_size=1, row_security=True)
    await database.open()
    assert await database.explain_unreadiness() == "the database cannot be reached"
    with pytest.raises(ServiceUnavailable):
        await find_pid(database, site_id)
    await database.close()


async def test_one_connection_serves_one_site_after_another(single: Database) -> None:
    text = "SELECT current_setting('attendance.site_id') AS site, current_user AS role"
    for site_id in (uuid4(), uuid4()):
        for _ in range(2):
            (row,) = await single.fetch_rows(text, [], site_id)
            assert (row["site"], row["role"]) == (str(site_id), SERVICE_ROLE)
