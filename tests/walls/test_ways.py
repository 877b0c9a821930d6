"""How a connection is made: by which host, for how long it is tried, and what it is told before it is used."""

import asyncio
import math
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from app.database import connecting
from app.database.connecting import ENTER_SITE, Address, Connector, SiteConnection, drop_connection, keep_alive
from app.database.migrations import SERVICE_ROLE
from tests.support.losing_proxy import lose_connections

SHOWN = {
    "application_name": "attendance",
    "role": SERVICE_ROLE,
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "client_connection_check_interval": "1s",
    "statement_timeout": "1500ms",
}


@pytest.fixture
def embedded(database_url: str) -> str:
    """The directory of the server's socket and the name of its database, as a URL names them."""
    parts = urlsplit(database_url)
    if "host" not in parse_qs(parts.query):
        pytest.skip("needs a server on this machine")
    return database_url


def name_hosts(url: str, *hosts: Path | str) -> str:
    """The same database by several hosts; `...` stands for the server's own."""
    parts = urlsplit(url)
    [own], [port] = (parse_qs(parts.query)[name] for name in ("host", "port"))
    names = ",".join(own if str(host) == "..." else str(host) for host in hosts)
    return parts._replace(query=f"host={names}&port={port}").geturl()


def name_socket(url: str) -> Path:
    """The server's socket."""
    [host], [port] = (parse_qs(urlsplit(url).query)[name] for name in ("host", "port"))
    return Path(host, f".s.PGSQL.{port}")


def connector_of(url: str) -> Connector:
    return Connector(url, role=SERVICE_ROLE, statement_seconds=1.5)


@asynccontextmanager
async def be_silent(url: str, place: Path) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """A host at this place that takes connections without a word."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(lambda _, writer: taken.append(writer), place / name_socket(url).name)
    async with server:
        yield taken
        for writer in taken:
            writer.transport.abort()


async def show(connection: SiteConnection, names: list[str]) -> dict[str, str]:
    return {name: await connection.fetchval(f"SHOW {name}") for name in names}


async def test_a_session_is_set_up_for_row_security_and_bounded_statements(database_url: str) -> None:
    connection = await connector_of(database_url).connect()
    assert await show(connection, list(SHOWN)) == SHOWN
    config = connection._config  # noqa: SLF001 (the driver tells it nowhere else)
    assert (config.statement_cache_size, config.max_cached_statement_lifetime, config.command_timeout) == (512, 0, 2.5)
    assert connection.get_reset_query() == ""
    await connection.close()


async def test_without_a_role_a_session_is_told_nothing_but_who_it_is(database_url: str) -> None:
    connection = await Connector(database_url, role=None, statement_seconds=1.5).connect()
    shown = await show(connection, list(SHOWN))
    assert (shown["application_name"], shown["role"], shown["statement_timeout"]) == ("attendance", "none", "0")
    await connection.close()


async def test_a_site_is_entered_once_and_another_one_anew(database_url: str) -> None:
    connection = await connector_of(database_url).connect()
    assert connection.entered_site is None
    sent: list[tuple[str, tuple[Any, ...]]] = []
    one, two = uuid4(), uuid4()
    with connection.query_logger(lambda record: sent.append((record.query, record.args))):
        for site in (one, one, two, one):
            await connection.enter_site(site)
            assert connection.entered_site == site
        await asyncio.sleep(0)  # The driver tells of a query a moment later.
    assert sent == [(ENTER_SITE, (str(site),)) for site in (one, two, one)]
    assert await connection.fetchval("SELECT current_setting('attendance.site_id')") == str(one)
    await connection.close()
    with pytest.raises(Exception, match="closed"):
        await connection.enter_site(two)
    assert connection.entered_site is None


async def test_a_connection_over_tcp_is_watched_by_the_system(embedded: str) -> None:
    async with lose_connections(embedded) as way:
        connection = await connector_of(way.url).connect()
        connected = connection._transport.get_extra_info("socket")  # noqa: SLF001
        assert read_options(connected) == {"SO_KEEPALIVE": 1, **connecting.SOCKET_OPTIONS}
        await connection.close()


def read_options(connected: socket.socket) -> dict[str, int]:
    options = {
        name: connected.getsockopt(socket.IPPROTO_TCP, getattr(socket, name)) for name in connecting.SOCKET_OPTIONS
    }
    return {"SO_KEEPALIVE": connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), **options}


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_system_is_asked_for_what_it_can_do(monkeypatch: pytest.MonkeyPatch, family: int) -> None:
    wanted = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5000}
    with socket.socket(family) as connected:
        monkeypatch.setattr(connecting, "SOCKET_OPTIONS", {"TCP_OF_ANOTHER_SYSTEM": 7, **wanted})
        keep_alive(connected)
        monkeypatch.undo()
        assert read_options(connected) == {"SO_KEEPALIVE": 1, **wanted}


def test_what_is_no_tcp_connection_is_left_alone() -> None:
    keep_alive(None)
    one, two = socket.socketpair()
    with one, two:
        keep_alive(one)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


async def test_a_host_that_has_answered_is_asked_first_from_then_on(embedded: str, tmp_path: Path) -> None:
    connector = connector_of(name_hosts(embedded, tmp_path / "a", "...", tmp_path / "b"))
    gone, own, other = connector.addresses
    for _ in range(2):
        connection = await connector.connect()
        assert connection.address is own
        assert connector.addresses == [own, gone, other]
        await connection.close()


async def test_a_silent_host_delays_the_next_by_its_head_start_and_no_more(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert connecting.HEAD_START_SECONDS == 0.4
    monkeypatch.setattr(connecting, "HEAD_START_SECONDS", 0.1)
    async with be_silent(embedded, tmp_path) as taken:
        connector = connector_of(name_hosts(embedded, tmp_path, "..."))
        begin = time.monotonic()
        connection = await connector.connect()
        assert 0.1 <= time.monotonic() - begin < 1
        assert connection.address is connector.addresses[0]
        assert len(taken) == 1
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


class Together(Connector):
    """A connector whose attempts end in the same moment, two by two."""

    def __init__(self, url: str) -> None:
        super().__init__(url, role=SERVICE_ROLE, statement_seconds=5)
        self.made: list[SiteConnection] = []
        self._together = asyncio.Barrier(2)

    async def connect_to(self, address: Address, seconds: float) -> SiteConnection:
        self.made.append(await super().connect_to(address, seconds))
        connection = self.made[-1]
        await self._together.wait()
        return connection


async def test_of_two_hosts_that_answer_at_once_one_is_kept(embedded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connecting, "HEAD_START_SECONDS", 0)
    connector = Together(name_hosts(embedded, "...", "..."))
    kept = await connector.connect()
    await asyncio.sleep(0)
    assert len(connector.made) == 2
    assert [connection.is_closed() for connection in connector.made] == [each is not kept for each in connector.made]
    await kept.close()


@pytest.mark.parametrize("hosts", [1, 2])
async def test_silent_hosts_are_waited_for_only_so_long(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosts: int
) -> None:
    assert connecting.CONNECT_SECONDS == 1.8
    monkeypatch.setattr(connecting, "CONNECT_SECONDS", 0.2)
    async with be_silent(embedded, tmp_path):
        connector = connector_of(name_hosts(embedded, *[tmp_path] * hosts))
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            await connector.connect()
        assert 0.15 < time.monotonic() - begin < 1


async def test_when_no_host_is_there_the_last_failure_is_told(embedded: str, tmp_path: Path) -> None:
    async with be_silent(embedded, tmp_path):
        pass  # It leaves a place where nobody listens.
    connector = connector_of(name_hosts(embedded, tmp_path, tmp_path / "nowhere"))
    addresses = list(connector.addresses)
    with pytest.raises(FileNotFoundError):
        await connector.connect()
    assert connector.addresses == addresses


async def test_a_connection_that_comes_too_late_is_ended(database_url: str) -> None:
    async def fail() -> SiteConnection:
        raise OSError

    late = asyncio.create_task(connector_of(database_url).connect())
    failed, cancelled = asyncio.create_task(fail()), asyncio.create_task(fail())
    cancelled.cancel()
    await asyncio.wait([late, failed, cancelled])
    for attempt in (late, failed, cancelled):
        drop_connection(attempt)
    assert late.result().is_closed()


async def test_how_fast_a_host_was_at_best_is_remembered(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([10.0, 10.5, 20.0, 21.0, 30.0, 30.25])
    connector = connector_of(database_url)
    [address] = connector.addresses
    assert address.fastest_connect == math.inf
    monkeypatch.setattr(connecting, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    seen = []
    for _ in range(3):
        connection = await connector.connect_to(address, 5)
        seen.append(address.fastest_connect)
        assert connection.address is address
        await connection.close()
    assert seen == [0.5, 0.5, 0.25]


@pytest.mark.parametrize(
    ("hosts", "addresses"),
    [
        ("one", [(None, None)]),
        ("", [(None, None)]),
        ("one,two", [("one", None), ("two", None)]),
        ("a%40b@one:1,two:2,three", [("one", 1), ("two", 2), ("three", None)]),
        ("[::1],[fe80::2]:5433", [("::1", None), ("fe80::2", 5433)]),
        ("one:,two", [("one", None), ("two", None)]),
        ("XENIA:1,Max", [("XENIA", 1), ("Max", None)]),
        ("one,MAX", [("one", None), ("MAX", None)]),
    ],
)
def test_each_host_of_a_url_has_an_address(hosts: str, addresses: list[tuple[str | None, int | None]]) -> None:
    connector = Connector(f"postgresql://{hosts}/data", role=None, statement_seconds=5)
    assert [(each.host, each.port) for each in connector.addresses] == addresses


@pytest.mark.parametrize(
    ("query", "addresses"),
    [
        ("host=/one,/two", [("/one", None), ("/two", None)]),
        ("host=/one,/two&port=1", [("/one", 1), ("/two", 1)]),
        ("host=/one,/two&port=1,2", [("/one", 1), ("/two", 2)]),
        ("port=1,2", [(None, None)]),
        ("host=/one", [(None, None)]),
        ("host=/one,/two&target_session_attrs=read-write", [("/one", None), ("/two", None)]),
        ("host=/one,/two&target_session_attrs=prefer-standby", [(None, None)]),
    ],
)
def test_hosts_may_stand_in_the_query(query: str, addresses: list[tuple[str | None, int | None]]) -> None:
    connector = Connector(f"postgresql:///data?{query}", role=None, statement_seconds=5)
    assert [(each.host, each.port) for each in connector.addresses] == addresses
    assert all((each.answers, each.fastest_connect) == (0, math.inf) for each in connector.addresses)


def test_addresses_are_told_apart_though_they_look_the_same() -> None:
    assert Address("one") != Address("one")
