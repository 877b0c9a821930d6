"""A server by its site: who sees what, and what is left on a connection for the next borrower."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database import connection as connection_module
from app.database.failures import CALL_AGAIN, ConnectionLost, DatabaseBusy
from app.database.server import PostgresServer
from tests.conftest import in_new_loop
from tests.support.service import Record, store
from tests.walls.asking import SITE, find_pid, is_idle
from tests.walls.conftest import Serve

COUNT = "SELECT count(*) AS total FROM attendance"
STEP_DOWN = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '25006'; END $$"
BUSY = "The database is busy at the moment; try again shortly."


async def test_a_site_sees_its_own_records_by_each_way_to_ask(server: PostgresServer) -> None:
    one, two = uuid4(), uuid4()
    await store(server, one, [Record(), Record()])  # type: ignore[arg-type]
    for site, total in ((one, 2), (two, 0), (one, 2)):
        [row] = await server.fetch_rows(COUNT, [], site)
        async with server.connection(site) as connection:
            assert connection.entered_site == site
            assert await connection.fetchval(COUNT) == row["total"] == total
    assert server.counts.size == 1


async def test_without_row_security_no_site_is_told(serve: Serve, database_url: str) -> None:
    server, site = serve(database_url, row_security=False), uuid4()
    [row] = await server.fetch_rows(SITE, [], site)
    assert not row["site"]
    async with server.connection(site) as connection:
        assert connection.entered_site == site


async def test_a_site_is_entered_no_more_often_than_it_changes(server: PostgresServer) -> None:
    one, two = uuid4(), uuid4()
    await find_pid(server, one)
    told: list[str] = []
    async with server.connection(one) as connection:
        connection.add_query_logger(lambda record: told.append(record.query))
    for site in (one, one, two, two):
        await server.fetch_rows("SELECT 1", [], site)
    await asyncio.sleep(0)
    assert told == [connection_module.ENTER_SITE]


async def test_a_site_gets_the_connection_that_has_entered_it(serve: Serve, database_url: str) -> None:
    server, one, two = serve(database_url, pool_size=2), uuid4(), uuid4()
    async with server.connection(one) as first, server.connection(two) as second:
        pids = {one: first.get_server_pid(), two: second.get_server_pid()}
    for site in (two, one, two, two, one):
        assert await find_pid(server, site) == pids[site]


async def test_a_connection_is_idle_at_once_when_its_statement_has_ended(server: PostgresServer, site_id: UUID) -> None:
    await find_pid(server, site_id)
    assert is_idle(server.counts)
    async with server.connection(site_id) as connection:
        assert (server.counts.size, server.counts.idle) == (1, 0)
        await connection.fetchval("SELECT 1")
    assert is_idle(server.counts)
    with pytest.raises(asyncpg.UndefinedColumnError):
        await server.fetch_rows("SELECT nothing FROM attendance", [], site_id)
    assert is_idle(server.counts)


async def leave_open(connection: Any) -> None:
    await connection.execute("BEGIN")


async def fail_open(connection: Any) -> None:
    await connection.execute("BEGIN")
    await connection.execute("SELECT nothing FROM attendance")


@pytest.mark.parametrize(("work", "failure"), [(leave_open, None), (fail_open, asyncpg.UndefinedColumnError)])
async def test_no_transaction_is_left_for_the_next_borrower(
    server: PostgresServer, site_id: UUID, work: Callable[[Any], Any], failure: type[Exception] | None
) -> None:
    pid = await find_pid(server, site_id)
    if failure is None:
        async with server.connection(site_id) as connection:
            await work(connection)
    else:
        with pytest.raises(failure):
            async with server.connection(site_id) as connection:
                await work(connection)
    async with server.connection(site_id) as connection:
        assert not connection.is_in_transaction()
    assert await find_pid(server, site_id) == pid


async def test_an_argument_that_cannot_be_sent_leaves_a_working_connection(
    server: PostgresServer, site_id: UUID
) -> None:
    pid = await find_pid(server, site_id)
    with pytest.raises(asyncpg.DataError):
        await server.fetch_rows("SELECT $1::integer", ["x"], site_id)
    assert server.counts.idle == 0  # It is looked at first.
    assert await find_pid(server, site_id) == pid


async def test_a_server_that_has_stepped_down_loses_all_its_connections(
    serve: Serve, database_url: str, site_id: UUID
) -> None:
    server = serve(database_url, pool_size=2)
    async with server.connection(site_id) as one, server.connection(site_id) as two:
        pids = {one.get_server_pid(), two.get_server_pid()}
    assert server.counts.idle == 2
    with pytest.raises(ConnectionLost):
        await server.fetch_rows(STEP_DOWN, [], site_id)
    assert server.counts.size == 0
    assert await find_pid(server, site_id) not in pids


def end_connection(postgres_url: str, pid: int) -> None:
    """End a connection of this loop before it can hear of it."""

    async def run() -> None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute("SELECT pg_terminate_backend($1, 5000)", pid)
        await connection.close()

    in_new_loop(run())


async def test_who_enters_a_site_by_a_lost_connection_is_told_to_call_again(
    server: PostgresServer, postgres_url: str, site_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    pid = await find_pid(server, site_id)
    end_connection(postgres_url, pid)
    with pytest.raises(ConnectionLost) as caught:
        await server.fetch_rows("SELECT 1", [], uuid4())
    assert caught.value.message == CALL_AGAIN
    [said] = caplog.messages
    assert said.startswith("a connection is lost: ")
    assert len(said) > len("a connection is lost: NoneType None")
    assert await find_pid(server, site_id) != pid


async def test_a_connection_whose_server_refuses_a_site_has_none(
    server: PostgresServer, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = await find_pid(server, site_id)
    monkeypatch.setattr(connection_module, "ENTER_SITE", "SELECT nothing, $1::text")
    with pytest.raises(ConnectionLost):
        await server.fetch_rows("SELECT 1", [], uuid4())
    assert is_idle(server.counts)
    monkeypatch.undo()
    assert await find_pid(server, site_id) == pid


async def test_who_finds_all_connections_lent_is_told_that_the_database_is_busy(
    serve: Serve, database_url: str, site_id: UUID
) -> None:
    server = serve(database_url, seconds=0.1)
    async with server.connection(site_id):
        begin = time.monotonic()
        with pytest.raises(DatabaseBusy) as caught:
            await server.fetch_rows("SELECT 1", [], site_id)
        assert time.monotonic() - begin >= 0.1
    assert caught.value.message == BUSY
    assert await find_pid(server, site_id)
