"""A server by its site: who sees what, what is left on a connection, and what is told of a server out of reach."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database import connecting
from app.database.connecting import Connector
from app.database.connections import ConnectionCounts
from app.database.failures import CALL_AGAIN, ConnectionLost, DatabaseBusy
from app.database.migrations import SERVICE_ROLE, migrate
from app.database.server import Server
from app.errors import ServiceUnavailable
from tests.conftest import in_new_loop
from tests.support.service import Record, store
from tests.support.waiting import wait_until
from tests.walls.test_ways import be_silent, embedded, name_hosts, name_socket

__all__ = ["embedded"]

SITE = "SELECT current_setting('attendance.site_id', true) AS site, pg_backend_pid() AS pid"
COUNT = "SELECT count(*) AS total FROM attendance"
STEP_DOWN = "DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '25006'; END $$"
BUSY = "The database is busy at the moment; try again shortly."

Serve = Callable[..., Server]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    servers: list[Server] = []

    def make(
        url: str, *, row_security: bool = True, role: str | None = SERVICE_ROLE, pool_size: int = 1, seconds: float = 2
    ) -> Server:
        connector = Connector(url, role=role if row_security else None, statement_seconds=5)
        servers.append(Server(connector, pool_size=pool_size, row_security=row_security, acquire_seconds=seconds))
        return servers[-1]

    yield make
    for server in servers:
        await server.close()


@pytest.fixture
def server(serve: Serve, database_url: str) -> Server:
    """One connection to the migrated database."""
    return serve(database_url)


async def find_pid(server: Server, site_id: UUID) -> int:
    [row] = await server.fetch_rows(SITE, [], site_id)
    assert row["site"] == str(site_id)
    pid: int = row["pid"]
    return pid


def is_idle(counts: ConnectionCounts) -> bool:
    return counts.size == counts.idle == 1


async def test_a_site_sees_its_own_records_by_each_way_to_ask(server: Server) -> None:
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


async def test_a_site_is_entered_no_more_often_than_it_changes(server: Server) -> None:
    one, two = uuid4(), uuid4()
    await find_pid(server, one)
    told: list[str] = []
    async with server.connection(one) as connection:
        connection.add_query_logger(lambda record: told.append(record.query))
    for site in (one, one, two, two):
        await server.fetch_rows("SELECT 1", [], site)
    await asyncio.sleep(0)
    assert [query.startswith("SELECT set_config") for query in told] == [False, False, True, False, False]


async def test_a_site_gets_the_connection_that_has_entered_it(serve: Serve, database_url: str) -> None:
    server, one, two = serve(database_url, pool_size=2), uuid4(), uuid4()
    async with server.connection(one) as first, server.connection(two) as second:
        pids = {one: first.get_server_pid(), two: second.get_server_pid()}
    for site in (two, one, two, two, one):
        assert await find_pid(server, site) == pids[site]


async def test_a_connection_is_idle_again_at_once_when_its_statement_has_ended(server: Server, site_id: UUID) -> None:
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
    server: Server, site_id: UUID, work: Callable[[Any], Any], failure: type[Exception] | None
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


async def test_an_argument_that_cannot_be_sent_leaves_a_connection_that_works(server: Server, site_id: UUID) -> None:
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
    server: Server, postgres_url: str, site_id: UUID, caplog: pytest.LogCaptureFixture
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
    server: Server, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    pid = await find_pid(server, site_id)
    monkeypatch.setattr(connecting, "ENTER_SITE", "SELECT nothing, $1::text")
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


async def test_a_silent_server_is_waited_for_once(
    serve: Serve, embedded: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with be_silent(embedded, tmp_path):
        server = serve(name_hosts(embedded, tmp_path), seconds=0.3)
        waited = []
        for _ in range(2):
            begin = time.monotonic()
            with pytest.raises(ServiceUnavailable) as caught:
                await server.fetch_rows("SELECT 1", [], uuid4())
            waited.append(time.monotonic() - begin)
        assert caught.value.message == CALL_AGAIN
        assert waited[0] >= 0.3 > waited[1]
        assert await server.explain_unreadiness() == "the database cannot be reached"
        said = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert [message.rpartition(": ")[2] for message in said] == [
            "TimeoutError no connection was made in time",
            "ConnectionError it does not answer",
        ]
        await server.close()


async def test_what_keeps_a_server_out_of_reach_is_told_when_it_changes(
    serve: Serve, embedded: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve(name_hosts(embedded, tmp_path))
    own, there = name_socket(embedded), tmp_path / name_socket(embedded).name

    async def ask(times: int) -> None:
        for _ in range(times):
            with pytest.raises(ServiceUnavailable):
                await server.fetch_rows("SELECT 1", [], uuid4())
            assert await server.explain_unreadiness() == "the database cannot be reached"

    await ask(2)
    async with be_silent(embedded, tmp_path):
        pass
    await ask(2)
    there.unlink()
    there.symlink_to(own)
    async with server.connection(uuid4()) as connection:
        there.unlink()
        connection.terminate()
    async with be_silent(embedded, tmp_path):
        pass
    await ask(1)
    said = [message.split(" ")[:6] for message in caplog.messages]
    start = ["the", "database", "cannot", "be", "reached:"]
    assert said == [[*start, "FileNotFoundError"], *[[*start, "ConnectionRefusedError"]] * 2]


async def test_a_ready_server_says_nothing_and_keeps_its_connection(server: Server, site_id: UUID) -> None:
    assert await server.explain_unreadiness() is None
    await wait_until(lambda: is_idle(server.counts))
    assert await server.explain_unreadiness() is None
    assert await find_pid(server, site_id)


async def test_a_server_that_is_not_ready_says_why(serve: Serve, create_database: Callable[[], str]) -> None:
    url = create_database()
    server, free = serve(url), serve(url, row_security=False)
    missing = "the database is not migrated: run `attendance migrate`"
    assert await free.explain_unreadiness() == missing
    await migrate(url, row_security=True)
    assert await server.explain_unreadiness() is None
    differ = "row security of the table and ATTENDANCE_ROW_SECURITY differ: run `attendance migrate`"
    assert await free.explain_unreadiness() == differ
    unknown = f"the role {SERVICE_ROLE} does not exist or cannot be taken: run `attendance migrate`"
    assert await serve(url, role="nobody_of_this_name").explain_unreadiness() == unknown
