"""Requests that find no slot: they wait a short while, or are refused before anything of them is read."""

import asyncio
import time
from contextlib import AsyncExitStack
from uuid import UUID, uuid4

import pytest

from app.web.endpoint import GraphQLEndpoint
from app.web.load import body_reader, queueing
from app.web.load.admission import RejectionReason
from tests.load.conftest import BuildEndpoint, Lock
from tests.support.requests import Client, ask
from tests.support.service import READ_SCOPE, make_token
from tests.support.waiting import wait_until

COUNT = "{ attendances { totalCount } }"
Answering = tuple[Client, "asyncio.Task[None]"]


def start(endpoint: GraphQLEndpoint, token: str | None = None) -> Answering:
    client = ask(COUNT, token)
    return client, asyncio.create_task(client.send_to(endpoint))


@pytest.fixture
def endpoint(build_endpoint: BuildEndpoint) -> GraphQLEndpoint:
    """Two slots, and two places to wait in."""
    return build_endpoint(max_running=2, max_queued=2)


@pytest.fixture
def token(site_id: UUID) -> str:
    return make_token(site_id, READ_SCOPE)


def assert_refused(client: Client) -> None:
    assert (client.status, client.headers[b"retry-after"]) == (503, b"1")
    assert client.content["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}


async def fill(endpoint: GraphQLEndpoint, token: str, count: int) -> list[Answering]:
    started = [start(endpoint, token) for _ in range(count)]
    await wait_until(lambda: endpoint.admission.running + endpoint.admission.queued == count)
    return started


async def test_who_waits_is_served_when_a_slot_falls_free(endpoint: GraphQLEndpoint, lock: Lock, token: str) -> None:
    async with lock():
        started = await fill(endpoint, token, 4)
        assert (endpoint.admission.running, endpoint.admission.queued) == (2, 2)
    async with asyncio.timeout(5):
        await asyncio.gather(*(answering for _, answering in started))
    assert [client.status for client, _ in started] == [200] * 4
    assert (endpoint.admission.running, endpoint.admission.queued, endpoint.admission.waited) == (0, 0, 2)


async def test_where_there_is_no_room_a_request_is_refused_unread(
    endpoint: GraphQLEndpoint, lock: Lock, token: str
) -> None:
    async with lock():
        started = await fill(endpoint, token, 4)
        client = ask(COUNT, token)
        await client.send_to(endpoint)
        assert_refused(client)
        assert client.received == 0
    await asyncio.gather(*(answering for _, answering in started))
    assert endpoint.admission.rejected == {RejectionReason.QUEUE_FULL: 1}


async def test_who_waits_too_long_is_refused(
    endpoint: GraphQLEndpoint, lock: Lock, token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "QUEUE_SECONDS", 0.2)
    async with lock():
        started = await fill(endpoint, token, 4)
        before = time.monotonic()
        await asyncio.gather(*(answering for _, answering in started[2:]))
        assert time.monotonic() - before < 3
        for client, _ in started[2:]:
            assert_refused(client)
    await asyncio.gather(*(answering for _, answering in started))
    assert [client.status for client, _ in started] == [200, 200, 503, 503]


async def test_a_client_that_leaves_the_queue_leaves_its_place(
    endpoint: GraphQLEndpoint, lock: Lock, token: str
) -> None:
    async with lock():
        started = await fill(endpoint, token, 4)
        for client, answering in started[2:]:
            client.leaves.set()
            await answering
        assert (endpoint.admission.running, endpoint.admission.queued) == (2, 0)
    await asyncio.gather(*(answering for _, answering in started))
    assert endpoint.admission.running == 0


async def test_a_site_that_takes_everything_does_not_keep_others_out(
    endpoint: GraphQLEndpoint, lock: Lock, token: str
) -> None:
    modest = make_token(uuid4(), READ_SCOPE)
    await start(endpoint, token)[1]
    await start(endpoint, modest)[1]
    async with AsyncExitStack() as until_released:
        await until_released.enter_async_context(lock())
        greedy = await fill(endpoint, token, 4)
        client, answering = start(endpoint, modest)
        await wait_until(lambda: bool(endpoint.admission.rejected))
        await greedy[3][1]
        assert_refused(greedy[3][0])
        greedy[0][0].leaves.set()
        await wait_until(lambda: endpoint.admission.queued == 1)
        assert not greedy[2][1].done()
    await asyncio.gather(answering, *(each for _, each in greedy))
    assert [client.status, *(each.status for each, _ in greedy)] == [200, None, 200, 200, 503]


async def test_requests_whose_token_is_not_verified_yet_share_one_place(
    endpoint: GraphQLEndpoint, lock: Lock, token: str
) -> None:
    await start(endpoint, token)[1]
    async with lock():
        strangers = [start(endpoint, make_token(uuid4(), READ_SCOPE)) for _ in range(4)]
        await wait_until(lambda: endpoint.admission.queued == 2)
        client, answering = start(endpoint, token)
        await wait_until(lambda: bool(endpoint.admission.rejected))
        assert not answering.done()
    await asyncio.gather(answering, *(each for _, each in strangers))
    assert client.status == 200
    assert [each.status for each, _ in strangers] == [200, 200, 200, 503]


async def test_bodies_that_arrive_slowly_do_not_take_all_memory(
    endpoint: GraphQLEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body_reader, "MAX_BUFFERED_BYTES", 2_000)
    slow = [Client([b"{", b" " * 700], is_complete=False) for _ in range(3)]
    answering = [asyncio.create_task(client.send_to(endpoint)) for client in slow]
    await answering[2]
    assert_refused(slow[2])
    small = Client([b'{"query": ', b'"{ __typename }"}'])
    await small.send_to(endpoint)
    assert small.status == 200
    assert endpoint.body_reader.buffered == 2 * 701
    for client in slow:
        client.leaves.set()
    await asyncio.gather(*answering)
    assert endpoint.body_reader.buffered == 0
