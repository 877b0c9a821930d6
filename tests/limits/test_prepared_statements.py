"""What prepared statements take of Postgres's memory is bounded, however large the statements are."""

import asyncpg
import pytest

from app.database.connection import MAX_PREPARED_BYTES, SiteConnection
from app.database.connector import Connector

# A filter of many keys, as the keyset conditions of nested connections are.
CONDITIONS = " OR ".join(
    f"(status = $1 AND number_of_attendees > {number} AND session_id > $2)" for number in range(30)
)
LARGE = f"SELECT id FROM attendance WHERE {CONDITIONS} -- "
SMALL = "SELECT id, status FROM attendance WHERE status = $1 AND session_id = $2 -- "
# An index is locked and looked up for the first plan; a plan of many conditions takes more than its text tells.
MOST_MEGABYTES = 1.5 * MAX_PREPARED_BYTES / 1e6
MEMORY = "SELECT sum(total_bytes)::bigint FROM pg_backend_memory_contexts"


@pytest.mark.parametrize("text", [LARGE, SMALL])
async def test_a_backend_keeps_its_memory_whatever_is_prepared(database_url: str, text: str) -> None:
    connection: SiteConnection = await Connector(database_url, role=None, statement_seconds=60).connect()
    try:
        before = await connection.fetchval(MEMORY)
        for number in range(700):
            await connection.run(f"{text}{number}", ["NONE", "no session"])
        assert (await connection.fetchval(MEMORY) - before) / 1e6 < MOST_MEGABYTES
        count = await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'attendance%'")
        assert 50 < count <= 512
        assert await connection.run(f"{text}0", ["NONE", "no session"]) == []
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InterfaceError):
        await connection.run("SELECT 1", [])
