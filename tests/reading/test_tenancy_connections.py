"""Connections that serve one site after another: which site row security sees, and what it costs to say so."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database.connection import ENTER_SITE, SiteConnection
from app.database.session import CHECK_SESSION
from tests.support.service import Record, RecordingDatabase, store

pytestmark = pytest.mark.one_server

EVERYTHING = "SELECT site_id FROM attendance"
BACKEND = "SELECT pg_backend_pid() AS pid, current_setting('attendance.site_id') AS site"


@pytest.fixture
async def one_connection(database_url: str) -> AsyncIterator[RecordingDatabase]:
    """A pool of one connection."""
    database = RecordingDatabase(database_url, pool_size=1)
    await database.open()
    yield database
    await database.close()


@pytest.fixture
async def sites(database: RecordingDatabase) -> list[UUID]:
    """Three sites with a record each."""
    sites = [uuid4() for _ in range(3)]
    for site in sites:
        await store(database, site, [Record()])
    return sites


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sites that connections are told of, as they are."""
    entered: list[str] = []

    def record(name: str) -> None:
        fetch = getattr(SiteConnection, name)

        async def fetch_recorded(connection: SiteConnection, query: str, *arguments: Any, **options: Any) -> Any:
            if query in (CHECK_SESSION, ENTER_SITE):
                entered.append(arguments[0])
            return await fetch(connection, query, *arguments, **options)

        monkeypatch.setattr(SiteConnection, name, fetch_recorded)

    for name in ("fetchrow", "fetchval"):
        record(name)
    return entered


async def read_sites(database: RecordingDatabase, site: UUID) -> list[UUID]:
    """The sites whose records a statement without any site in it gives."""
    return [row["site_id"] for row in await database.fetch_rows(EVERYTHING, (), site)]


async def test_a_connection_that_changes_its_site_sees_the_new_one_alone(
    one_connection: RecordingDatabase, sites: list[UUID]
) -> None:
    first, second, third = sites
    backends = set()
    for site in (first, second, first, first, third, second, third, uuid4(), first):
        assert await read_sites(one_connection, site) == ([site] if site in sites else [])
        [row] = await one_connection.fetch_rows(BACKEND, (), site)
        assert row["site"] == str(site)
        backends.add(row["pid"])
    assert len(backends) == 1


async def test_a_connection_is_told_of_a_site_only_when_it_changes(
    one_connection: RecordingDatabase, sites: list[UUID], entries: list[str]
) -> None:
    first, second, _ = sites
    for site in (first, first, first, second, second, first, first):
        await one_connection.fetch_rows(EVERYTHING, (), site)
    assert entries == [str(first), str(second), str(first)]


async def test_the_last_that_a_connection_sends_is_the_statement_itself(
    one_connection: RecordingDatabase, database_url: str, sites: list[UUID]
) -> None:
    last_query = "SELECT query FROM pg_stat_activity WHERE pid = $1"
    [row] = await one_connection.fetch_rows(BACKEND, (), sites[0])
    observer = await asyncpg.connect(database_url)
    try:
        for _ in range(3):
            await one_connection.fetch_rows(EVERYTHING, (), sites[0])
            assert await observer.fetchval(last_query, row["pid"]) == EVERYTHING
    finally:
        await observer.close()


async def test_sites_that_share_few_connections_at_once_never_see_each_other(
    database_url: str, sites: list[UUID]
) -> None:
    database = RecordingDatabase(database_url, pool_size=2)
    await database.open()
    asked = sites * 40
    found = await asyncio.gather(*(read_sites(database, site) for site in asked))
    await database.close()
    assert found == [[site] for site in asked]


async def fail_before(_fetch: Callable[..., Any], *_arguments: Any) -> Any:
    raise OSError("the connection broke before the setting was sent")


async def fail_after(fetch: Callable[..., Any], *arguments: Any) -> Any:
    await fetch(*arguments)
    raise TimeoutError("the setting was made, and its answer came too late")


@pytest.mark.parametrize("fail", [fail_before, fail_after])
async def test_a_connection_that_failed_to_change_its_site_never_shows_the_wrong_one(
    one_connection: RecordingDatabase, sites: list[UUID], monkeypatch: pytest.MonkeyPatch, fail: Callable[..., Any]
) -> None:
    first, second, _ = sites
    fetch = SiteConnection.fetchval
    assert await read_sites(one_connection, first) == [first]

    async def fetchval(connection: SiteConnection, query: str, *arguments: Any, **_options: Any) -> Any:
        return await fail(fetch, connection, query, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(SiteConnection, "fetchval", fetchval)
        with pytest.raises(Exception, match="database cannot be reached"):
            await read_sites(one_connection, second)
    assert await read_sites(one_connection, first) == [first]
    assert await read_sites(one_connection, second) == [second]


async def test_a_caller_who_leaves_while_the_site_is_changed_leaves_no_trace(
    one_connection: RecordingDatabase, sites: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second, _ = sites
    fetch = SiteConnection.fetchval
    assert await read_sites(one_connection, first) == [first]

    async def fetchval(connection: SiteConnection, query: str, *arguments: Any, **options: Any) -> Any:
        await fetch(connection, query, *arguments, **options)
        await asyncio.sleep(60)

    with monkeypatch.context() as patch:
        patch.setattr(SiteConnection, "fetchval", fetchval)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await one_connection.fetch_rows(EVERYTHING, (), second)
    assert await read_sites(one_connection, first) == [first]
    assert await read_sites(one_connection, second) == [second]
