"""The service reads the totals of its site, and writes none by itself."""

import random
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database.migrations import migrate
from app.database.pool import Database
from tests.database.conftest import CreateOwner
from tests.database.test_totals import FILL, KEYS, set_some
from tests.support.totals import count_records, read_figures, read_stored

FORBIDDEN = {
    "a change": "UPDATE site_totals SET attended = 9",
    "a new row": "INSERT INTO site_totals VALUES (gen_random_uuid(), true, 0, 0, 0, 0)",
    "a deletion": "DELETE FROM site_totals",
    "a call": "SELECT add_to_site_totals(gen_random_uuid(), 1, 1, 1, 1)",
    "a trigger of its own": """
        CREATE TEMPORARY TABLE mine (LIKE attendance);
        CREATE TRIGGER mine AFTER INSERT ON mine REFERENCING NEW TABLE AS counted
        FOR EACH STATEMENT EXECUTE FUNCTION count_new_or_deleted()
    """,
    "triggers off": "ALTER TABLE attendance DISABLE TRIGGER attendance_created",
    "the replica's role": "SET session_replication_role = replica",
}


@pytest.fixture
async def database(empty_url: str) -> AsyncIterator[Database]:
    await migrate(empty_url, row_security=True)
    database = Database(empty_url, pool_size=1, row_security=True)
    await database.open()
    yield database
    await database.close()


@pytest.mark.parametrize("name", FORBIDDEN)
async def test_the_service_may_not_write_totals(database: Database, site_id: UUID, name: str) -> None:
    async with database.connection(site_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(FORBIDDEN[name])


async def test_the_service_sees_the_totals_of_its_own_site_alone(
    database: Database, empty_url: str, site_id: UUID
) -> None:
    owner = await asyncpg.connect(empty_url)
    for each in (site_id, uuid4()):
        await owner.execute(FILL, each, 3)
    async with database.connection(site_id) as connection:
        assert [row[0] for row in await connection.fetch("SELECT site_id FROM site_totals")] == [site_id]
    await owner.close()


async def test_a_temporary_table_of_that_name_takes_no_totals(
    database: Database, empty_url: str, site_id: UUID
) -> None:
    owner = await asyncpg.connect(empty_url)
    async with database.connection(site_id) as connection, connection.transaction():
        await connection.execute("CREATE TEMPORARY TABLE site_totals (LIKE public.site_totals)")
        await connection.execute(FILL, site_id, 3)
        await connection.execute("DROP TABLE pg_temp.site_totals")
    assert await read_stored(owner, site_id) == await count_records(owner, site_id)
    await owner.close()


async def test_an_owner_without_special_rights_keeps_and_counts_totals(
    create_owner: CreateOwner, site_id: UUID
) -> None:
    url = await create_owner("CREATEROLE")
    await migrate(url, row_security=True)
    database = Database(url, pool_size=1, row_security=True)
    await database.open()
    await set_some(database, site_id, random.Random(1))
    await set_some(database, site_id, random.Random(2))
    async with database.connection(site_id) as connection:
        counted = await count_records(connection, site_id)
        assert await read_stored(connection, site_id) == counted
    owner = await asyncpg.connect(url)
    await owner.execute("UPDATE site_totals SET is_counted = false")
    await owner.close()
    await migrate(url, row_security=True)
    async with database.connection(site_id) as connection:
        assert await read_stored(connection, site_id) == counted
    assert await read_figures(database, site_id) == counted
    assert counted["total"] <= len(KEYS)
    await database.close()
