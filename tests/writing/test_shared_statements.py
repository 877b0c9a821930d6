"""Sets of several callers that share a statement, on a real Postgres: each caller is answered as if it were alone."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest

import app.attendance.joined_sets
from app.attendance.joined_sets import SiteQueue
from app.database.pool import Row
from tests.support.bystander import connect, wait_for_waiters
from tests.support.failing_database import FailingDatabase
from tests.support.mutations import BULK_SET, READ, SET, Item, count_records, make_input, set_one
from tests.support.private_service import ClientOf, open_service
from tests.support.service import GraphQLClient
from tests.support.waiting import wait_until

pytestmark = pytest.mark.one_server

LOCK_COUNTER = "SELECT FROM site_revision WHERE site_id = $1 FOR UPDATE"
REVISION, COST = "X-Attendance-Revision", {"X-Attendance-Cost": "1"}
CALLERS = 6
WaitForJoins = Callable[[int], Awaitable[float]]
SET_TWICE = """mutation($one: AttendanceInput!, $two: AttendanceInput!) {
  one: setAttendance(input: $one) { attendance { numberOfAttendees } }
  two: setAttendance(input: $two) { attendance { numberOfAttendees } }
}"""


@pytest.fixture(scope="module")
async def failing(database_url: str, calls_functions: bool) -> FailingDatabase:  # noqa: FBT001
    database = FailingDatabase(database_url)
    database.is_distributed = calls_functions
    return database


@pytest.fixture(scope="module")
async def client_of(failing: FailingDatabase) -> AsyncIterator[ClientOf]:
    async with open_service(failing) as client_of:
        yield client_of


@pytest.fixture
async def caller(client_of: ClientOf, site_id: UUID) -> GraphQLClient:
    """A caller of a site that has been written to."""
    caller = client_of(site_id)
    await set_one(caller, make_input())
    return caller


@asynccontextmanager
async def hold_site(database_url: str, site_id: UUID, caller: GraphQLClient) -> AsyncIterator[Any]:
    """A set of the site runs, and does not end inside the block; yields a connection that sees who waits for locks."""
    async with connect(database_url, site_id) as holder, connect(database_url, site_id) as observer:
        async with holder.transaction():
            await holder.execute(LOCK_COUNTER, site_id)
            running = asyncio.create_task(set_one(caller, make_input()))
            await wait_for_waiters(observer, 1)
            yield observer
        await running


def begin(caller: GraphQLClient, item: Item) -> "asyncio.Task[httpx2.Response]":
    return asyncio.create_task(caller.post(SET, {"input": item}, **COST))


@pytest.fixture
def wait_for_joins(monkeypatch: pytest.MonkeyPatch) -> WaitForJoins:
    """Waits until so many sets wait for the one that runs, which they do however slow the machine is."""
    joined: list[object] = []
    join = SiteQueue.join

    async def count(*arguments: Any) -> list[Row]:
        joined.append(arguments)
        return await join(*arguments)

    monkeypatch.setattr(SiteQueue, "join", count)
    monkeypatch.setattr(app.attendance.joined_sets, "CHECK_SECONDS", 30.0)
    return lambda number: wait_until(lambda: len(joined) == number)


async def test_sets_that_share_a_statement_are_answered_each_with_its_record_and_all_with_its_revision(
    caller: GraphQLClient, failing: FailingDatabase, database_url: str, site_id: UUID, wait_for_joins: WaitForJoins
) -> None:
    items = [make_input(numberOfAttendees=number) for number in range(CALLERS)]
    with failing.recording() as sent:
        async with hold_site(database_url, site_id, caller):
            tasks = [begin(caller, item) for item in items]
            await wait_for_joins(CALLERS)
        answers = await asyncio.gather(*tasks)
    assert len(sent) == 2
    records = [answer.json()["data"]["setAttendance"]["attendance"] for answer in answers]
    assert [{name: record[name] for name in items[0]} for record in records] == items
    assert {answer.headers[REVISION] for answer in answers} == {"3"}
    costs = [answer.json()["extensions"]["cost"] for answer in answers]
    assert {(cost["statements"], cost["rows"]) for cost in costs} == {(1, 1)}
    for record in records:
        assert (await caller.data(READ, id=record["id"]))["attendance"] == record


async def test_a_caller_that_hangs_up_loses_neither_its_own_set_nor_those_of_others(
    caller: GraphQLClient, database_url: str, site_id: UUID, wait_for_joins: WaitForJoins
) -> None:
    async with hold_site(database_url, site_id, caller):
        tasks = [begin(caller, make_input()) for _ in range(CALLERS)]
        await wait_for_joins(CALLERS)
        for task in tasks[::2]:
            task.cancel()
    answers = await asyncio.gather(*tasks[1::2])
    assert {answer.status_code for answer in answers} == {200}
    assert await count_records(caller) == CALLERS + 2


async def test_the_mutations_of_one_operation_stay_in_order_beside_those_of_others(
    caller: GraphQLClient, database_url: str, site_id: UUID, wait_for_joins: WaitForJoins
) -> None:
    item = make_input()
    pairs = [(2 * number, 2 * number + 1) for number in range(CALLERS)]
    async with hold_site(database_url, site_id, caller):
        tasks = [
            asyncio.create_task(
                caller.data(
                    SET_TWICE, one={**item, "numberOfAttendees": one}, two={**make_input(), "numberOfAttendees": two}
                )
            )
            for one, two in pairs
        ]
        await wait_for_joins(CALLERS)
    for (one, two), data in zip(pairs, await asyncio.gather(*tasks), strict=True):
        assert [data[name]["attendance"]["numberOfAttendees"] for name in ("one", "two")] == [one, two]
    last = await set_one(caller, {**item, "numberOfAttendees": None})
    assert last["numberOfAttendees"] == pairs[-1][0], "of one key, who came last wins"


async def test_a_set_without_a_number_keeps_the_stored_one_beside_sets_with_numbers(
    caller: GraphQLClient, database_url: str, site_id: UUID, wait_for_joins: WaitForJoins
) -> None:
    stored = make_input(numberOfAttendees=5)
    await set_one(caller, stored)
    async with hold_site(database_url, site_id, caller):
        tasks = [
            begin(caller, {**each, "numberOfAttendees": number})
            for each, number in ((make_input(), 7), (stored, None), (make_input(), None))
        ]
        await wait_for_joins(3)
    answers = await asyncio.gather(*tasks)
    numbers = [answer.json()["data"]["setAttendance"]["attendance"]["numberOfAttendees"] for answer in answers]
    assert numbers == [7, 5, 1]


async def test_a_statement_that_postgres_refuses_for_one_is_sent_for_each_alone(
    caller: GraphQLClient, failing: FailingDatabase, database_url: str, site_id: UUID, wait_for_joins: WaitForJoins
) -> None:
    async with hold_site(database_url, site_id, caller):
        tasks = [begin(caller, make_input()) for _ in range(3)]
        await wait_for_joins(3)
        failing.failures = [asyncpg.CheckViolationError("attendance_status")] * 2
        failing.tries.clear()
    codes = [each["extensions"]["code"] for task in tasks for each in (await task).json().get("errors", ())]
    assert codes == ["INTERNAL_SERVER_ERROR"]
    assert len(failing.tries) == 4
    assert await count_records(caller) == 4


@pytest.mark.usefixtures("wait_for_joins")
async def test_a_large_call_does_not_wait_in_this_process(
    caller: GraphQLClient, database_url: str, site_id: UUID
) -> None:
    async with hold_site(database_url, site_id, caller) as observer:
        bulk = [asyncio.create_task(caller.data(BULK_SET, input=[make_input() for _ in range(21)]))]
        await wait_for_waiters(observer, 2)
    assert (await bulk[0])["bulkSetAttendance"]["totalSuccesses"] == 21


async def test_behind_a_set_that_stalls_the_next_one_soon_has_a_time_of_its_own(
    caller: GraphQLClient, database_url: str, site_id: UUID
) -> None:
    async with hold_site(database_url, site_id, caller) as observer:
        tasks = [begin(caller, make_input()) for _ in range(CALLERS)]
        await wait_for_waiters(observer, 2)
    assert {(await task).status_code for task in tasks} == {200}


async def test_sets_of_another_site_do_not_wait(
    client_of: ClientOf, caller: GraphQLClient, database_url: str, site_id: UUID
) -> None:
    other = client_of(UUID(int=site_id.int ^ 1))
    async with hold_site(database_url, site_id, caller):
        records = await asyncio.gather(*(set_one(other, make_input()) for _ in range(CALLERS)))
    assert len({record["id"] for record in records}) == await count_records(other) == CALLERS
