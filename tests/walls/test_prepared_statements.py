"""The statements that a connection keeps prepared: each once, so many at most, and none that has become wrong."""

import asyncio
import re
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.database import connection as connection_module
from app.database.connection import SiteConnection
from tests.walls.hosts import connector_of

KEPT = "SELECT statement FROM pg_prepared_statements WHERE statement LIKE '%kept%' ORDER BY prepare_time"


@pytest.fixture
async def connection(database_url: str) -> AsyncIterator[SiteConnection]:
    connection = await connector_of(database_url).connect()
    yield connection
    await connection.close()


async def list_kept(connection: SiteConnection) -> list[str]:
    return [row["statement"] for row in await connection.fetch(KEPT) if row["statement"] != KEPT]


async def test_a_statement_is_prepared_once_and_takes_other_values(connection: SiteConnection) -> None:
    text = "SELECT $1::integer AS kept"
    for number in (1, 2, 3):
        assert [tuple(row) for row in await connection.run(text, [number])] == [(number,)]
    assert await list_kept(connection) == [text]


async def test_no_two_connections_share_the_name_of_a_statement(database_url: str) -> None:
    names = set()
    for _ in range(2):
        connection = await connector_of(database_url).connect()
        for number in range(3):
            await connection.run(f"SELECT {number} AS kept", ())
        found = [row["name"] for row in await connection.fetch("SELECT name FROM pg_prepared_statements")]
        names |= {name for name in found if re.fullmatch(r"attendance_[0-9a-f]{16}_[0-2]", name)}
        await connection.close()
    assert len(names) == 6


async def test_no_more_are_kept_than_the_most_and_the_first_goes_first(
    connection: SiteConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_module, "MAX_PREPARED_STATEMENTS", 3)
    texts = [f"SELECT {number} AS kept" for number in range(5)]
    for text in texts:
        await connection.run(text, ())
    await connection.run(texts[-1], ())
    assert await list_kept(connection) == texts[2:]
    assert [tuple(row) for row in await connection.run(texts[0], ())] == [(0,)]


async def test_one_that_has_failed_runs_again_with_other_values(connection: SiteConnection) -> None:
    text = "SELECT 1 / $1::integer AS kept"
    for _ in range(2):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await connection.run(text, [0])
        assert [tuple(row) for row in await connection.run(text, [1])] == [(1,)]
    assert await list_kept(connection) == [text]


async def test_one_that_the_server_knows_no_more_is_prepared_again_the_next_time(connection: SiteConnection) -> None:
    text = "SELECT 1 AS kept"
    await connection.run(text, ())
    await connection.execute("DEALLOCATE ALL")
    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        await connection.run(text, ())
    assert [tuple(row) for row in await connection.run(text, ())] == [(1,)]


async def test_one_that_fails_when_none_is_kept_any_more_fails_as_the_driver_says(connection: SiteConnection) -> None:
    text = "SELECT 1 AS kept"
    await connection.run(text, ())
    await connection.execute("DEALLOCATE ALL")
    running = asyncio.create_task(connection.run(text, ()))
    await asyncio.sleep(0)
    connection._prepared.clear()  # noqa: SLF001 (as the end of the connection does)
    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        await running


async def test_to_prepare_and_to_run_one_share_the_time_that_it_may_take(
    connection: SiteConnection, database_url: str
) -> None:
    text = "SELECT pg_sleep(0.4), count(*) AS kept FROM attendance"
    other = await asyncpg.connect(database_url)
    holding = other.transaction()
    await holding.start()
    await other.execute("LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE")
    connection.timeout_seconds = 0.6
    running = asyncio.create_task(connection.run(text, ()))
    await asyncio.sleep(0.4)
    await holding.rollback()
    await other.close()
    with pytest.raises(TimeoutError):
        await running


async def test_a_statement_has_its_time_from_the_first_run_on(connection: SiteConnection) -> None:
    assert connection.timeout_seconds == 2.5
    for _ in range(2):
        await connection.run("SELECT pg_sleep(0.1) AS kept", ())
    connection.timeout_seconds = -1
    with pytest.raises(TimeoutError):
        await connection.run("SELECT pg_sleep(0.2) AS kept", ())


async def test_a_connection_that_has_ended_keeps_none(connection: SiteConnection) -> None:
    await connection.run("SELECT 1 AS kept", ())
    statements = connection._prepared  # noqa: SLF001 (it is told nowhere)
    assert len(statements) == 1
    connection.terminate()
    await asyncio.sleep(0)  # The driver tells of it a moment later.
    assert not statements


async def test_one_whose_tables_have_changed_is_prepared_anew(connection: SiteConnection) -> None:
    await connection.execute("CREATE TEMPORARY TABLE kept (number integer)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    texts = ["SELECT * FROM kept", "SELECT * FROM kept WHERE number = 1"]
    for column in range(2):
        expected = (1, *[None] * column)
        assert [tuple(row) for text in texts for row in await connection.run(text, ())] == [expected] * 2
        await connection.execute(f"ALTER TABLE kept ADD COLUMN more_{column} text")
    assert [tuple(row) for text in texts for row in await connection.run(text, ())] == [(1, None, None)] * 2
