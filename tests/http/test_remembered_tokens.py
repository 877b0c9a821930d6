"""What is remembered of tokens: never longer than they are good for, and never more than fits."""

import asyncio
import time
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx2
import jwt
import pytest

from app.bounded_cache import BoundedCache
from app.documents.permissions import Caller
from app.errors import Unauthenticated
from app.settings import load_settings
from app.web.auth import authentication
from app.web.auth.authentication import Authenticator, TokenRejected, build_authenticator
from tests.http.conftest import ServiceBuilder
from tests.support.service import READ_SCOPE, SECRET, make_token

QUERY = {"query": "{ attendances { totalCount } }"}


@pytest.fixture
def authenticator() -> Authenticator:
    return build_authenticator(load_settings({"ATTENDANCE_JWT_SECRET": SECRET}))


def bearer(token: str) -> bytes:
    return b"Bearer " + token.encode()


async def ask(client: httpx2.AsyncClient, token: str) -> tuple[int, Any]:
    answer = await client.post("/graphql", json=QUERY, headers={"authorization": f"Bearer {token}"})
    return answer.status_code, answer.json().get("errors", [{}])[0].get("message")


async def until(moment: float) -> None:
    await asyncio.sleep(max(0.0, moment - time.time()))


async def test_a_token_that_was_taken_is_refused_once_it_has_expired(service: ServiceBuilder, site_id: UUID) -> None:
    expiry = int(time.time()) - 28
    token = make_token(site_id, READ_SCOPE, exp=expiry)
    async with service() as client:
        assert await ask(client, token) == (200, None)
        assert await ask(client, token) == (200, None)
        await until(expiry + 30)
        assert await ask(client, token) == (401, "The token is not valid.")


async def test_a_token_that_was_not_yet_valid_is_taken_once_it_is(service: ServiceBuilder, site_id: UUID) -> None:
    start = int(time.time()) + 32
    token = make_token(site_id, READ_SCOPE, nbf=start)
    async with service() as client:
        assert await ask(client, token) == (401, "The token is not valid.")
        await until(start - 30)
        assert await ask(client, token) == (200, None)


REFUSED: dict[str, tuple[Callable[[UUID], str], str]] = {
    "a forged one": (lambda site: make_token(site, secret="x" * 40), "signature"),
    "an expired one": (lambda site: make_token(site, exp=1), "expired"),
    "one without a site": (lambda _: jwt.encode({"exp": 4_000_000_000}, SECRET), "claim site_id"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_refusal_is_repeated_with_its_reason(authenticator: Authenticator, case: str, site_id: UUID) -> None:
    make, reason = REFUSED[case]
    header = bearer(make(site_id))
    with pytest.raises(TokenRejected) as first:
        await authenticator.authenticate(header)
    outcome = authenticator.find_cached(header)
    assert outcome is not None
    with pytest.raises(TokenRejected) as again:
        await outcome.authenticate()
    assert (first.value.reason, again.value.reason) == (reason, reason)
    assert first.value.message == again.value.message == "The token is not valid."


async def test_a_refusal_is_forgotten_after_some_seconds(
    authenticator: Authenticator, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(authentication, "REJECTION_SECONDS", 0)
    header = bearer(make_token(site_id, secret="x" * 40))
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(header)
    assert authenticator.find_cached(header) is None


async def test_a_caller_is_found_again_by_the_same_header_and_no_other(
    authenticator: Authenticator, site_id: UUID
) -> None:
    token = make_token(site_id, READ_SCOPE)
    assert authenticator.find_cached(bearer(token)) is None
    caller = await authenticator.authenticate(bearer(token))
    assert isinstance(caller, Caller)
    outcome = authenticator.find_cached(bearer(token))
    assert outcome is not None
    assert await outcome.authenticate() == caller
    assert authenticator.find_cached(bearer(token) + b"x") is None
    assert authenticator.find_cached(bearer(token) + b", " + bearer(token)) is None
    assert authenticator.find_cached(None) is None


async def test_forged_tokens_do_not_push_out_callers(authenticator: Authenticator, site_id: UUID) -> None:
    good = bearer(make_token(site_id, READ_SCOPE))
    await authenticator.authenticate(good)
    for number in range(authentication.MAX_CACHED_REJECTIONS + 10):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(bearer(make_token(uuid4(), secret="x" * 40, jti=str(number))))
    assert authenticator.find_cached(good) is not None


def test_the_least_recently_used_item_is_evicted_first() -> None:
    cache = BoundedCache[str, int](2)
    for name, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        cache.put(name, value)
    assert [cache.get(name) for name in "abc"] == [3, None, 4]
    assert cache.get("a") == 3
    cache.put("d", 5)
    assert [cache.get(name) for name in "acd"] == [3, None, 5]


def test_a_removed_item_leaves_its_weight_to_others() -> None:
    cache = BoundedCache[str, int](10, 5)
    cache.put("a", 1, weight=3)
    cache.remove("a")
    cache.remove("a")
    cache.put("b", 2, weight=3)
    cache.put("b", 3, weight=2)
    cache.put("c", 4, weight=3)
    assert [cache.get(name) for name in "abc"] == [None, 3, 4]
    cache.put("d", 5, weight=1)
    assert [cache.get(name) for name in "bcd"] == [None, 4, 5]
