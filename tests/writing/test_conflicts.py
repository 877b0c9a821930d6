"""Conflicts provoked on purpose: in which order calls take their locks, what is tried again, and how often."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from uuid_utils.compat import uuid7

import app.database.pool
from app.plan.write import AttendanceWrite
from app.sql.writes import render_set
from tests.support.bystander import FIND_UNLOCKED, LOCK, TOUCH, connect, wait_for_waiter
from tests.support.failing_database import FailingDatabase
from tests.support.mutations import BULK_DELETE, BULK_SET, RECORD, Item, make_input, set_one
from tests.support.private_service import ClientOf, open_service
from tests.support.refusals import refuse
from tests.support.service import GraphQLClient, RecordingDatabase

Call = tuple[str, dict[str, Any]]
Write = Callable[[list[Item]], Call]
CONFLICTS: dict[str, type[asyncpg.PostgresError]] = {
    "a serialization failure": asyncpg.SerializationError,
    "a deadlock": asyncpg.DeadlockDetectedError,
    "a lock that is not available": asyncpg.LockNotAvailableError,
}
LOST = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


def set_again(records: list[Item]) -> Call:
    """The call that sets the number 7 for records that are there."""
    inputs = [{"bookingId": record["bookingId"], "sessionId": record["sessionId"]} for record in records]
    return BULK_SET, {"input": [make_input(**each, numberOfAttendees=7) for each in inputs]}


def delete_all(records: list[Item]) -> Call:
    """The call that deletes records."""
    return BULK_DELETE, {"ids": [record["id"] for record in records]}


for_each_write = pytest.mark.parametrize("write", [set_again, delete_all])
for_each_conflict = pytest.mark.parametrize("conflict", CONFLICTS.values(), ids=CONFLICTS)


async def succeed(client: GraphQLClient, call: Call) -> None:
    """Send a call of which every item succeeds."""
    document, variables = call
    (payload,) = (await client.data(document, **variables)).values()
    assert payload["totalFailures"] == 0, payload


async def assert_written(client: GraphQLClient, records: list[Item], write: Write) -> None:
    """What is stored is what the call left."""
    data = await client.data("{ attendances(first: 100) { nodes { numberOfAttendees } } }")
    numbers = [node["numberOfAttendees"] for node in data["attendances"]["nodes"]]
    assert numbers == ([7] * len(records) if write is set_again else [])


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
            await wait_for_waiter(observer)
            unlocked = {str(row["id"]) for row in await observer.fetch(FIND_UNLOCKED)}
        assert unlocked >= {record["id"] for record in records[position + 1 :]}
        assert unlocked.isdisjoint(record["id"] for record in records[:position])
        await writing


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
                writing = asyncio.create_task(succeed(client, write(records)))
                await wait_for_waiter(observer)
                assert await other.execute(TOUCH, first) == "UPDATE 1"
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
                    await wait_for_waiter(observer)
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


@pytest.fixture
def failing_client(
    failing_client_of: ClientOf, site_id: UUID, failing_database: FailingDatabase, monkeypatch: pytest.MonkeyPatch
) -> GraphQLClient:
    """A caller whose statements fail as the test says, and are tried again without much of a pause."""
    monkeypatch.setattr(app.database.pool, "FIRST_PAUSE_SECONDS", 0.001)
    failing_database.tries.clear()
    return failing_client_of(site_id)


@for_each_write
@for_each_conflict
@pytest.mark.parametrize("count", [1, 2, 3])
async def test_up_to_three_conflicts_are_not_noticed(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    conflict: type[asyncpg.PostgresError],
    count: int,
    write: Write,
) -> None:
    failing_database.failures = [conflict("a message of the server's")] * count
    await succeed(failing_client, write(records))
    assert len(failing_database.tries) == count + 1
    await assert_written(failing_client, records, write)


@for_each_write
@for_each_conflict
async def test_the_fourth_conflict_is_told_and_nothing_has_changed(
    failing_client: GraphQLClient,
    failing_database: FailingDatabase,
    records: list[Item],
    conflict: type[asyncpg.PostgresError],
    write: Write,
) -> None:
    document, variables = write(records)
    failing_database.failures = [conflict("a message of the server's")] * 4
    refusal = await refuse(failing_client, document, **variables)
    assert (refusal.place, refusal.message) == (("CONFLICT", None), "Another change got in the way; try again.")
    assert len(failing_database.tries) == 4
    stored = await failing_client.data(f"{{ attendances {{ nodes {{ {RECORD} }} }} }}")
    assert stored["attendances"]["nodes"] == sorted(records, key=lambda record: record["id"])


async def test_a_set_whose_connection_is_lost_is_tried_again_three_times_and_then_told(
    failing_client: GraphQLClient, failing_database: FailingDatabase, records: list[Item]
) -> None:
    failing_database.failures = [LOST] * 3
    await succeed(failing_client, set_again(records))
    failing_database.tries.clear()
    failing_database.failures = [LOST] * 4
    answer = await failing_client.post(*set_again(records))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert len(failing_database.tries) == 4


async def test_a_delete_whose_connection_is_lost_is_tried_once(
    failing_client: GraphQLClient, failing_database: FailingDatabase, records: list[Item]
) -> None:
    failing_database.failures = [LOST]
    answer = await failing_client.post(*delete_all(records))
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
    document, variables = set_again(records)
    error = await failing_client.error(document, **variables)
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
    document, variables = set_again(records)
    assert (await refuse(failing_client, document, **variables)).code == "CONFLICT"
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
    await succeed(failing_client, set_again(records))
    pauses = [later - earlier for earlier, later in pairwise(failing_database.tries)]
    assert [pause >= least for pause, least in zip(pauses, (0.025, 0.05, 0.1), strict=True)] == [True] * 3
