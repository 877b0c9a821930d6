"""Conflicts provoked on purpose: what calls wait for, in which order they lock, and what becomes of deadlocks."""

import asyncio
import contextlib
import json
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from app.plan.properties import Property
from app.plan.write import WriteColumns
from app.sql.writes import render_set
from tests.support.bystander import FIND_UNLOCKED, LOCK, TOUCH, connect, wait_for_waiters
from tests.support.mutations import (
    Item,
    Write,
    assert_written,
    delete_all,
    make_input,
    set_again,
    set_one,
    succeed,
)
from tests.support.private_service import open_service
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

pytestmark = pytest.mark.one_server

# Its own check for deadlocks comes after everybody else's.
NEVER_THE_VICTIM = "SET deadlock_timeout = '1min'"
LOCK_COUNTER = "SELECT FROM site_revision WHERE site_id = $1 FOR UPDATE"
RAISE_COUNTER = "INSERT INTO site_revision (site_id, revision) VALUES ($1, 1)"

for_each_write = pytest.mark.parametrize("write", [set_again, delete_all])


@for_each_write
async def test_a_write_waits_for_the_writer_before_it_and_locks_no_record_meanwhile(
    client: GraphQLClient, database_url: str, site_id: UUID, records: list[Item], write: Write
) -> None:
    async with connect(database_url, site_id) as holder, connect(database_url, site_id) as observer:
        async with holder.transaction():
            await holder.execute(LOCK_COUNTER, site_id)
            writing = asyncio.create_task(succeed(client, write(records)))
            await wait_for_waiters(observer, 1)
            unlocked = {str(row["id"]) for row in await observer.fetch(FIND_UNLOCKED, site_id)}
        assert unlocked == {record["id"] for record in records}
        await writing
    await assert_written(client, records, write)


@for_each_write
async def test_a_write_does_not_wait_for_the_writers_of_another_site(
    client: GraphQLClient, database_url: str, database: RecordingDatabase, records: list[Item], write: Write
) -> None:
    other = uuid4()
    await store(database, other, [Record()])
    async with connect(database_url, other) as holder, holder.transaction():
        await holder.execute(RAISE_COUNTER, other)
        await succeed(client, write(records))
    await assert_written(client, records, write)


@for_each_write
@pytest.mark.parametrize("position", [0, 1, 7, 17])
async def test_locks_are_taken_in_the_order_of_the_keys_whatever_the_order_of_the_items(
    client: GraphQLClient, database_url: str, site_id: UUID, records: list[Item], write: Write, position: int
) -> None:
    shuffled = [*records[9:], *reversed(records[:9])]
    async with connect(database_url, site_id) as holder, connect(database_url, site_id) as observer:
        async with holder.transaction():
            await holder.execute(LOCK, UUID(records[position]["id"]))
            writing = asyncio.create_task(succeed(client, write(shuffled)))
            await wait_for_waiters(observer, 1)
            unlocked = {str(row["id"]) for row in await observer.fetch(FIND_UNLOCKED, site_id)}
        assert unlocked >= {record["id"] for record in records[position + 1 :]}
        assert unlocked.isdisjoint(record["id"] for record in records[:position])
        await writing


async def test_a_set_sorts_its_keys_as_the_column_is_sorted_in_a_database_of_any_language(
    database: RecordingDatabase, site_id: UUID
) -> None:
    statement = render_set(
        site_id, WriteColumns([str(uuid4())], ["a"], ["ATTENDED"], [1]), [uuid7()], datetime.now(UTC), tuple(Property)
    )
    async with database.connection(site_id) as connection:
        text = await connection.fetchval(f"EXPLAIN (FORMAT JSON) {statement.text}", *statement.arguments)
    assert '"Sort Key": ["item.booking_id", "item.session_id COLLATE \\"C\\""]' in json.dumps(json.loads(text))


@for_each_write
async def test_a_deadlock_with_somebody_who_locks_in_another_order_is_tried_again_and_succeeds(
    client: GraphQLClient,
    database: RecordingDatabase,
    database_url: str,
    site_id: UUID,
    records: list[Item],
    write: Write,
) -> None:
    first, middle, last = (UUID(records[position]["id"]) for position in (0, 5, -1))
    async with connect(database_url, site_id) as other, connect(database_url, site_id) as observer:
        with contextlib.suppress(asyncpg.InsufficientPrivilegeError):
            await other.execute(NEVER_THE_VICTIM)
        with database.recording() as sent:
            async with other.transaction():
                await other.execute(LOCK, last)
                async with observer.transaction():
                    await observer.execute(LOCK, middle)
                    writing = asyncio.create_task(succeed(client, write(records)))
                    await wait_for_waiters(observer, 1)
                    touching = asyncio.create_task(other.execute(TOUCH, first))
                    await wait_for_waiters(observer, 2)
                assert await touching == "UPDATE 1"
            await writing
    assert len(sent) == 2
    await assert_written(client, records, write)


@for_each_write
async def test_a_real_serialization_failure_is_tried_again_and_succeeds(
    own_url: str, own_database: RecordingDatabase, site_id: UUID, write: Write
) -> None:
    async with connect(own_url, site_id) as other, connect(own_url, site_id) as observer:
        name = await other.fetchval("SELECT current_database()")
        await other.execute(f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'")
        async with open_service(own_database) as client_of:
            client = client_of(site_id)
            records = [await set_one(client, make_input())]
            with own_database.recording() as sent:
                async with other.transaction():
                    await other.execute(TOUCH, UUID(records[0]["id"]))
                    writing = asyncio.create_task(succeed(client, write(records)))
                    await wait_for_waiters(observer, 1)
                await writing
            assert len(sent) == 2
            await assert_written(client, records, write)


@for_each_write
@pytest.mark.parametrize(
    "command",
    [
        'ALTER TABLE attendance ALTER COLUMN status TYPE varchar(20) COLLATE "C"',
        "ALTER TABLE attendance ADD COLUMN note text",
        "ANALYZE attendance",
    ],
)
async def test_a_table_that_changes_between_two_calls_is_not_noticed(
    own_url: str, own_database: RecordingDatabase, site_id: UUID, write: Write, command: str
) -> None:
    async with open_service(own_database) as client_of, connect(own_url, site_id) as owner:
        client = client_of(site_id)
        for _ in range(2):
            await succeed(client, delete_all([await set_one(client, make_input())]))
        records = [await set_one(client, make_input())]
        await owner.execute(command)
        await succeed(client, write(records))
        await assert_written(client, records, write)
