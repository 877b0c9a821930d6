"""Connections that are lost around a COMMIT: a set is run again and nobody notices, a delete is not."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from tests.support.bystander import LOCK, connect, wait_for_waiters
from tests.support.losing_proxy import LosingProxy, Loss, lose_connections
from tests.support.mutations import DELETE, READ, count_records, make_input, set_many, set_one
from tests.support.private_service import open_service
from tests.support.refusals import read_refusal
from tests.support.service import GraphQLClient, RecordingDatabase

TERMINATE_WAITERS = """
SELECT count(pg_terminate_backend(pid))
FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock'
"""

for_each_loss = pytest.mark.parametrize("loss", Loss)


@pytest.fixture
async def proxy(mortal_url: str) -> AsyncIterator[LosingProxy]:
    async with lose_connections(mortal_url) as proxy:
        yield proxy


@pytest.fixture
async def lost_database(proxy: LosingProxy) -> RecordingDatabase:
    """A pool of one connection, by way of the proxy."""
    return RecordingDatabase(proxy.url, pool_size=1)


@pytest.fixture
async def caller(lost_database: RecordingDatabase, site_id: UUID) -> AsyncIterator[GraphQLClient]:
    """A caller whose connection has sent each statement before, so that the next it sends is the statement itself."""
    async with open_service(lost_database) as client_of:
        caller = client_of(site_id)
        record = await set_one(caller, make_input())
        await caller.data(DELETE, id=record["id"])
        assert await count_records(caller) == 0
        yield caller


@for_each_loss
async def test_a_set_that_lost_its_connection_is_run_again_and_creates_one_record(
    caller: GraphQLClient, lost_database: RecordingDatabase, proxy: LosingProxy, loss: Loss
) -> None:
    proxy.loss = loss
    with lost_database.recording() as sent:
        record = await set_one(caller, make_input())
    assert len(sent) == 2
    assert record["createdAt"] == record["updatedAt"]
    assert (await caller.data(READ, id=record["id"]))["attendance"] == record
    assert await count_records(caller) == 1


@for_each_loss
async def test_a_set_that_lost_its_connection_changes_a_record_once(
    caller: GraphQLClient, lost_database: RecordingDatabase, proxy: LosingProxy, loss: Loss
) -> None:
    item = make_input()
    before = await set_one(caller, item)
    proxy.loss = loss
    with lost_database.recording() as sent:
        after = await set_one(caller, {**item, "numberOfAttendees": 9})
    assert len(sent) == 2
    assert (after["id"], after["createdAt"], after["numberOfAttendees"]) == (before["id"], before["createdAt"], 9)
    assert after["updatedAt"] > before["updatedAt"]
    assert (await caller.data(READ, id=before["id"]))["attendance"] == after


@for_each_loss
async def test_a_bulk_that_lost_its_connection_is_stored_whole(
    caller: GraphQLClient, lost_database: RecordingDatabase, proxy: LosingProxy, loss: Loss
) -> None:
    proxy.loss = loss
    with lost_database.recording() as sent:
        payload = await set_many(caller, [make_input() for _ in range(20)])
    assert len(sent) == 2
    assert payload["totalSuccesses"] == await count_records(caller) == 20


@for_each_loss
async def test_a_delete_that_lost_its_connection_is_not_run_again_and_its_caller_is_told(
    caller: GraphQLClient, lost_database: RecordingDatabase, proxy: LosingProxy, loss: Loss
) -> None:
    record = await set_one(caller, make_input())
    proxy.loss = loss
    with lost_database.recording() as sent:
        answer = await caller.post(DELETE, {"id": record["id"]})
    assert len(sent) == 1
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert read_refusal(answer).code == "SERVICE_UNAVAILABLE"

    again = await caller.run(DELETE, id=record["id"])
    if loss is Loss.STATEMENT:
        assert again["data"] == {"deleteAttendance": {"deletedId": record["id"]}}
    else:
        assert again["errors"][0]["extensions"]["code"] == "ATTENDANCE_NOT_FOUND"
    assert await count_records(caller) == 0


@pytest.mark.one_server
async def test_a_set_whose_backend_is_terminated_is_run_again(
    client: GraphQLClient, database: RecordingDatabase, database_url: str, site_id: UUID
) -> None:
    item = make_input()
    record = await set_one(client, item)
    async with connect(database_url, site_id) as holder, connect(database_url, site_id) as observer:
        with database.recording() as sent:
            async with holder.transaction():
                await holder.execute(LOCK, UUID(record["id"]))
                setting = asyncio.create_task(set_one(client, {**item, "numberOfAttendees": 9}))
                await wait_for_waiters(observer, 1)
                assert await observer.fetchval(TERMINATE_WAITERS) == 1
            assert (await setting)["numberOfAttendees"] == 9
    assert len(sent) > 1


@pytest.mark.one_server
async def test_a_delete_whose_backend_is_terminated_has_deleted_nothing(
    client: GraphQLClient, database_url: str, site_id: UUID
) -> None:
    record = await set_one(client, make_input())
    async with connect(database_url, site_id) as holder, connect(database_url, site_id) as observer:
        async with holder.transaction():
            await holder.execute(LOCK, UUID(record["id"]))
            deleting = asyncio.create_task(client.post(DELETE, {"id": record["id"]}))
            await wait_for_waiters(observer, 1)
            assert await observer.fetchval(TERMINATE_WAITERS) == 1
            answer = await deleting
        assert (answer.status_code, read_refusal(answer).code) == (503, "SERVICE_UNAVAILABLE")
    assert await client.data(DELETE, id=record["id"]) == {"deleteAttendance": {"deletedId": record["id"]}}
