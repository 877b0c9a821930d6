"""The keys of an identity provider: which of a set are used, and when the set is asked for again."""

import asyncio
import logging
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import app.web.keys as module
from app.errors import ConfigurationError, ServiceUnavailable
from app.settings import load_settings
from app.web.keys import (
    ConfiguredKey,
    PublishedKeys,
    VerificationKey,
    build_key_source,
    fetch_bounded,
    read_key_set,
    read_public_key,
    read_secret,
)
from tests.support.key_server import KeyServer, publish, serve_keys, write_pem
from tests.support.waiting import wait_until

OLD, NEW = (publish(ed25519.Ed25519PrivateKey.generate(), name) for name in ("old", "new"))
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVES: dict[str, ec.EllipticCurve] = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
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
    "an error": ({"status": 503}, "503"),
    "another page": ({"content": b"<html>"}, "unexpected character"),
    "no set": ({"content": b"{}"}, "not a key set"),
    "a page without end": ({"content": b" " * 262_145}, "it is too large"),
    "silence": ({"delay": 0.3}, "it takes too long"),
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
    monkeypatch.setattr(module, "FETCH_SECONDS", 0.1)
    old = await find(keys)
    changes, message = OUTAGES[outage]
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
    assert message in said
    others = PublishedKeys(provider.url)
    with pytest.raises(ServiceUnavailable) as caught:
        await others.find_key("old")
    assert caught.value.message == EMPTY
    provider.holds(NEW)
    provider.delay = 0
    clock.now += 10
    assert await find(others, "new")


async def test_a_set_is_read_up_to_a_quarter_of_a_mebibyte(provider: KeyServer) -> None:
    provider.content = b"x" * 262_144
    assert await fetch_bounded(provider.url) == provider.content
    provider.content += b"x"
    with pytest.raises(ValueError, match="too large"):
        await fetch_bounded(provider.url)


def read_names(*entries: object) -> set[str | None]:
    return set(read_key_set({"keys": list(entries)}))


NO_SETS: list[Any] = [None, [], "keys", {}, {"keys": None}, {"keys": {}}, {"keys": "x"}, {"key": [OLD]}]


@pytest.mark.parametrize("document", NO_SETS)
def test_what_is_no_key_set_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match=r"^not a key set$"):
        read_key_set(document)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        "key",
        {},
        {**OLD, "kty": "oct", "k": "c2VjcmV0"},
        {**OLD, "kty": None},
        {**OLD, "kty": "okp"},
        {**OLD, "use": "enc"},
        {**OLD, "use": None},
        {**OLD, "kid": 7},
        {**OLD, "kid": ["x"]},
        {**OLD, "x": "!"},
        {**OLD, "crv": "X448"},
        {**publish(RSA, "rsa"), "alg": "HS256"},
    ],
)
def test_what_cannot_be_used_is_left_out_and_the_rest_stays(entry: object) -> None:
    assert read_names(entry, NEW, entry) == {"new"}


def test_signature_keys_are_kept_by_their_ids() -> None:
    no_id = {name: value for name, value in OLD.items() if name != "kid"}
    entries = [OLD, {**NEW, "use": "sig"}, no_id, publish(RSA, "rsa"), publish(RSA, "pss", alg="PS256")]
    entries += [publish(ec.generate_private_key(curve), name) for name, curve in CURVES.items()]
    found = {name: key.algorithm for name, key in read_key_set({"keys": entries}).items()}
    expected = {"old": "EdDSA", "new": "EdDSA", None: "EdDSA", "rsa": "RS256", "pss": "PS256"}
    assert found == {**expected, **{name: name for name in CURVES}}


def test_a_broken_key_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    assert read_names({**OLD, "x": "!"}) == set()
    [said] = caplog.messages
    assert said.startswith("a published key cannot be used: ")
    assert len(said) > len("a published key cannot be used: None")


def test_of_a_set_a_hundred_members_are_looked_at() -> None:
    assert read_names(*[None] * 99, OLD, NEW) == {"old"}


@pytest.mark.parametrize(("algorithm", "curve"), CURVES.items())
def test_a_curve_fixes_its_algorithm(algorithm: str, curve: ec.EllipticCurve) -> None:
    private = ec.generate_private_key(curve)
    assert read_public_key(write_pem(private)) == VerificationKey(private.public_key(), algorithm)


def test_a_public_key_is_the_one_that_the_text_holds() -> None:
    for text in (write_pem(RSA), write_pem(RSA).replace("\n", "\\n")):
        key = read_public_key(text)
        assert (key.algorithm, key.key.public_numbers()) == ("RS256", RSA.public_key().public_numbers())
    edwards = ed25519.Ed25519PrivateKey.generate()
    assert read_public_key(write_pem(edwards)) == VerificationKey(edwards.public_key(), "EdDSA")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "ATTENDANCE_JWT_PUBLIC_KEY is not a public key in PEM"),
        (
            write_pem(ec.generate_private_key(ec.SECP256K1())),
            "ATTENDANCE_JWT_PUBLIC_KEY must be an RSA, an Ed25519 or a NIST curve's key",
        ),
    ],
)
def test_a_text_that_is_no_such_key_is_told(text: str, message: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        read_public_key(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("secret", "is_short"), [("x" * 31, True), ("x" * 32, False), ("é" * 15, True), ("é" * 16, False)]
)
def test_a_secret_of_less_than_32_bytes_is_warned_of(
    caplog: pytest.LogCaptureFixture, secret: str, *, is_short: bool
) -> None:
    assert read_secret(secret) == VerificationKey(secret, "HS256")
    expected = "ATTENDANCE_JWT_SECRET is shorter than 32 bytes: tokens may be forged"
    assert caplog.messages == ([expected] if is_short else [])
    assert all(record.levelno == logging.WARNING for record in caplog.records)


async def test_a_configured_key_is_trusted_whatever_a_token_names() -> None:
    source = build_key_source(load_settings({"ATTENDANCE_JWT_SECRET": "x" * 32}))
    assert isinstance(source, ConfiguredKey)
    key = await source.find_key("whatever")
    assert key is await source.find_key(None)
    assert key == VerificationKey("x" * 32, "HS256")
    assert (source.trusts("whatever", key), source.trusts(None, key)) == (True, True)
    assert not source.trusts(None, VerificationKey("y" * 32, "HS256"))


async def test_the_settings_name_where_keys_come_from(provider: KeyServer) -> None:
    public = build_key_source(load_settings({"ATTENDANCE_JWT_PUBLIC_KEY": write_pem(RSA)}))
    assert isinstance(public, ConfiguredKey)
    assert public.key.algorithm == "RS256"
    published = build_key_source(load_settings({"ATTENDANCE_JWKS_URL": provider.url}))
    assert isinstance(published, PublishedKeys)
    assert await published.find_key("old")


@pytest.mark.parametrize("url", ["x", "ftp://host/keys", "https://", "https:///keys", "http:// x", " https://host/"])
def test_keys_are_published_on_the_web(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_key_source(load_settings({"ATTENDANCE_JWKS_URL": url}))
    assert str(caught.value) == "ATTENDANCE_JWKS_URL must be an http(s) URL"


def test_without_any_key_the_service_does_not_start() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build_key_source(load_settings({}))
    assert str(caught.value) == (
        "set ATTENDANCE_JWT_SECRET, ATTENDANCE_JWT_PUBLIC_KEY or ATTENDANCE_JWKS_URL: tokens cannot be verified without"
    )
