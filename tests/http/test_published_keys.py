"""Tokens verified by the key set that an identity provider publishes: rotation, outages, and keys of no use."""

import asyncio
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import httpx2
import jwt
import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa, x25519

import app.web.auth.keys
from tests.http.conftest import ServiceBuilder
from tests.support.key_server import KeyServer, PrivateKey, publish, serve_keys
from tests.support.service import READ_SCOPE
from tests.support.waiting import wait_until

OLD, NEW = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC = ec.generate_private_key(ec.SECP384R1())
X25519 = jwt.utils.base64url_encode(x25519.X25519PrivateKey.generate().public_key().public_bytes_raw()).decode()
TEN_MINUTES = 600


@pytest.fixture
async def keys() -> AsyncIterator[KeyServer]:
    """An identity provider that publishes the old key."""
    async with serve_keys() as server:
        server.holds(publish(OLD, "old"))
        yield server


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time of the key set, in seconds; `pass_` lets some of it pass."""
    times = SimpleNamespace(now=1_000.0)
    times.monotonic = lambda: times.now
    times.pass_ = lambda seconds: setattr(times, "now", times.now + seconds)
    monkeypatch.setattr(app.web.auth.keys, "time", times)
    return times


@pytest.fixture
async def client(service: ServiceBuilder, keys: KeyServer) -> AsyncIterator[httpx2.AsyncClient]:
    async with service(jwks_url=keys.url) as client:
        yield client


def sign(key: PrivateKey, key_id: str | None, site: UUID, algorithm: str = "EdDSA") -> str:
    headers = {} if key_id is None else {"kid": key_id}
    claims = {"site_id": str(site), "scope": READ_SCOPE, "exp": 4_000_000_000}
    return jwt.encode(claims, key, algorithm, headers=headers)


async def ask(client: httpx2.AsyncClient, token: str) -> int:
    headers = {"authorization": f"Bearer {token}"}
    answer = await client.post("/graphql", json={"query": "{ attendances { totalCount } }"}, headers=headers)
    if answer.status_code == 503:
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
        assert "127.0.0.1" not in answer.text
    return answer.status_code


async def test_keys_are_fetched_when_first_needed_and_once_for_all_who_wait(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID
) -> None:
    assert keys.fetches == 0
    keys.delay = 0.05
    tokens = [sign(OLD, "old", site_id)] * 20
    assert await asyncio.gather(*(ask(client, token) for token in tokens)) == [200] * 20
    assert [await ask(client, token) for token in tokens] == [200] * 20
    assert keys.fetches == 1


async def test_a_new_key_is_taken_up_and_an_old_one_dropped(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, clock: SimpleNamespace
) -> None:
    old, new = sign(OLD, "old", site_id), sign(NEW, "new", site_id)
    assert [await ask(client, old), await ask(client, new)] == [200, 401]
    keys.holds(publish(OLD, "old"), publish(NEW, "new"))
    clock.pass_(11)
    assert [await ask(client, new), await ask(client, old)] == [200, 200]
    keys.holds(publish(NEW, "new"))
    clock.pass_(TEN_MINUTES + 1)
    assert [await ask(client, new), await ask(client, old)] == [200, 401]


async def test_a_token_is_verified_by_the_key_that_it_names(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID
) -> None:
    keys.holds(publish(OLD, "old"), publish(NEW, "new"))
    assert await ask(client, sign(NEW, "new", site_id)) == 200
    assert await ask(client, sign(NEW, "old", site_id)) == 401
    assert await ask(client, sign(OLD, "new", site_id)) == 401


async def test_a_key_that_is_replaced_under_its_id_is_taken_up_with_its_first_token(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, clock: SimpleNamespace
) -> None:
    old = sign(OLD, "key", site_id)
    keys.holds(publish(OLD, "key"))
    assert await ask(client, old) == 200
    for key, algorithm in ((NEW, "EdDSA"), (RSA, "RS256")):
        keys.holds(publish(key, "key"))
        clock.pass_(11)
        assert await ask(client, sign(key, "key", site_id, algorithm)) == 200
    assert await ask(client, old) == 401
    assert keys.fetches == 3


async def test_wrong_signatures_do_not_make_the_service_hammer_the_provider(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, clock: SimpleNamespace
) -> None:
    assert await ask(client, sign(OLD, "old", site_id)) == 200
    for fetches in (2, 3):
        clock.pass_(11)
        wrong = [sign(NEW, "old", uuid4()) for _ in range(20)]
        assert set(await asyncio.gather(*(ask(client, token) for token in wrong))) == {401}
        assert {await ask(client, token) for token in wrong} == {401}
        assert keys.fetches == fetches
    keys.status = 500
    clock.pass_(11)
    assert [await ask(client, sign(key, "old", site_id)) for key in (NEW, OLD)] == [401, 200]


async def test_unknown_keys_do_not_make_the_service_hammer_the_provider(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, clock: SimpleNamespace
) -> None:
    unknown = [sign(NEW, f"unknown {n}", site_id) for n in range(50)]
    assert set(await asyncio.gather(*(ask(client, token) for token in unknown))) == {401}
    assert keys.fetches == 1
    clock.pass_(11)
    assert {await ask(client, token) for token in unknown} == {401}
    assert await ask(client, sign(OLD, "old", site_id)) == 200
    assert keys.fetches == 2


@pytest.mark.parametrize("outage", ["status", "nonsense", "slow"])
async def test_known_keys_stay_in_use_while_new_ones_cannot_be_fetched(
    client: httpx2.AsyncClient,
    keys: KeyServer,
    site_id: UUID,
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    outage: str,
) -> None:
    token = sign(OLD, "old", site_id)
    assert await ask(client, token) == 200
    if outage == "slow":
        monkeypatch.setattr(app.web.auth.keys, "FETCH_SECONDS", 1.5)
        monkeypatch.setattr(app.web.auth.keys, "STALE_SECONDS", 30)  # Each request waits for its own fetch to end.
    changes: dict[str, dict[str, Any]] = {
        "status": {"status": 500},
        "nonsense": {"content": b"<html>"},
        "slow": {"delay": 3.0},
    }
    for name, value in changes[outage].items():
        setattr(keys, name, value)
    for _ in range(3):
        clock.pass_(TEN_MINUTES + 1)
        assert await ask(client, token) == 200
    assert keys.fetches == 4


async def test_keys_are_fetched_anew_before_they_are_old_and_nobody_waits(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, clock: SimpleNamespace
) -> None:
    old, new = sign(OLD, "old", site_id), sign(NEW, "new", site_id)
    assert await ask(client, old) == 200
    keys.holds(publish(NEW, "new"))
    keys.delay = 0.3
    clock.pass_(TEN_MINUTES / 2 + 1)
    started = time.monotonic()
    assert await ask(client, old) == 200
    assert time.monotonic() - started < 0.3

    async def is_dropped() -> bool:
        return await ask(client, old) == 401

    await wait_until(is_dropped)
    assert await ask(client, new) == 200
    assert keys.fetches == 2


async def test_in_an_outage_a_known_key_is_waited_for_a_short_while_and_once(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, other = sign(OLD, "old", site_id), sign(OLD, "old", uuid4())
    assert await ask(client, token) == 200
    monkeypatch.setattr(app.web.auth.keys, "STALE_SECONDS", 0.1)
    keys.delay = 2
    clock.pass_(TEN_MINUTES + 1)
    started = time.monotonic()
    assert await ask(client, token) == 200
    assert await ask(client, token) == 200
    assert await ask(client, other) == 200
    assert time.monotonic() - started < 1.5
    assert keys.fetches == 2


async def test_a_caller_who_leaves_does_not_end_the_fetch_for_others(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID
) -> None:
    keys.delay = 0.2
    token = sign(OLD, "old", site_id)
    first = asyncio.create_task(ask(client, token))
    await wait_until(lambda: keys.fetches == 1)
    first.cancel()
    assert await ask(client, token) == 200
    assert keys.fetches == 1


async def test_a_key_set_without_end_is_none(client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID) -> None:
    keys.content = orjson.dumps({"keys": [publish(OLD, "old")]}) + b" " * 300_000
    assert await ask(client, sign(OLD, "old", site_id)) == 503


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>",
        b"\xff",
        b"null",
        b"7",
        b"[]",
        b"{}",
        b'{"keys": null}',
        b'{"keys": {}}',
        b'{"keys": []}',
        b"[" * 100_000,
    ],
)
async def test_without_any_key_set_callers_are_asked_to_try_again(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, clock: SimpleNamespace, content: bytes
) -> None:
    token = sign(OLD, "old", site_id)
    keys.content = content
    assert [await ask(client, token) for _ in range(3)] == [503] * 3
    assert keys.fetches == 1
    keys.holds(publish(OLD, "old"))
    clock.pass_(11)
    assert await ask(client, token) == 200


@pytest.mark.parametrize("status", [301, 404, 500])
async def test_an_error_is_no_key_set(client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, status: int) -> None:
    keys.status = status
    assert await ask(client, sign(OLD, "old", site_id)) == 503


async def test_a_provider_that_nobody_reaches_makes_callers_try_again(service: ServiceBuilder, site_id: UUID) -> None:
    async with serve_keys() as gone:
        url = gone.url
    async with service(jwks_url=url) as client:
        assert await ask(client, sign(OLD, "old", site_id)) == 503
        answer = await client.post("/graphql", json={"query": "{ __typename }"})
    assert answer.status_code == 200


@pytest.mark.parametrize(("key", "algorithm"), [(RSA, "RS256"), (EC, "ES384"), (OLD, "EdDSA")])
async def test_a_published_key_fixes_its_algorithm(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, key: PrivateKey, algorithm: str
) -> None:
    keys.holds(publish(key, "key"))
    assert await ask(client, sign(key, "key", site_id, algorithm)) == 200
    assert await ask(client, sign(RSA, "key", site_id, "PS256")) == 401
    assert await ask(client, sign(b"secret" * 20, "key", site_id, "HS256")) == 401  # type: ignore[arg-type]
    assert await ask(client, jwt.encode({"site_id": str(site_id)}, "", "none", headers={"kid": "key"})) == 401


@pytest.mark.parametrize(("entries", "status"), [([("one", OLD)], 200), ([("one", OLD), ("two", NEW)], 401)])
async def test_a_token_that_names_no_key_is_verified_where_there_is_but_one(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, entries: list[tuple[str, PrivateKey]], status: int
) -> None:
    keys.holds(*(publish(key, key_id) for key_id, key in entries))
    assert await ask(client, sign(OLD, None, site_id)) == status


@pytest.mark.parametrize("key_id", [None, "unknown"])
async def test_of_keys_without_an_id_each_is_tried(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, key_id: str | None
) -> None:
    keys.holds(*(publish(key, None) for key in (RSA, OLD, NEW)))
    other = ed25519.Ed25519PrivateKey.generate()
    answers = [await ask(client, sign(key, key_id, site_id)) for key in (OLD, NEW, other)]
    assert answers == [200, 200, 401]


OF_NO_USE: dict[str, Any] = {
    "a symmetric key": {"kty": "oct", "k": "c2VjcmV0" * 8, "kid": "odd"},
    "a key for encryption": publish(NEW, "odd", use="enc"),
    "a key of an unknown kind": {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "odd"},
    "a key on an unknown curve": {"kty": "EC", "crv": "P-999", "x": "AAAA", "y": "AAAA", "kid": "odd"},
    "a key for agreement alone": {"kty": "OKP", "crv": "X25519", "x": X25519, "kid": "odd"},
    "a key without its numbers": {"kty": "RSA", "kid": "odd"},
    "a key with broken numbers": {"kty": "RSA", "n": "!!", "e": "AQAB", "kid": "odd"},
    "a key with a number for a number": {"kty": "RSA", "n": 7, "e": 7, "kid": "odd"},
    "a key for a secret's algorithm": publish(RSA, "odd", alg="HS256"),
    "a key for no algorithm": publish(RSA, "odd", alg="none"),
    "a key whose id is a list": publish(NEW, None, kid=["odd"]),
    "a text": "key",
    "nothing": None,
}


@pytest.mark.parametrize("case", OF_NO_USE)
async def test_keys_of_no_use_are_left_out_and_the_others_stay(
    client: httpx2.AsyncClient, keys: KeyServer, site_id: UUID, case: str
) -> None:
    keys.holds(OF_NO_USE[case], publish(OLD, "old"), OF_NO_USE[case])
    assert await ask(client, sign(OLD, "old", site_id)) == 200
    assert await ask(client, sign(NEW, "odd", site_id)) == 401
    assert await ask(client, sign(b"secret" * 8, "odd", site_id, "HS256")) == 401  # type: ignore[arg-type]
