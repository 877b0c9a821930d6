"""No connection of the service asks Postgres about a type: that takes statements, and on Citus half a second."""

from datetime import UTC, datetime
from uuid import uuid4

import asyncpg
import pytest

from app.database.transfer import ImportRow, store_batch
from tests.support.mutations import delete_many, make_input, set_many
from tests.support.private_service import open_service
from tests.support.service import RecordingDatabase


@pytest.fixture
def looked_up(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The types that any connection looks up."""
    types: list[object] = []
    look_up = asyncpg.Connection._introspect_types  # noqa: SLF001 - a look-up shows nowhere else

    async def note(connection: asyncpg.Connection, typeoids: object, timeout: object) -> object:  # noqa: ASYNC109
        types.append(typeoids)
        return await look_up(connection, typeoids, timeout)

    monkeypatch.setattr(asyncpg.Connection, "_introspect_types", note)
    return types


async def test_neither_reads_nor_writes_nor_imports_look_up_a_type(database_url: str, looked_up: list[object]) -> None:
    database, site_id = RecordingDatabase(database_url, pool_size=1), uuid4()
    async with open_service(database) as client_of:
        client = client_of(site_id)
        items = [make_input(), make_input(numberOfAttendees=None)]
        payload = await set_many(client, items)
        ids = [result["attendance"]["id"] for result in payload["results"]]
        await client.data(
            "query($ids: [ID!]!, $numbers: [Int!]!) { nodes(ids: $ids) { id } attendances("
            "filter: {numberOfAttendees: {in: $numbers}}) { nodes { booking { attendances { nodes { id } } } } } }",
            ids=ids,
            numbers=[1, 2],
        )
        await delete_many(client, ids)
        async with database.connection(site_id) as connection:
            now = datetime.now(UTC)
            await store_batch(
                connection, site_id, [ImportRow(ids[0], ids[1], "session", "ATTENDED", 1, now, now)], at=now
            )
    assert looked_up == []


async def test_a_look_up_is_noticed(database_url: str, looked_up: list[object]) -> None:
    connection = await asyncpg.connect(database_url)
    await connection.fetchval("SELECT $1::uuid[]", [])
    await connection.close()
    assert len(looked_up) == 1
