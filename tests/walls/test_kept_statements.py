"""The statements that a connection keeps prepared: each once, so many at most, and none that has become wrong."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from app.database import connecting
from app.database.connecting import SiteConnection
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


async def test_no_more_are_kept_than_the_most_and_the_first_goes_first(
    connection: SiteConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connecting, "STATEMENTS_KEPT_A_CONNECTION", 3)
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


async def test_one_whose_tables_have_changed_is_prepared_anew(connection: SiteConnection) -> None:
    await connection.execute("CREATE TEMPORARY TABLE kept (number integer)")
    await connection.execute("INSERT INTO kept VALUES (1)")
    texts = ["SELECT * FROM kept", "SELECT * FROM kept WHERE number = 1"]
    for column in range(2):
        expected = (1, *[None] * column)
        assert [tuple(row) for text in texts for row in await connection.run(text, ())] == [expected] * 2
        await connection.execute(f"ALTER TABLE kept ADD COLUMN more_{column} text")
    assert [tuple(row) for text in texts for row in await connection.run(text, ())] == [(1, None, None)] * 2
