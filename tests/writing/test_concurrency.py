"""Many writers at once: nobody is told of a deadlock, and what is stored is what some serial order leaves."""

import asyncio
import time
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from tests.support.crowd import Crowd
from tests.support.histories import find_contradiction
from tests.support.mutations import DELETE, READ, count_records, delete_many, make_input, set_many, set_one
from tests.support.private_service import ClientOf, open_service
from tests.support.service import GraphQLClient, RecordingDatabase

SECONDS = 10.0
WRITERS = 16
BOOKINGS = 8
SESSIONS = ("b", "B", "a", "é", "😀")
ROUNDS = 30
STORED = "SELECT id, booking_id, session_id, number_of_attendees FROM attendance WHERE site_id = $1"


@pytest.fixture(scope="module")
async def wide_database(database_url: str, calls_functions: bool) -> RecordingDatabase:  # noqa: FBT001
    """A pool with a connection for each writer."""
    database = RecordingDatabase(database_url, pool_size=WRITERS)
    database.is_distributed = calls_functions
    return database


@pytest.fixture(scope="module")
async def wide_client_of(wide_database: RecordingDatabase) -> AsyncIterator[ClientOf]:
    """Callers of a service on that pool."""
    async with open_service(wide_database) as client_of:
        yield client_of


@pytest.fixture
def wide_client(wide_client_of: ClientOf, site_id: UUID) -> GraphQLClient:
    return wide_client_of(site_id)


async def test_sixteen_writers_of_the_same_records_leave_what_a_serial_order_of_their_calls_leaves(
    wide_client: GraphQLClient, wide_database: RecordingDatabase, site_id: UUID
) -> None:
    bookings = [str(uuid4()) for _ in range(BOOKINGS)]
    crowd = Crowd(wide_client, [(booking, session) for booking in bookings for session in SESSIONS])
    with wide_database.recording() as sent:
        until = time.monotonic() + SECONDS
        await asyncio.gather(*(crowd.write(seed, until) for seed in range(WRITERS)))
    assert len(crowd.calls) > WRITERS * 10
    tries = [statement.arguments for statement in sent]
    assert len(set(tries)) == len(tries), "where locks are taken in one order, nothing is tried twice"
    rows = await wide_database.fetch_rows(STORED, [site_id], site_id)
    stored = {(row["booking_id"], row["session_id"]): (str(row["id"]), row["number_of_attendees"]) for row in rows}
    assert find_contradiction(crowd.calls, stored) is None


async def test_sets_of_one_new_key_at_once_give_one_record_with_one_id(wide_client: GraphQLClient) -> None:
    for round_ in range(1, ROUNDS + 1):
        item = make_input()
        records = await asyncio.gather(
            *(set_one(wide_client, {**item, "numberOfAttendees": number}) for number in range(WRITERS))
        )
        assert len({(record["id"], record["createdAt"]) for record in records}) == 1
        assert sorted(record["numberOfAttendees"] for record in records) == list(range(WRITERS))
        assert await count_records(wide_client) == round_
        stored = (await wide_client.data(READ, id=records[0]["id"]))["attendance"]
        assert stored["numberOfAttendees"] in range(WRITERS)
        assert stored["updatedAt"] == max(record["updatedAt"] for record in records)


async def test_bulks_of_the_same_new_keys_at_once_create_each_record_once(wide_client: GraphQLClient) -> None:
    items = [make_input() for _ in range(50)]
    payloads = await asyncio.gather(
        *(set_many(wide_client, items[start:] + items[:start]) for start in range(0, 50, 5))
    )
    ids = [{result["attendance"]["id"] for result in payload["results"]} for payload in payloads]
    assert all(each == ids[0] for each in ids)
    assert await count_records(wide_client) == len(items) == len(ids[0])


async def test_deletes_of_one_record_at_once_succeed_once(wide_client: GraphQLClient) -> None:
    for _ in range(ROUNDS):
        record = await set_one(wide_client, make_input())
        answers = await asyncio.gather(*(wide_client.run(DELETE, id=record["id"]) for _ in range(WRITERS // 2)))
        codes = [answer["errors"][0]["extensions"]["code"] for answer in answers if "errors" in answer]
        assert codes == ["ATTENDANCE_NOT_FOUND"] * (WRITERS // 2 - 1)


async def test_bulk_deletes_of_the_same_records_at_once_share_them_out(wide_client: GraphQLClient) -> None:
    payload = await set_many(wide_client, [make_input() for _ in range(60)])
    ids = [result["attendance"]["id"] for result in payload["results"]]
    payloads = await asyncio.gather(*(delete_many(wide_client, ids[start:] + ids[:start]) for start in range(0, 60, 6)))
    deleted = [result["deletedId"] for payload in payloads for result in payload["results"] if result["deletedId"]]
    assert sorted(deleted) == sorted(ids)
    assert await count_records(wide_client) == 0
