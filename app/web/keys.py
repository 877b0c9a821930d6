"""The keys that verify tokens: one of the configuration, or the set that an identity provider publishes."""

import asyncio
import logging
import re
import time
import warnings
from dataclasses import dataclass
from typing import Any, Protocol

import httpx2
import jwt
import orjson
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.warnings import InsecureKeyLengthWarning

from app.errors import ConfigurationError, ServiceUnavailable
from app.settings import Settings

FRESH_SECONDS = 600.0
LEAST_SECONDS_BETWEEN_FETCHES = 10.0
FETCH_SECONDS = 5.0
STALE_SECONDS = 1.0
MOST_BYTES = 262_144
MOST_KEYS = 100
SAFE_SECRET_BYTES = 32
SECRET_ALGORITHM = "HS256"  # noqa: S105 (a name)
JWKS_URL = re.compile(r"https?://[^/\s]+")
ASYMMETRIC_KINDS = ("RSA", "EC", "OKP")
CURVE_ALGORITHMS = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}

logger = logging.getLogger("attendance.keys")
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)  # `read_secret` says so once.


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A key, and the one algorithm that it is used with."""

    key: Any
    algorithm: str


class KeySource(Protocol):
    """Where the key for a token comes from."""

    async def find_key(self, key_id: str | None) -> VerificationKey | None:
        """The key of this id, as the token's header names it; None where there is none."""

    def trusts(self, key_id: str | None, key: VerificationKey) -> bool:
        """Whether this is the key of this id, as far as is known without asking anybody."""


@dataclass(frozen=True, slots=True)
class ConfiguredKey:
    """The one key of the configuration, whatever id a token names."""

    key: VerificationKey

    async def find_key(self, key_id: str | None) -> VerificationKey | None:  # noqa: ARG002
        return self.key

    def trusts(self, key_id: str | None, key: VerificationKey) -> bool:  # noqa: ARG002
        return key is self.key


class PublishedKeys:
    """The key set behind a JWKS URL (RFC 7517), fetched when it is first needed and then kept.

    It is fetched again when a token names a key that it lacks, but never more often than every ten seconds; and before
    it is ten minutes old, while nobody waits for it. While it cannot be fetched, the keys that are known stay in use:
    whoever needs one that may be outdated waits a second for better knowledge, once in ten.
    """

    def __init__(self, url: str, *, fresh_seconds: float = FRESH_SECONDS) -> None:
        self._url = url
        self._fresh_seconds = fresh_seconds
        self._keys: dict[str | None, VerificationKey] = {}
        self._fetched_at = self._tried_at = self._current_until = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    def trusts(self, key_id: str | None, key: VerificationKey) -> bool:
        return time.monotonic() < self._current_until and self._choose(key_id) is key

    async def find_key(self, key_id: str | None) -> VerificationKey | None:
        is_known = self._choose(key_id) is not None
        if not is_known or time.monotonic() >= self._current_until:
            is_fresh = time.monotonic() - self._fetched_at <= self._fresh_seconds
            fetching = self._start_fetching()
            if fetching is not None and not (is_known and is_fresh):
                await asyncio.wait([fetching], timeout=STALE_SECONDS if is_known else None)
        if not self._keys:
            raise ServiceUnavailable("The keys that verify tokens cannot be fetched at the moment; try again shortly.")
        return self._choose(key_id)

    def _choose(self, key_id: str | None) -> VerificationKey | None:
        if key_id is None and len(self._keys) == 1:
            return next(iter(self._keys.values()))
        return self._keys.get(key_id)

    def _start_fetching(self) -> "asyncio.Task[None] | None":
        """The fetch that is going on or may begin; a task of its own, for whoever asked first may leave."""
        now = time.monotonic()
        if self._fetching is None and now - self._tried_at >= LEAST_SECONDS_BETWEEN_FETCHES:
            self._tried_at = now
            self._current_until = now + LEAST_SECONDS_BETWEEN_FETCHES
            self._fetching = asyncio.create_task(self._fetch(now))
        return self._fetching

    async def _fetch(self, now: float) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = read_key_set(orjson.loads(await fetch_bounded(self._url)))
            self._fetched_at = now
            self._current_until = now + self._fresh_seconds / 2
        except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, TimeoutError) as failure:
            logger.warning("the key set cannot be fetched: %s", str(failure) or "it takes too long")
        finally:
            self._fetching = None


async def fetch_bounded(url: str) -> bytes:
    """What is at a URL. Raises ValueError when it is too large to be a key set."""
    content = b""
    async with httpx2.AsyncClient() as client, client.stream("GET", url) as response:
        response.raise_for_status()
        async for chunk in response.aiter_bytes():
            content += chunk
            if len(content) > MOST_BYTES:
                raise ValueError("it is too large")
    return content


def read_key_set(document: Any) -> dict[str | None, VerificationKey]:
    """The signature keys of a key set by their ids; what cannot be used is left out (RFC 7517, section 5)."""
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("not a key set")
    keys: dict[str | None, VerificationKey] = {}
    for entry in document["keys"][:MOST_KEYS]:
        if (key := read_published_key(entry)) is not None:
            keys[entry.get("kid")] = key
    return keys


def read_published_key(entry: Any) -> VerificationKey | None:
    """The key of one member of a key set; None for one that is symmetric, not for signatures, or not understood."""
    is_signature_key = (
        isinstance(entry, dict)
        and entry.get("kty") in ASYMMETRIC_KINDS
        and entry.get("use", "sig") == "sig"
        and isinstance(entry.get("kid"), str | None)
    )
    if not is_signature_key:
        return None
    try:
        key = jwt.PyJWK(entry)
    except Exception as failure:  # whatever is wrong with this key, the others of its set stay in use
        logger.warning("a published key cannot be used: %s", failure)
        return None
    return VerificationKey(key.key, key.algorithm_name)


def build_key_source(settings: Settings) -> KeySource:
    """The source that the settings name. Raises ConfigurationError for a key that cannot be read, or for none."""
    if settings.jwks_url is not None:
        if not JWKS_URL.match(settings.jwks_url):
            raise ConfigurationError("ATTENDANCE_JWKS_URL must be an http(s) URL")
        return PublishedKeys(settings.jwks_url)
    if settings.jwt_public_key is not None:
        return ConfiguredKey(read_public_key(settings.jwt_public_key))
    if settings.jwt_secret is not None:
        return ConfiguredKey(read_secret(settings.jwt_secret))
    raise ConfigurationError(
        "set ATTENDANCE_JWT_SECRET, ATTENDANCE_JWT_PUBLIC_KEY or ATTENDANCE_JWKS_URL: tokens cannot be verified without"
    )


def read_secret(secret: str) -> VerificationKey:
    """A shared secret; one that is too short to be safe is used all the same, and that is logged."""
    if len(secret.encode()) < SAFE_SECRET_BYTES:
        logger.warning("ATTENDANCE_JWT_SECRET is shorter than %d bytes: tokens may be forged", SAFE_SECRET_BYTES)
    return VerificationKey(secret, SECRET_ALGORITHM)


def read_public_key(text: str) -> VerificationKey:
    """A public key in PEM, whose line breaks may be written as `\\n`; its kind fixes the algorithm."""
    try:
        key = load_pem_public_key(text.replace("\\n", "\n").encode())
    except ValueError as failure:
        raise ConfigurationError("ATTENDANCE_JWT_PUBLIC_KEY is not a public key in PEM") from failure
    if isinstance(key, RSAPublicKey):
        return VerificationKey(key, "RS256")
    if isinstance(key, Ed25519PublicKey):
        return VerificationKey(key, "EdDSA")
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name in CURVE_ALGORITHMS:
        return VerificationKey(key, CURVE_ALGORITHMS[key.curve.name])
    raise ConfigurationError("ATTENDANCE_JWT_PUBLIC_KEY must be an RSA, an Ed25519 or a NIST curve's key")
