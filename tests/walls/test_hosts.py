"""Which host a connection leads to: who is asked first, for how long, and what a URL may name."""

import asyncio
import math
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from app.database import connector as connector_module
from app.database.connection import SiteConnection
from app.database.connector import Connector
from app.database.hosts import Address
from app.database.migrations import SERVICE_ROLE
from tests.support.brackets import NEEDS_BRACKETS
from tests.walls.hosts import be_silent, connector_of, name_hosts


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
    assert connector_module.HEAD_START_SECONDS == 0.4
    monkeypatch.setattr(connector_module, "HEAD_START_SECONDS", 0.1)
    async with be_silent(embedded, tmp_path) as taken:
        connector = connector_of(name_hosts(embedded, tmp_path, "..."))
        begin = time.monotonic()
        connection = await connector.connect()
        assert 0.1 <= time.monotonic() - begin < 1.5
        assert connection.address is connector.addresses[0]
        assert len(taken) == 1
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()


async def test_of_two_hosts_that_answer_at_once_one_is_kept(embedded: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connector_module, "HEAD_START_SECONDS", 0)
    connector = Together(name_hosts(embedded, "...", "..."))
    kept = await connector.connect()
    await asyncio.sleep(0)
    assert len(connector.made) == 2
    assert [connection.is_closed() for connection in connector.made] == [each is not kept for each in connector.made]
    await kept.close()


async def test_each_host_is_reached_by_its_own_port(embedded: str, tmp_path: Path) -> None:
    [port] = parse_qs(urlsplit(embedded).query)["port"]
    connector = connector_of(name_hosts(embedded, tmp_path, "...").replace(f"port={port}", f"port=1,{port}"))
    connection = await connector.connect()
    assert connection.address.port == int(port)
    assert await connection.fetchval("SELECT 1") == 1
    await connection.close()


async def test_all_hosts_together_are_waited_for_only_so_long(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connector_module, "CONNECT_SECONDS", 0.25)
    monkeypatch.setattr(connector_module, "HEAD_START_SECONDS", 0.1)
    async with be_silent(embedded, tmp_path):
        with pytest.raises(TimeoutError):
            await connector_of(name_hosts(embedded, *[tmp_path] * 4, "...")).connect()


@pytest.mark.parametrize("hosts", [1, 2])
async def test_silent_hosts_are_waited_for_only_so_long(
    embedded: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hosts: int
) -> None:
    assert connector_module.CONNECT_SECONDS == 1.8
    monkeypatch.setattr(connector_module, "CONNECT_SECONDS", 0.2)
    async with be_silent(embedded, tmp_path):
        connector = connector_of(name_hosts(embedded, *[tmp_path] * hosts))
        begin = time.monotonic()
        with pytest.raises(TimeoutError):
            await connector.connect()
        assert 0.15 < time.monotonic() - begin < 1.5


async def test_when_no_host_is_there_the_last_failure_is_told(embedded: str, tmp_path: Path) -> None:
    async with be_silent(embedded, tmp_path):
        pass  # It leaves a place where nobody listens.
    connector = connector_of(name_hosts(embedded, tmp_path, tmp_path / "nowhere"))
    addresses = list(connector.addresses)
    with pytest.raises(FileNotFoundError):
        await connector.connect()
    assert connector.addresses == addresses


@pytest.mark.parametrize(
    ("hosts", "addresses"),
    [
        ("one", [(None, None)]),
        ("", [(None, None)]),
        ("one,two", [("one", None), ("two", None)]),
        ("a%40b@one:1,two:2,three", [("one", 1), ("two", 2), ("three", None)]),
        pytest.param("[::1],[fe80::2]:5433", [("::1", None), ("fe80::2", 5433)], marks=NEEDS_BRACKETS),
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
        ("host=::1,fe80::2&port=,5433", [("::1", None), ("fe80::2", 5433)]),
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
