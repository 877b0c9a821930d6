"""No request takes for ever: its deadlines, a client that leaves, and a write that is never cut."""

import asyncio
from uuid import UUID

import pytest

from app.web.endpoint import GraphQLEndpoint
from tests.load.conftest import BuildEndpoint, Lock, wait_for_waiting
from tests.support.mutations import SET, make_input
from tests.support.requests import Client, ask
from tests.support.service import READ_SCOPE, WRITE_SCOPE, RecordingDatabase, make_token

COUNT = "{ attendances { totalCount } }"
ENTITIES = """
{ _entities(representations: [{__typename: "Booking", id: "30758e1a-ebde-4d73-8d50-96f8b6efa92e"}]) {
    ... on Booking { attendances { totalCount } }
} }
"""
NODE = '{ node(id: "30758e1a-ebde-4d73-8d50-96f8b6efa92e") { id } }'
PARTS_OF_A_BODY = {"silent": [], "trickling": [b'{"query": '], "almost whole": [b'{"query": "{ __typename }"', b""]}


@pytest.fixture
async def token(site_id: UUID) -> str:
    return make_token(site_id, READ_SCOPE, WRITE_SCOPE)


def start(client: Client, endpoint: GraphQLEndpoint) -> "asyncio.Task[None]":
    return asyncio.create_task(client.send_to(endpoint))


@pytest.mark.parametrize("case", PARTS_OF_A_BODY)
async def test_a_body_that_does_not_arrive_is_refused(build_endpoint: BuildEndpoint, case: str) -> None:
    client = Client(PARTS_OF_A_BODY[case], is_complete=False)
    async with asyncio.timeout(5):
        await client.send_to(build_endpoint(receive=0.2))
    assert (client.status, client.headers[b"connection"]) == (408, b"close")
    assert client.content["errors"][0]["extensions"] == {"code": "TIMEOUT"}


async def test_a_client_that_leaves_before_its_body_is_whole_is_not_answered(build_endpoint: BuildEndpoint) -> None:
    client = Client([b'{"query": '], is_complete=False)
    client.leaves.set()
    await client.send_to(build_endpoint())
    assert client.answer == []


@pytest.mark.parametrize("query", [COUNT, ENTITIES])
async def test_a_read_that_takes_too_long_is_stopped_and_so_is_its_statement(
    build_endpoint: BuildEndpoint, lock: Lock, token: str, query: str
) -> None:
    client = ask(query, token)
    async with lock() as watcher, asyncio.timeout(8):
        answering = start(client, build_endpoint(run=0.5))
        await wait_for_waiting(watcher, 1)
        await answering
        await wait_for_waiting(watcher, 0)
    assert client.status == 504
    assert client.content["errors"][0]["extensions"] == {"code": "TIMEOUT"}


@pytest.mark.parametrize("query", [COUNT, ENTITIES, NODE])
async def test_a_read_whose_client_leaves_is_stopped_and_so_is_its_statement(
    build_endpoint: BuildEndpoint, lock: Lock, token: str, query: str
) -> None:
    client = ask(query, token)
    async with lock() as watcher, asyncio.timeout(4):
        answering = start(client, build_endpoint())
        await wait_for_waiting(watcher, 1)
        client.leaves.set()
        await answering
        await wait_for_waiting(watcher, 0)
    assert client.answer == []


async def assert_written(endpoint: GraphQLEndpoint, database: RecordingDatabase, site_id: UUID) -> None:
    async with asyncio.timeout(5):
        await endpoint.service.writes.finish()
    rows = await database.fetch_rows("SELECT FROM attendance WHERE site_id = $1", [site_id], site_id)
    assert len(rows) == 1


async def test_a_write_goes_on_when_its_client_leaves(
    build_endpoint: BuildEndpoint, lock: Lock, token: str, database: RecordingDatabase, site_id: UUID
) -> None:
    endpoint = build_endpoint()
    client = ask(SET, token, input=make_input())
    async with lock() as watcher:
        answering = start(client, endpoint)
        await wait_for_waiting(watcher, 1)
        client.leaves.set()
        await answering
    assert client.answer == []
    await assert_written(endpoint, database, site_id)


async def test_a_write_that_takes_too_long_is_answered_and_goes_on(
    build_endpoint: BuildEndpoint, lock: Lock, token: str, database: RecordingDatabase, site_id: UUID
) -> None:
    endpoint = build_endpoint(run=0.5)
    client = ask(SET, token, input=make_input())
    async with lock() as watcher:
        answering = start(client, endpoint)
        await wait_for_waiting(watcher, 1)
        await answering
        assert client.status == 504
        assert client.content["errors"][0]["extensions"] == {"code": "TIMEOUT"}
        await wait_for_waiting(watcher, 1)
    await assert_written(endpoint, database, site_id)


async def end_request(how: str, client: Client, endpoint: GraphQLEndpoint) -> None:
    if how == "client leaves":
        client.leaves.set()
    elif how == "process stops":
        endpoint.in_flight.stop_all()


ENDS = {"client leaves": None, "deadline passes": 504, "process stops": 504}


@pytest.mark.parametrize("how", ENDS)
async def test_a_write_holds_its_slot_until_it_has_ended(
    build_endpoint: BuildEndpoint, lock: Lock, token: str, database: RecordingDatabase, site_id: UUID, how: str
) -> None:
    endpoint = build_endpoint(run=0.5 if how == "deadline passes" else 10, max_running=1, max_queued=0)
    client = ask(SET, token, input=make_input())
    async with lock() as watcher:
        answering = start(client, endpoint)
        await wait_for_waiting(watcher, 1)
        await end_request(how, client, endpoint)
        await answering
        assert client.status == ENDS[how]
        assert endpoint.admission.running == 1
        other = ask(COUNT, token)
        await other.send_to(endpoint)
        assert other.status == 503
    await assert_written(endpoint, database, site_id)
    await asyncio.sleep(0)
    assert endpoint.admission.running == 0


async def test_a_write_that_goes_on_in_a_process_that_stops_is_not_called_undone(
    build_endpoint: BuildEndpoint, lock: Lock, token: str, database: RecordingDatabase, site_id: UUID
) -> None:
    endpoint = build_endpoint()
    client = ask(SET, token, input=make_input())
    async with lock() as watcher:
        answering = start(client, endpoint)
        await wait_for_waiting(watcher, 1)
        endpoint.in_flight.stop_all()
        await answering
    [error] = client.content["errors"]
    assert (error["extensions"], "may be done all the same" in error["message"]) == ({"code": "TIMEOUT"}, True)
    await assert_written(endpoint, database, site_id)


async def test_who_cancels_a_request_from_outside_is_obeyed(
    build_endpoint: BuildEndpoint, lock: Lock, token: str
) -> None:
    client = ask(COUNT, token)
    async with lock() as watcher:
        answering = start(client, build_endpoint())
        await wait_for_waiting(watcher, 1)
        answering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await answering
    assert client.answer == []


async def test_requests_that_end_in_time_leave_nothing_behind(build_endpoint: BuildEndpoint) -> None:
    endpoint = build_endpoint(run=0.1)
    for _ in range(20):
        await ask("{ __typename }").send_to(endpoint)
    await asyncio.sleep(0.2)
    assert endpoint.admission.running == 0
    assert len(asyncio.all_tasks()) < 10
