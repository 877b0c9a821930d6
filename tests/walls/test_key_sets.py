"""The keys of an identity provider: when the set is asked for again, and what holds while it cannot be had."""

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

import app.web.keys as module
from app.errors import ServiceUnavailable
from app.web.keys import (
    PublishedKeys,
    VerificationKey,
    fetch_bounded,
)
from tests.support.key_server import KeyServer, publish, serve_keys
from tests.support.waiting import wait_until

OLD, NEW = (publish(ed25519.Ed25519PrivateKey.generate(), name) for name in ("old", "new"))
EMPTY = "The keys that verify tokens cannot be fetched at the moment; try again shortly."


@pytest.fixture(scope="module")
async def provider_of_all() -> AsyncIterator[KeyServer]:
    async with serve_keys() as server:
        yield server


@pytest.fixture
def provider(provider_of_all: KeyServer) -> KeyServer:
    """An identity provider that publishes the old key."""
    provider_of_all.holds(OLD)
    provider_of_all.delay, provider_of_all.fetches = 0.0, 0
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


async def find(keys: PublishedKeys, name: str | None = "old") -> VerificationKey:
    key = await keys.find_key(name)
    assert key is not None
    return key


async def test_nothing_is_trusted_or_fetched_before_it_is_needed(keys: PublishedKeys, provider: KeyServer) -> None:
    key = VerificationKey(b"", "EdDSA")
    assert not keys.trusts("old", key)
    assert not keys.trusts(None, key)
    await asyncio.sleep(0)
    assert provider.fetches == 0
    found = await find(keys)
    assert found.algorithm == "EdDSA"
    assert (keys.trusts("old", found), keys.trusts("old", key), keys.trusts("new", found)) == (True, False, False)
    assert provider.fetches == 1


async def test_a_set_is_asked_for_again_when_half_of_its_time_is_over_and_nobody_waits(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace
) -> None:
    old = await find(keys)
    provider.holds(NEW)
    for now, is_trusted in ((1299.9, True), (1300.0, False)):
        clock.now = now
        assert keys.trusts("old", old) is is_trusted
    clock.now = 1299.9
    assert await find(keys) is old
    await asyncio.sleep(0.05)
    assert (await find(keys), provider.fetches) == (old, 1)
    clock.now = 1300.0
    assert await find(keys) is old
    assert keys.trusts("old", old)
    await wait_until(lambda: not keys.trusts("old", old))
    assert (await keys.find_key("old"), provider.fetches) == (None, 2)


@pytest.mark.parametrize(("age", "waits"), [(600.0, False), (600.1, True)])
async def test_keys_that_are_old_are_waited_for(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace, age: float, *, waits: bool
) -> None:
    old = await find(keys)
    provider.holds(NEW)
    clock.now += age
    assert await keys.find_key("old") is (None if waits else old)
    await wait_until(lambda: not keys.trusts("old", old))


async def test_how_long_a_set_is_fresh_may_be_chosen(provider: KeyServer, clock: SimpleNamespace) -> None:
    keys = PublishedKeys(provider.url, fresh_seconds=40)
    old = await find(keys)
    clock.now += 19.9
    assert keys.trusts("old", old)
    clock.now += 0.1
    assert not keys.trusts("old", old)
    provider.holds(NEW)
    clock.now += 20.1
    assert await keys.find_key("old") is None


async def test_an_unknown_key_is_asked_for_once_in_ten_seconds(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace
) -> None:
    assert await keys.find_key("new") is None
    provider.holds(OLD, NEW)
    clock.now += 9.9
    assert (await keys.find_key("new"), provider.fetches) == (None, 1)
    clock.now += 0.1
    assert await find(keys, "new") is not await find(keys)
    assert provider.fetches == 2


async def test_a_token_without_a_key_id_means_the_only_key(
    keys: PublishedKeys, provider: KeyServer, clock: SimpleNamespace
) -> None:
    assert await find(keys, None) is await find(keys)
    provider.holds(OLD, NEW)
    clock.now += 601
    assert await keys.find_key(None) is None
    provider.holds(OLD, {name: value for name, value in NEW.items() if name != "kid"})
    clock.now += 601
    assert await find(keys, None) is not await find(keys)


async def test_all_who_wait_share_one_fetch(keys: PublishedKeys, provider: KeyServer) -> None:
    provider.delay = 0.02
    found = await asyncio.gather(*(keys.find_key("old") for _ in range(5)))
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
    assert await keys.find_key("old") is None
    assert provider.fetches == 2


OUTAGES: dict[str, tuple[dict[str, Any], str]] = {
    "an error": ({"status": 503}, "/503"),
    "another page": ({"content": b"<html>"}, "(char 0)"),
    "no set": ({"content": b"{}"}, "not a key set"),
    "a page without end": ({"content": b" " * 262_145}, "it is too large"),
    "silence": ({"delay": 0.6}, "it takes too long"),
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
        monkeypatch.setattr(module, "FETCH_SECONDS", 0.2)
    for name, value in changes.items():
        setattr(provider, name, value)
    clock.now += 601
    assert await find(keys) is old
    assert keys.trusts("old", old)
    clock.now += 10
    assert not keys.trusts("old", old)
    assert await find(keys) is old
    assert provider.fetches == 3
    [said, _] = caplog.messages
    assert said.startswith("the key set cannot be fetched: ")
    assert said.endswith(message)
    others = PublishedKeys(provider.url)
    with pytest.raises(ServiceUnavailable) as caught:
        await others.find_key("old")
    assert caught.value.message == EMPTY
    provider.holds(NEW)
    provider.delay = 0
    monkeypatch.setattr(module, "FETCH_SECONDS", 5.0)
    clock.now += 10
    assert await find(others, "new")


async def test_a_set_is_read_up_to_a_quarter_of_a_mebibyte(provider: KeyServer) -> None:
    provider.content = b"x" * 262_144
    assert await fetch_bounded(provider.url) == provider.content
    provider.content += b"x"
    with pytest.raises(ValueError, match=r"^it is too large$"):
        await fetch_bounded(provider.url)
