"""An identity provider that answers slowly: who needs its keys waits, and nobody else does."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import UUID, uuid4

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

import app.web.auth.keys
from app.settings import load_settings
from app.web.application import build_application
from app.web.endpoint import GraphQLEndpoint
from app.web.load import key_queue
from app.web.load.admission import Admission, RejectionReason
from tests.load.conftest import Lock, wait_for_waiting
from tests.support.key_server import KeyServer, publish, serve_keys
from tests.support.requests import Client, ask
from tests.support.service import READ_SCOPE, RecordingDatabase
from tests.support.waiting import wait_until

KEY = ed25519.Ed25519PrivateKey.generate()
COUNT = "{ attendances { totalCount } }"
JUNK = 40
SECONDS_OF_A_FETCH = 1.5


def sign(site: UUID, key_id: str = "known") -> str:
    claims = {"site_id": str(site), "scope": READ_SCOPE, "exp": 4_000_000_000, "jti": str(uuid4())}
    return jwt.encode(claims, KEY, "EdDSA", headers={"kid": key_id})


@pytest.fixture
async def keys() -> AsyncIterator[KeyServer]:
    async with serve_keys() as server:
        server.holds(publish(KEY, "known"))
        yield server


@pytest.fixture
def endpoint(database: RecordingDatabase, keys: KeyServer, monkeypatch: pytest.MonkeyPatch) -> GraphQLEndpoint:
    """Four slots and four places to wait in."""
    monkeypatch.setattr(app.web.auth.keys, "MIN_FETCH_INTERVAL_SECONDS", 0.01)
    settings = load_settings({"ATTENDANCE_JWKS_URL": keys.url})
    return replace(build_application(settings, database).endpoint, admission=Admission(4, 4, site_share=50))


def start(endpoint: GraphQLEndpoint, token: str) -> "tuple[Client, asyncio.Task[None]]":
    client = ask(COUNT, token)
    return client, asyncio.create_task(client.send_to(endpoint))


async def verify(endpoint: GraphQLEndpoint, site: UUID) -> str:
    """A token that the service has verified before."""
    token = sign(site)
    client = ask(COUNT, token)
    await client.send_to(endpoint)
    assert client.status == 200
    return token


async def send_junk(endpoint: GraphQLEndpoint, keys: KeyServer) -> "list[tuple[Client, asyncio.Task[None]]]":
    keys.delay = SECONDS_OF_A_FETCH
    await asyncio.sleep(0.02)
    junk = []
    for number in range(JUNK):
        junk.append(start(endpoint, sign(uuid4(), f"unknown {number}")))
        await asyncio.sleep(0.001)
    await wait_until(lambda: endpoint.keys.waiting == JUNK)
    return junk


async def test_tokens_that_wait_for_keys_hold_no_slots(
    endpoint: GraphQLEndpoint, keys: KeyServer, site_id: UUID
) -> None:
    token = await verify(endpoint, site_id)
    junk = await send_junk(endpoint, keys)
    assert (endpoint.admission.running, endpoint.admission.queued) == (0, 0)
    for _ in range(20):
        began = time.monotonic()
        client = ask(COUNT, token)
        await client.send_to(endpoint)
        assert client.status == 200
        assert time.monotonic() - began < SECONDS_OF_A_FETCH / 3
    await asyncio.gather(*(answering for _, answering in junk))
    assert {client.status for client, _ in junk} == {401}
    assert (endpoint.admission.running, endpoint.keys.waiting, endpoint.admission.rejected.total()) == (0, 0, 0)


async def test_who_has_waited_for_keys_needs_a_slot_of_his_own_site(
    endpoint: GraphQLEndpoint, keys: KeyServer, lock: Lock, site_id: UUID
) -> None:
    keys.delay = 0.2
    async with lock() as watcher:
        waiting = [start(endpoint, sign(site_id)) for _ in range(9)]
        await wait_until(lambda: endpoint.keys.waiting == 9)
        await wait_for_waiting(watcher, 4)
        assert (endpoint.admission.running, endpoint.admission.queued) == (4, 4)
    await asyncio.gather(*(answering for _, answering in waiting))
    assert sorted(client.status or 0 for client, _ in waiting) == [200] * 8 + [503]
    assert endpoint.admission.running == 0


async def test_a_caller_who_was_verified_is_no_stranger_while_new_keys_are_taken_up(
    endpoint: GraphQLEndpoint, lock: Lock, site_id: UUID
) -> None:
    token = await verify(endpoint, site_id)
    await asyncio.sleep(0.02)
    client, answering = start(endpoint, sign(uuid4(), "unknown"))
    await answering
    assert endpoint.authenticator.find_cached(f"Bearer {token}".encode()) is None
    async with lock():
        strangers = [start(endpoint, sign(uuid4())) for _ in range(8)]
        await wait_until(lambda: (endpoint.admission.running, endpoint.admission.queued) == (4, 4))
        client, answering = start(endpoint, token)
        await wait_until(lambda: endpoint.admission.rejected[RejectionReason.PUSHED_OUT] == 1)
    await asyncio.gather(answering, *(each for _, each in strangers))
    assert client.status == 200


async def test_so_many_wait_for_keys_and_no_more(
    endpoint: GraphQLEndpoint, keys: KeyServer, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_queue, "MAX_WAITING", JUNK)
    token = await verify(endpoint, site_id)
    junk = await send_junk(endpoint, keys)
    more, answering = start(endpoint, sign(uuid4(), "one more"))
    await asyncio.wait_for(answering, SECONDS_OF_A_FETCH / 3)
    assert (more.status, more.headers[b"retry-after"]) == (503, b"1")
    assert endpoint.admission.rejected == {RejectionReason.KEYS_PENDING: 1}
    verified = ask(COUNT, token)
    await verified.send_to(endpoint)
    assert verified.status == 200
    await asyncio.gather(*(each for _, each in junk))


async def test_a_client_that_leaves_while_it_waits_for_keys_leaves_nothing_behind(
    endpoint: GraphQLEndpoint, keys: KeyServer, site_id: UUID
) -> None:
    await verify(endpoint, site_id)
    for client, answering in await send_junk(endpoint, keys):
        client.leaves.set()
        await answering
        assert client.answer == []
    assert (endpoint.admission.running, endpoint.keys.waiting) == (0, 0)
