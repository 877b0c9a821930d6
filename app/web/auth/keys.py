"""The keys that verify tokens: a configured one, or the key set (JWKS) that an identity provider publishes."""

import asyncio
import logging
import re
import time
import warnings
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt
import orjson
from jwt.warnings import InsecureKeyLengthWarning

from app.errors import ConfigurationError, ServiceUnavailable
from app.settings import Settings
from app.web.auth.public_keys import VerificationKey, read_public_key

FRESH_SECONDS = 600.0
MIN_FETCH_INTERVAL_SECONDS = 10.0
FETCH_SECONDS = 5.0
STALE_SECONDS = 1.0
MAX_KEY_SET_BYTES = 262_144
MAX_KEYS = 100
MAX_TRIED_KEYS = 10  # A bad token costs this many verifications at most.
MAX_REDIRECTS = 3
SECRET_ALGORITHM = "HS256"  # noqa: S105 (a name)
JWKS_URL = re.compile(r"https?://[^/\s]+(/\S*)?")
UNUSABLE = "it has no key that verifies signatures"
ASYMMETRIC_KEY_TYPES = ("RSA", "EC", "OKP")

logger = logging.getLogger("attendance.keys")
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)  # Of RSA keys; secrets are checked at the start.


Wait = Callable[["asyncio.Task[None]", float | None], Awaitable[None]]


async def wait_for_fetch(fetching: "asyncio.Task[None]", seconds: float | None) -> None:
    """Wait until a fetch has ended, or for so many seconds."""
    await asyncio.wait([fetching], timeout=seconds)


@dataclass(frozen=True, slots=True)
class ConfiguredKey:
    """The configured key, which verifies all tokens, whatever key id they name. Its methods are those below."""

    key: VerificationKey

    async def find_keys(self, *_: object) -> Sequence[VerificationKey]:
        return (self.key,)

    async def fetch_again(self, *_: object) -> bool:
        return False

    def is_current(self, key: VerificationKey) -> bool:
        return key is self.key

    def fetch_ahead(self) -> None:
        """There is nothing to fetch."""


class PublishedKeys:
    """The key set at a JWKS URL (RFC 7517), fetched on first use and then cached.

    It is fetched again when a token names an unknown key, or its key does not verify it, at most every ten seconds, and
    in the background before it is ten minutes old. When it cannot be fetched, the cached keys stay in use. A request
    that needs a key older than that waits a second for a fetch, at most once in ten seconds.
    """

    def __init__(self, url: str, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._url = url
        self._fresh_seconds = fresh_seconds
        self._keys: Sequence[VerificationKey] = ()
        self._identities: frozenset[int] = frozenset()
        self._fetched_at = self._attempted_at = self._current_until = float("-inf")
        self._fetching: asyncio.Task[None] | None = None
        self._failure: str | None = None

    def is_current(self, key: VerificationKey) -> bool:
        """Whether the key is still in use, and no fetch is due. Makes no request."""
        return time.monotonic() < self._current_until and id(key) in self._identities

    async def find_keys(
        self, key_id: str | None, algorithm: object, wait: Wait = wait_for_fetch
    ) -> Sequence[VerificationKey]:
        """The keys to try for a token whose header has this `kid` and `alg`. Raises ServiceUnavailable.

        Each key verifies by its own algorithm. The token's only selects among several keys. `wait` is called if keys
        have to be fetched first.
        """
        is_known = bool(select_keys(self._keys, key_id, algorithm))
        if not is_known or time.monotonic() >= self._current_until:
            is_fresh = time.monotonic() - self._fetched_at <= self._fresh_seconds
            fetching = self._start_fetching()
            if fetching is not None and not (is_known and is_fresh):
                await wait(fetching, STALE_SECONDS if is_known else None)
        if not self._keys:
            raise ServiceUnavailable("The keys that verify tokens cannot be fetched at the moment; try again shortly.")
        return select_keys(self._keys, key_id, algorithm)

    async def fetch_again(self, wait: Wait = wait_for_fetch) -> bool:
        """Fetch the keys for a token that they do not verify: a provider may replace a key and keep its id.

        Returns whether that was done; it is not if it was done a moment ago.
        """
        fetching = self._start_fetching()
        if fetching is None:
            return False
        await wait(fetching, STALE_SECONDS)
        return fetching.done()

    def fetch_ahead(self) -> None:
        """Begin to fetch the keys before the first token needs them. A failure is logged."""
        if not self._keys:
            self._start_fetching()

    def _start_fetching(self) -> "asyncio.Task[None] | None":
        """The fetch in progress, or a new one if one may start. It is a task of its own: no request cancels it."""
        now = time.monotonic()
        if self._fetching is None and now - self._attempted_at >= MIN_FETCH_INTERVAL_SECONDS:
            self._attempted_at = now
            self._current_until = now + MIN_FETCH_INTERVAL_SECONDS
            self._fetching = asyncio.create_task(self._fetch(now))
        return self._fetching

    async def _fetch(self, now: float) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = read_key_set(orjson.loads(await fetch_bounded(self._url)))
            self._identities = frozenset(map(id, self._keys))
            self._fetched_at = now
            self._report(None if self._keys else UNUSABLE)
            self._current_until = now + self._fresh_seconds / 2
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, TimeoutError) as failure:
            self._report(str(failure) or "it takes too long")
        finally:
            self._fetching = None

    def _report(self, failure: str | None) -> None:
        """Log why the key set cannot be fetched, or that it can be again, once until that changes."""
        if failure != self._failure:
            verb = "used" if failure == UNUSABLE else "fetched"
            logger.warning("the key set %s", "can be used again" if failure is None else f"cannot be {verb}: {failure}")
        self._failure = failure


KeySource = ConfiguredKey | PublishedKeys


async def fetch_bounded(url: str) -> bytes:
    """The content of a URL, or of the one that it redirects to. Raises ValueError if it is too large for a key set.

    It follows up to `MAX_REDIRECTS`, none of them from https to http.
    """
    async with httpx2.AsyncClient() as client:
        request = client.build_request("GET", url)
        for _ in range(MAX_REDIRECTS + 1):
            response = await client.send(request, stream=True)
            try:
                if response.next_request is None:
                    return await read_bounded(response)
            finally:
                await response.aclose()
            if request.url.scheme == "https" != response.next_request.url.scheme:
                raise ValueError("it redirects from https to http")
            request = response.next_request
    raise ValueError(f"it redirects more than {MAX_REDIRECTS} times")


async def read_bounded(response: httpx2.Response) -> bytes:
    """The content of a response. Raises HTTPError for another status than success, ValueError for a large one."""
    response.raise_for_status()
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_KEY_SET_BYTES:
            raise ValueError("it is too large")
    return content


def select_keys(keys: Sequence[VerificationKey], key_id: str | None, algorithm: object) -> Sequence[VerificationKey]:
    """The keys that a token with this `kid` and `alg` may be signed with.

    These are the keys with that id, or else those without an id. A token without `kid` may also mean the only key,
    whatever its id. Of several candidates, those of the token's algorithm are tried.
    """
    named = [key for key in keys if key.key_id == key_id or (key_id is None and len(keys) == 1)]
    candidates = named or [key for key in keys if key.key_id is None]
    return [key for key in candidates if key.algorithm == algorithm][:MAX_TRIED_KEYS] or candidates[:1]


def read_key_set(document: Any) -> Sequence[VerificationKey]:
    """The signature keys of a key set. Unusable keys are ignored (RFC 7517, section 5). Raises ValueError."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a key set")
    keys = (read_published_key(entry) for entry in document["keys"][:MAX_KEYS])
    return [key for key in keys if key is not None]


def read_published_key(entry: Any) -> VerificationKey | None:
    """The key of one member of a key set; None if it is symmetric, not for signatures, or unsupported."""
    is_signature_key = (
        isinstance(entry, dict)
        and entry.get("kty") in ASYMMETRIC_KEY_TYPES
        and entry.get("use", "sig") == "sig"
        and isinstance(entry.get("kid"), str | None)
    )
    if not is_signature_key:
        return None
    try:
        key = jwt.PyJWK(entry)
    except Exception as failure:  # One invalid key must not make the others of its set unusable.
        logger.warning("a published key cannot be used: %s", failure)
        return None
    return VerificationKey(key.key, key.algorithm_name, entry.get("kid"))


def build_key_source(settings: Settings) -> KeySource:
    """The key source of the settings. Raises ConfigurationError for no key, or an unreadable one."""
    if settings.jwks_url is not None:
        if not JWKS_URL.fullmatch(settings.jwks_url):
            raise ConfigurationError("ATTENDANCE_JWKS_URL must be an http(s) URL")
        return PublishedKeys(settings.jwks_url)
    if settings.jwt_public_key is not None:
        return ConfiguredKey(read_public_key(settings.jwt_public_key))
    if settings.jwt_secret is not None:
        return ConfiguredKey(VerificationKey(settings.jwt_secret, SECRET_ALGORITHM))
    raise ConfigurationError(
        "set ATTENDANCE_JWT_SECRET, ATTENDANCE_JWT_PUBLIC_KEY or ATTENDANCE_JWKS_URL: tokens cannot be verified without"
    )
