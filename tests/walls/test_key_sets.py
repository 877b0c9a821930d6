"""The keys of an identity provider: when the set is asked for again, and what holds while it cannot be had."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

import app.web.auth.keys as module
from app.errors import ServiceUnavailable
from app.web.auth.keys import PublishedKeys, fetch_bounded
from app.web.auth.public_keys import VerificationKey
from tests.support.key_server import KeyServer, publish, serve_keys
from tests.support.waiting import wait_until

OLD, NEW = (publish(ed25519.Ed25519PrivateKey.generate(), name) for name in ("old", "new"))
NAMELESS = {name: value for name, value in NEW.items() if name != "kid"}
EMPTY = "The keys that verify tokens cannot be fetched at the moment; try again shortly."


@pytest.fixture(scope="module")
async def provider_of_all() -> AsyncIterator[KeyServer]:
    async with serve_keys() as server:
        yield server


@pytest.fixture
def provider(provider_of_all: KeyServer) -> KeyServer:
    """An identity provider that publishes the old key."""
    provider_of_all.holds(OLD)
    provider_of_all.delay, provider_of_all.fetches, provider_of_all.redirects = 0.0, 0, 0
    return provider_of_all


@pytest.fixture
def keys(provider: KeyServer) -> PublishedKeys:
    return PublishedKeys(provider.url)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """The time of the key set, in seconds."""
    times = SimpleNamespace(now=1_000.0)
    times.monotonic = lambda: times.now
    monkeypatch.setattr(module, "time", times)
    return times


async def find_or_none(keys: PublishedKeys, name: str | None) -> VerificationKey | None:
    found = await keys.find_keys(name, "EdDSA")
    assert len(found) <= 1
    return found[0] if found else None


async def find(keys: PublishedKeys, name: str | None = "old") -> VerificationKey:
    key = await find_or_none(keys, name)
    assert key is not None
    return key


async def test_nothing_is_trusted_or_fetched_before_it_is_needed(keys: PublishedKeys, provider: KeyServer) -> None:
    key = VerificationKey(b"", "EdDSA")
    assert not keys.is_current(key)
    await asyncio.sleep(0)
    assert provider.fetches == 0
    found = await find(keys)
    assert found.algorithm == "EdDSA"
    assert (keys.is_current(found), keys.is_current(key)) == (True, False)
    assert provider.fetches == 1


async def test_a_set_is_asked_for_again_when_half_of_its_time_is_over_and_nobody_waits(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace
) -> None:
    old = await find(keys)
    provider.holds(NEW)
    for now, is_trusted in ((1299.9, True), (1300.0, False)):
        clock.now = now
        assert keys.is_current(old) is is_trusted
    clock.now = 1299.9
    assert await find(keys) is old
    await asyncio.sleep(0.05)
    assert (await find(keys), provider.fetches) == (old, 1)
    clock.now = 1300.0
    assert await find(keys) is old
    assert keys.is_current(old)
    await wait_until(lambda: not keys.is_current(old))
    assert (await find_or_none(keys, "old"), provider.fetches) == (None, 2)


async def test_a_set_is_fetched_again_for_a_token_at_most_once_in_ten_seconds(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace
) -> None:
    old = await find(keys)
    assert not await keys.fetch_again()
    clock.now += 10
    assert await keys.fetch_again()
    assert provider.fetches == 2
    assert await find(keys) is not old
    assert not await keys.fetch_again()


async def test_a_set_that_is_slow_is_waited_for_a_short_while_for_a_token(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = await find(keys)
    monkeypatch.setattr(module, "STALE_SECONDS", 0.05)
    provider.delay = 0.3
    clock.now += 10
    assert not await keys.fetch_again()
    assert not await keys.fetch_again()
    assert await find(keys) is old
    await wait_until(lambda: not keys.is_current(old))
    assert provider.fetches == 2


@pytest.mark.parametrize(("age", "waits"), [(600.0, False), (600.1, True)])
async def test_keys_that_are_old_are_waited_for(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace, age: float, *, waits: bool
) -> None:
    old = await find(keys)
    provider.holds(NEW)
    clock.now += age
    assert await find_or_none(keys, "old") is (None if waits else old)
    await wait_until(lambda: not keys.is_current(old))


async def test_how_long_a_set_is_fresh_may_be_chosen(provider: KeyServer, clock: SimpleNamespace) -> None:
    keys = PublishedKeys(provider.url, fresh_seconds=40)
    old = await find(keys)
    clock.now += 19.9
    assert keys.is_current(old)
    clock.now += 0.1
    assert not keys.is_current(old)
    provider.holds(NEW)
    clock.now += 20.1
    assert await find_or_none(keys, "old") is None


async def test_an_unknown_key_is_asked_for_once_in_ten_seconds(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace
) -> None:
    assert await find_or_none(keys, "new") is None
    provider.holds(OLD, NEW)
    clock.now += 9.9
    assert (await find_or_none(keys, "new"), provider.fetches) == (None, 1)
    clock.now += 0.1
    assert await find(keys, "new") is not await find(keys)
    assert provider.fetches == 2


async def test_a_token_without_a_key_id_means_the_only_key(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace
) -> None:
    assert await find(keys, None) is await find(keys)
    provider.holds(OLD, NEW)
    clock.now += 601
    assert await find_or_none(keys, None) is None
    provider.holds(OLD, NAMELESS)
    clock.now += 601
    assert await find(keys, None) is not await find(keys)


async def test_a_key_without_an_id_is_tried_for_ids_that_are_unknown(keys: PublishedKeys, provider: KeyServer) -> None:
    provider.holds(OLD, NAMELESS)
    nameless = await find(keys, None)
    assert await find(keys, "unknown") is nameless
    assert await find(keys) is not nameless
    assert keys.is_current(nameless)


async def test_of_keys_without_an_id_those_of_the_algorithm_are_tried(keys: PublishedKeys, provider: KeyServer) -> None:
    curve = publish(ec.generate_private_key(ec.SECP256R1()), None)
    provider.holds(NAMELESS, curve, *[NAMELESS] * 20)
    for name in (None, "unknown"):
        assert [key.algorithm for key in await keys.find_keys(name, "ES256")] == ["ES256"]
        assert [key.algorithm for key in await keys.find_keys(name, "EdDSA")] == ["EdDSA"] * 10
        assert [key.algorithm for key in await keys.find_keys(name, "RS256")] == ["EdDSA"]


async def test_all_who_wait_share_one_fetch(keys: PublishedKeys, provider: KeyServer) -> None:
    provider.delay = 0.02
    found = await asyncio.gather(*(find_or_none(keys, "old") for _ in range(5)))
    assert len(set(map(id, found))) == 1
    assert provider.fetches == 1


async def test_a_known_key_is_waited_for_a_second_and_an_unknown_one_until_it_is_there(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert module.STALE_SECONDS == 1.0
    monkeypatch.setattr(module, "STALE_SECONDS", 0.02)
    old = await find(keys)
    provider.holds(NEW)
    provider.delay = 0.2
    clock.now += 601
    assert await find(keys) is old
    assert await find(keys, "new") is not old
    assert await find_or_none(keys, "old") is None
    assert provider.fetches == 2


OUTAGES: dict[str, tuple[dict[str, Any], str]] = {
    "an error": ({"status": 503}, "/503"),
    "another page": ({"content": b"<html>"}, "(char 0)"),
    "no set": ({"content": b"{}"}, "not a key set"),
    "a page without end": ({"content": b" " * 262_145}, "it is too large"),
    "silence": ({"delay": 2.0}, "it takes too long"),
}


@pytest.mark.parametrize("outage", OUTAGES)
async def test_in_an_outage_known_keys_stay_in_use_and_others_are_told_to_try_again(
    keys: PublishedKeys,
    provider: KeyServer,
    clock: SimpleNamespace,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    outage: str,
) -> None:
    assert module.FETCH_SECONDS == 5.0
    old = await find(keys)
    changes, message = OUTAGES[outage]
    if "delay" in changes:
        monkeypatch.setattr(module, "FETCH_SECONDS", 0.7)
    for name, value in changes.items():
        setattr(provider, name, value)
    clock.now += 601
    assert await find(keys) is old
    assert keys.is_current(old)
    clock.now += 10
    assert not keys.is_current(old)
    assert await find(keys) is old
    assert provider.fetches == 3
    [said] = caplog.messages
    assert said.startswith("the key set cannot be fetched: ")
    assert said.endswith(message)
    others = PublishedKeys(provider.url)
    with pytest.raises(ServiceUnavailable) as caught:
        await find(others)
    assert caught.value.message == EMPTY
    provider.holds(NEW)
    provider.delay = 0
    monkeypatch.setattr(module, "FETCH_SECONDS", 5.0)
    clock.now += 10
    assert await find(others, "new")


async def test_a_redirect_is_followed(keys: PublishedKeys, provider: KeyServer) -> None:
    provider.redirects = 3
    assert (await find(keys)).algorithm == "EdDSA"
    assert provider.fetches == 4


async def test_a_circle_of_redirects_ends(provider: KeyServer, caplog: pytest.LogCaptureFixture) -> None:
    provider.redirects = 4
    with pytest.raises(ServiceUnavailable):
        await find(PublishedKeys(provider.url))
    assert caplog.messages == ["the key set cannot be fetched: it redirects more than 3 times"]


async def test_https_is_not_left_by_a_redirect(provider: KeyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    redirect = httpx2.MockTransport(lambda _: httpx2.Response(302, headers={"location": provider.url}))
    client = httpx2.AsyncClient
    monkeypatch.setattr(module.httpx2, "AsyncClient", lambda: client(transport=redirect))
    with pytest.raises(ValueError, match=r"^it redirects from https to http$"):
        await fetch_bounded("https://keys.example/")
    assert provider.fetches == 0


async def test_the_same_failure_is_logged_once(
    provider: KeyServer, clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    keys = PublishedKeys(provider.url)
    for content in (b"{}", b"{}", b" " * 262_145, b"{}"):
        provider.content = content
        with pytest.raises(ServiceUnavailable):
            await find(keys)
        clock.now += 10
    reasons = ["not a key set", "it is too large", "not a key set"]
    assert caplog.messages == [f"the key set cannot be fetched: {reason}" for reason in reasons]


async def test_a_set_without_usable_keys_is_logged_once(
    provider: KeyServer, clock: SimpleNamespace, caplog: pytest.LogCaptureFixture
) -> None:
    keys = PublishedKeys(provider.url)
    for _ in range(3):
        provider.content = b'{"keys": []}'
        with pytest.raises(ServiceUnavailable):
            await find(keys)
        clock.now += 10
    provider.holds(NEW)
    assert await find(keys, "new")
    assert caplog.messages == [
        "the key set cannot be used: it has no key that verifies signatures",
        "the key set can be used again",
    ]


async def test_a_set_is_read_up_to_a_quarter_of_a_mebibyte(provider: KeyServer) -> None:
    provider.content = b"x" * 262_144
    assert await fetch_bounded(provider.url) == provider.content
    provider.content += b"x"
    with pytest.raises(ValueError, match=r"^it is too large$"):
        await fetch_bounded(provider.url)
