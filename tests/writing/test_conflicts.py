"""Conflicts provoked on purpose: in which order calls take their locks, what is tried again, and how often."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from uuid_utils.compat import uuid7

import app.database.pool
from app.plan.write import AttendanceWrite
from app.sql.writes import render_set
from tests.support.bystander import FIND_UNLOCKED, LOCK, TOUCH, connect, wait_for_waiters
from tests.support.failing_database import FailingDatabase
from tests.support.mutations import (
    BULK_DELETE,
    BULK_SET,
    Item,
    count_records,
    delete_many,
    list_codes,
    make_input,
    set_many,
    set_one,
)
from tests.support.private_service import ClientOf, open_service
from tests.support.refusals import refuse
from tests.support.service import GraphQLClient, RecordingDatabase

Write = Callable[[GraphQLClient, list[Item]], Coroutine[Any, Any, Item]]
CONFLICTS: dict[str, type[asyncpg.PostgresError]] = {
    "a serialization failure": asyncpg.SerializationError,
    "a deadlock": asyncpg.DeadlockDetectedError,
    "a lock that is not available": asyncpg.LockNotAvailableError,
}
ELSEWHERE = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


def change(records: list[Item]) -> list[Item]:
    """Inputs that set another number for records that are there."""
    return [make_input(bookingId=each["bookingId"], sessionId=each["sessionId"], numberOfAttendees=7) for each in records]


async def set_again(client: GraphQLClient, records: list[Item]) -> Item:
    return await set_many(client, change(records))


async def delete_all(client: GraphQLClient, records: list[Item]) -> Item:
    return await delete_many(client, [record["id"] for record in records])


for_each_write = pytest.mark.parametrize("write", [set_again, delete_all])


@for_each_write
@pytest.mark.parametrize("position", [0, 1, 7, 17])
async def test_locks_are_taken_in_the_order_of_the_keys_whatever_the_order_of_the_items(
    client: GraphQLClient, database_url: str, site_id: UUID, records: list[Item], write: Write, position: int
) -> None:
    shuffled = [*records[9:], *reversed(records[:9])]
    async with connect(database_url, site_id) as holder, connect(database_url, site_id) as observer:
        async with holder.transaction():
            await holder.execute(LOCK, UUID(records[position]["id"]))
            writing = asyncio.create_task(write(client, shuffled))
            await wait_for_waiters(observer)
            unlocked = {str(row["id"]) for row in await observer.fetch(FIND_UNLOCKED)}
        assert unlocked >= {record["id"] for record in records[position + 1 :]}
        assert unlocked.isdisjoint(record["id"] for record in records[:position])
        assert (await writing)["totalFailures"] == 0


async def test_a_set_sorts_its_keys_as_the_column_is_sorted_in_a_database_of_any_language(
    database: RecordingDatabase, site_id: UUID
) -> None:
    statement = render_set(site_id, [AttendanceWrite(uuid4(), "a", "ATTENDED", 1)], [uuid7()], datetime.now(UTC))
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
    first, last = (UUID(record["id"]) for record in (records[0], records[-1]))
    async with connect(database_url, site_id) as other, connect(database_url, site_id) as observer:
        with database.recording() as sent:
            async with other.transaction():
                await other.execute(LOCK, last)
                writing = asyncio.create_task(write(client, records))
                await wait_for_waiters(observer)
                assert await other.execute(TOUCH, first) == "UPDATE 1"
            payload = await writing
    assert len(sent) == 2
    assert (payload["totalSuccesses"], payload["totalFailures"]) == (len(records), 0)
    assert [result["attendance"]["numberOfAttendees"] for result in payload["results"] if "attendance" in result] in (
        [7] * len(records),
        [],
    )


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
                    writing = asyncio.create_task(write(client, records))
                    await wait_for_waiters(observer)
                assert list_codes(await writing) == [None]
            assert len(sent) == 2


@for_each_write
@pytest.mark.parametrize(
    "command",
    [
        'ALTER TABLE attendance ALTER COLUMN status TYPE varchar(20) COLLATE "C"',
        "ALTER TABLE attendance ALTER COLUMN id TYPE text",
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
            await delete_all(client, [await set_one(client, make_input())])
        records = [await set_one(client, make_input())]
        await owner.execute(command)
        assert list_codes(await write(client, records)) == [None]


@pytest.fixture
def failing_client(
    failing_client_of: ClientOf, site_id: UUID, failing_database: FailingDatabase, monkeypatch: pytest.MonkeyPatch
) -> GraphQLClient:
    """A caller whose statements fail as the test says, and are tried again without much of a pause."""
    monkeypatch.setattr(app.database.pool, "FIRST_PAUSE_SECONDS", 0.001)
    failing_database.tries.clear()
    return failing_client_of(site_id)


@for_each_write
@pytest.mark.parametrize("conflict", CONFLICTS.values(), ids=CONFLICTS)
async def test_a_conflict_is_tried_again_three_times_and_then_told(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    conflict: type[asyncpg.PostgresError],
    write: Write,
) -> None:
    document, variables = {
        set_again: (BULK_SET, {"input": change(records)}),
        delete_all: (BULK_DELETE, {"ids": [record["id"] for record in records]}),
    }[write]
    failing_database.failures = [conflict("a message of the server's")] * 4
    refusal = await refuse(failing_client, document, **variables)
    assert (refusal.place, refusal.message) == (("CONFLICT", None), "Another change got in the way; try again.")
    assert len(failing_database.tries) == 4

    for count in (3, 2, 1):
        failing_database.tries.clear()
        failing_database.failures = [conflict("a message of the server's")] * count
        payload = await set_again(failing_client, records)
        assert (payload["totalFailures"], len(failing_database.tries)) == (0, count + 1)
    failing_database.failures = [conflict("a message of the server's")] * 3
    assert (await write(failing_client, records))["totalFailures"] == 0


async def test_a_set_whose_connection_is_lost_is_tried_again_three_times_and_then_told(
    failing_client: GraphQLClient, failing_database: FailingDatabase, records: list[Item]
) -> None:
    failing_database.failures = [ELSEWHERE] * 3
    assert (await set_again(failing_client, records))["totalFailures"] == 0
    failing_database.tries.clear()
    failing_database.failures = [ELSEWHERE] * 4
    answer = await failing_client.post(BULK_SET, {"input": change(records)})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert len(failing_database.tries) == 4


async def test_a_delete_whose_connection_is_lost_is_tried_once(
    failing_client: GraphQLClient, failing_database: FailingDatabase, records: list[Item]
) -> None:
    failing_database.failures = [ELSEWHERE]
    answer = await failing_client.post(BULK_DELETE, {"ids": [record["id"] for record in records]})
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert len(failing_database.tries) == 1


@pytest.mark.parametrize(
    ("failure", "code"),
    [
        (asyncpg.QueryCanceledError("canceling statement due to statement timeout"), "TIMEOUT"),
        (asyncpg.CheckViolationError("attendance_status"), "INTERNAL_SERVER_ERROR"),
    ],
)
async def test_what_another_try_would_not_mend_is_tried_once(
    failing_client: GraphQLClient, failing_database: FailingDatabase, records: list[Item], failure: Exception, code: str
) -> None:
    failing_database.failures = [failure]
    error = await failing_client.error(BULK_SET, input=change(records))
    assert error["extensions"]["code"] == code
    assert len(failing_database.tries) == 1


async def test_no_try_begins_when_the_request_could_not_wait_for_it(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app.database.pool, "LATEST_RETRY_SECONDS", 0.0)
    failing_database.failures = [asyncpg.SerializationError("x")]
    assert (await refuse(failing_client, BULK_SET, input=change(records))).code == "CONFLICT"
    assert len(failing_database.tries) == 1
    bounds = (app.database.pool.ACQUIRE_SECONDS, app.database.pool.STATEMENT_SECONDS)
    monkeypatch.undo()
    assert app.database.pool.LATEST_RETRY_SECONDS + sum(bounds) <= 10


async def test_each_pause_may_be_longer_than_the_one_before(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(app.database.pool, "FIRST_PAUSE_SECONDS", 0.05)
    failing_database.failures = [asyncpg.SerializationError("x")] * 3
    await set_again(failing_client, records)
    pauses = [later - earlier for earlier, later in zip(failing_database.tries, failing_database.tries[1:], strict=False)]
    assert [pause >= least for pause, least in zip(pauses, (0.025, 0.05, 0.1), strict=True)] == [True] * 3


async def test_a_call_that_failed_has_stored_nothing(
    failing_client: GraphQLClient, failing_database: FailingDatabase
) -> None:
    failing_database.failures = [asyncpg.SerializationError("x")] * 4
    assert (await refuse(failing_client, BULK_SET, input=[make_input()])).code == "CONFLICT"
    assert await count_records(failing_client) == 0
