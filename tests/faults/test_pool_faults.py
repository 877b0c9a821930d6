"""What the pool makes of faults: what is tried again, who is believed to be alive, and how long anything may take."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from app.database import connection as connection_module
from app.database import liveness
from app.database.connector import Connector
from app.database.failures import ConnectionLost, DatabaseBusy
from app.database.migrations import SERVICE_ROLE
from app.errors import ServiceUnavailable
from tests.faults.conftest import ANSWER_SECONDS, RETURN_SECONDS, url_of
from tests.support.brackets import NEEDS_BRACKETS
from tests.support.fault_proxy import FaultProxy, open_proxy
from tests.support.losing_proxy import LosingProxy, Loss, lose_connections
from tests.support.own_postgres import OwnPostgres
from tests.support.service import RecordingDatabase
from tests.support.waiting import wait_until

ONE = "SELECT 1 AS one"
SLEEP = "SELECT 1 AS one, pg_sleep($1)"


@pytest.fixture
async def losing(postgres: OwnPostgres) -> AsyncIterator[LosingProxy]:
    async with lose_connections(postgres.url) as losing:
        yield losing


@pytest.fixture
async def way(postgres: OwnPostgres) -> AsyncIterator[FaultProxy]:
    async with open_proxy(postgres.socket) as way:
        yield way


@pytest.fixture
async def database(way: FaultProxy) -> AsyncIterator[RecordingDatabase]:
    """A pool of two connections, by a way of its own."""
    database = RecordingDatabase(url_of(way), pool_size=2)
    await database.open()
    yield database
    await database.close()


async def wait_until_ready(database: RecordingDatabase) -> None:
    async def is_ready() -> bool:
        return await database.explain_unreadiness() is None

    await wait_until(is_ready, within=RETURN_SECONDS)


async def has_no_connection(database: RecordingDatabase) -> bool:
    return database.counts.size == 0


@pytest.mark.parametrize("loss", Loss)
@pytest.mark.parametrize("entered", [True, False])
async def test_a_read_that_lost_its_connection_is_run_again_once_and_nobody_notices(
    losing: LosingProxy, site_id: UUID, loss: Loss, *, entered: bool
) -> None:
    database = RecordingDatabase(losing.url, pool_size=1)
    await database.open()
    await database.read_rows(ONE, [], site_id if entered else UUID(int=1))
    with database.recording() as sent:
        losing.loss = loss
        [row] = await database.read_rows(ONE, [], site_id)
    assert row["one"] == 1
    assert len(sent) == 2
    await database.close()


async def test_a_read_whose_server_is_gone_is_told_and_not_tried_for_long(
    database: RecordingDatabase, way: FaultProxy, site_id: UUID
) -> None:
    await database.read_rows(ONE, [], site_id)
    way.refuse()
    begin = time.monotonic()
    with database.recording() as sent, pytest.raises(ServiceUnavailable):
        await database.read_rows(ONE, [], site_id)
    assert len(sent) <= 2
    assert time.monotonic() - begin < 1
    await way.heal()
    assert await database.read_rows(ONE, [], site_id)


async def test_a_write_that_found_the_pool_full_is_not_tried_again(
    way: FaultProxy, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.server.ACQUIRE_SECONDS", 0.1)
    database = RecordingDatabase(url_of(way), pool_size=1)
    monkeypatch.undo()
    await database.open()
    async with database.connection(site_id):
        with database.recording() as sent, pytest.raises(DatabaseBusy):
            await database.write_rows(ONE, [], site_id, is_idempotent=True)
        assert len(sent) == 1
    assert database.counts.timeouts == 1
    await database.close()


async def test_a_write_whose_server_refuses_is_tried_again_unless_it_must_not_be(
    database: RecordingDatabase, way: FaultProxy, site_id: UUID
) -> None:
    way.refuse()
    for is_idempotent, tries in ((True, 4), (False, 1)):
        with database.recording() as sent, pytest.raises(ServiceUnavailable):
            await database.write_rows(ONE, [], site_id, is_idempotent=is_idempotent)
        assert len(sent) == tries
    assert database.counts.connect_failures >= 5


async def test_a_slow_statement_is_left_alone_while_the_server_answers_anybody(
    database: RecordingDatabase, way: FaultProxy, site_id: UUID
) -> None:
    await asyncio.gather(*(database.fetch_rows(SLEEP, [0.1], site_id) for _ in range(2)))
    assert database.counts.size == 2
    way.ignore_newcomers()  # So that no probe is answered.
    slow = asyncio.create_task(database.fetch_rows(SLEEP, [3], site_id))
    while not slow.done():
        await database.fetch_rows(SLEEP, [0.05], site_id)
    assert await slow


async def test_a_slow_statement_is_left_alone_when_another_is_answered_while_a_probe_is_not(
    database: RecordingDatabase, way: FaultProxy, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "PROBE_SECONDS", 1.2)
    await asyncio.gather(*(database.fetch_rows(SLEEP, [0.1], site_id) for _ in range(2)))
    way.ignore_newcomers()
    slow, slower = await asyncio.gather(*(database.fetch_rows(SLEEP, [each], site_id) for each in (1.6, 2.4)))
    assert slow == slower


async def test_who_waits_for_a_connection_is_told_together_with_those_who_have_one(
    database: RecordingDatabase, way: FaultProxy, site_id: UUID
) -> None:
    way_out = [asyncio.create_task(database.fetch_rows(SLEEP, [5], site_id)) for _ in range(2)]
    await asyncio.sleep(0.3)
    way.stall()
    await asyncio.sleep(0.5)
    waiting = asyncio.create_task(database.fetch_rows(ONE, [], site_id))
    await asyncio.wait(way_out)
    await asyncio.sleep(0.1)
    assert waiting.done()
    for told in (*way_out, waiting):
        assert isinstance(told.exception(), ServiceUnavailable)


async def test_a_server_of_which_nothing_is_heard_is_given_up_and_asked_until_it_answers(
    database: RecordingDatabase, way: FaultProxy, site_id: UUID
) -> None:
    await database.fetch_rows(ONE, [], site_id)
    way.stall()
    begin = time.monotonic()
    with pytest.raises(ConnectionLost):
        await database.fetch_rows(ONE, [], site_id)
    assert liveness.SILENCE_SECONDS < time.monotonic() - begin < ANSWER_SECONDS
    for _ in range(100):
        begin = time.monotonic()
        with pytest.raises(ServiceUnavailable):
            await database.fetch_rows(ONE, [], site_id)
        assert time.monotonic() - begin < 0.5
    assert await database.explain_unreadiness() == "the database cannot be reached"
    await way.heal()
    await wait_until_ready(database)
    assert await database.fetch_rows(ONE, [], site_id)


async def test_a_caller_who_leaves_a_silent_server_takes_no_connection_with_him(
    database: RecordingDatabase, way: FaultProxy, site_id: UUID
) -> None:
    await database.fetch_rows(ONE, [], site_id)
    way.swallow()
    for _ in range(3):
        with pytest.raises((TimeoutError, ServiceUnavailable)):
            async with asyncio.timeout(0.1):
                await database.fetch_rows(ONE, [], site_id)
    await wait_until(partial(has_no_connection, database), within=ANSWER_SECONDS)
    await way.heal()
    await wait_until_ready(database)
    await asyncio.gather(*(database.fetch_rows(ONE, [], site_id) for _ in range(10)))
    assert database.counts.size <= 2


@pytest.mark.parametrize("seconds", [0, 60], ids=["that is not known", "that nobody looks up"])
async def test_a_name_is_waited_for_only_so_long(
    site_id: UUID, monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    async def look_up(*_arguments: Any, **_options: Any) -> Any:
        await asyncio.sleep(seconds)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", look_up)
    database = RecordingDatabase("postgresql://postgres@database.test/postgres")
    await database.open()
    begin = time.monotonic()
    with pytest.raises(ServiceUnavailable):
        await database.read_rows(ONE, [], site_id)
    assert time.monotonic() - begin < ANSWER_SECONDS
    assert await database.explain_unreadiness() == "the database cannot be reached"
    await database.close()


async def test_the_system_watches_over_connections_that_are_idle(way: FaultProxy) -> None:
    connection = await Connector(url_of(way), role=SERVICE_ROLE, statement_seconds=5).connect()
    connected = connection._transport.get_extra_info("socket")  # noqa: SLF001
    assert connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    for name, value in connection_module.SOCKET_OPTIONS.items():
        assert connected.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) == value
    await connection.close()


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://someone:a%40b@one/data", [(None, None)]),
        ("postgresql://one,two:5433/data", [("one", None), ("two", 5433)]),
        pytest.param(
            "postgresql://someone@[::1]:1,[::2]/data?target_session_attrs=read-write",
            [("::1", 1), ("::2", None)],
            marks=NEEDS_BRACKETS,
        ),
        ("postgresql:///data?host=/one,/two&port=1,2", [("/one", 1), ("/two", 2)]),
        ("postgresql://someone@/data?host=/one,/two&port=1", [("/one", 1), ("/two", 1)]),
        ("postgresql://someone@/data?host=/one&port=1", [(None, None)]),
        ("postgresql://one,two/data?target_session_attrs=prefer-standby", [(None, None)]),
    ],
)
def test_the_hosts_of_a_url_are_reached_one_by_one(url: str, hosts: list[tuple[str | None, int | None]]) -> None:
    connector = Connector(url, role=None, statement_seconds=5)
    assert [(address.host, address.port) for address in connector.addresses] == hosts


async def test_a_dead_host_does_not_keep_anybody_from_the_next(way: FaultProxy, postgres: OwnPostgres) -> None:
    async with open_proxy(postgres.socket) as dead:
        dead.swallow()
        connector = Connector(url_of(dead, way), role=SERVICE_ROLE, statement_seconds=5)
        for most in (1.5, 0.5):
            begin = time.monotonic()
            connection = await connector.connect()
            assert time.monotonic() - begin < most
            assert connection.address.port == way.port
            connection.terminate()
