"""Verifies bearer tokens: the caller, its site and its scopes. The key determines the algorithm, never the token."""

import re
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import jwt

from app.bounded_cache import BoundedCache
from app.database.site_ids import SiteId
from app.documents.permissions import Caller, grant_permissions
from app.errors import BadUserInput, Unauthenticated
from app.plan.properties import check_guid
from app.settings import Settings
from app.web.auth.keys import ConfiguredKey, KeySource, Wait, build_key_source, wait_for_fetch
from app.web.auth.public_keys import VerificationKey

MAX_TOKEN_LENGTH = 8_192
LEEWAY_SECONDS = 30
MAX_CACHED_CALLERS = 2_000
MAX_CACHED_REJECTIONS = 500
REJECTION_SECONDS = 10
UNVERIFIED = ""
INVALID, MALFORMED = "The token is not valid.", "malformed"
REASONS: dict[type[jwt.PyJWTError], str] = {
    jwt.ExpiredSignatureError: "expired",
    jwt.InvalidAudienceError: "audience",
    jwt.InvalidIssuerError: "issuer",
    jwt.InvalidAlgorithmError: "algorithm",
    jwt.InvalidSignatureError: "signature",
}
REASONS_OF_KEYS = ("signature", "algorithm")  # Another key may verify the token.
REASONS_BY_CLAIM = {"aud": "audience", "iss": "issuer"}
BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/=-]+)")


class TokenRejected(Unauthenticated):
    """A missing or bad token. `reason` is for the log: callers get the same answer to every bad token."""

    def __init__(self, reason: str | None, message: str = INVALID) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TokenOutcome:
    """The outcome of verifying a token: a caller, or the reason of its rejection.

    It holds only while `key` is in use, and until `valid_until`: Unix time for a caller, as in its token, and monotonic
    time for a rejection, which a wrong clock must not prolong. `site` is the caller's site for admission control.
    """

    caller: Caller | None
    reason: str | None
    valid_until: float
    key: VerificationKey
    site: str

    async def authenticate(self) -> Caller:
        """The caller. Raises TokenRejected."""
        if self.caller is None:
            raise TokenRejected(self.reason)
        return self.caller


class Authenticator:
    """Finds the caller that a request's Authorization header names, and caches the outcome for each header."""

    def __init__(self, keys: KeySource, *, issuer: str | None = None, audience: str | None = None) -> None:
        self.keys = keys
        self._keys_may_change = not isinstance(keys, ConfiguredKey)
        self._issuer = issuer
        self._audience = audience
        self._accepted = BoundedCache[bytes, TokenOutcome](MAX_CACHED_CALLERS)
        self._rejected = BoundedCache[bytes, TokenOutcome](MAX_CACHED_REJECTIONS)

    def find_cached(self, authorization: bytes | None) -> TokenOutcome | None:
        """The cached outcome of the same header, if it still holds; None when the token has to be verified."""
        if authorization is None:
            return None
        outcome = self._accepted.get(authorization)
        if outcome is None:
            outcome = self._rejected.get(authorization)
            if outcome is None or monotonic() >= outcome.valid_until:
                return None
        elif time.time() >= outcome.valid_until:
            return None
        return None if self._keys_may_change and not self.keys.is_current(outcome.key) else outcome

    def find_site(self, authorization: bytes | None) -> str:
        """The site of a caller who has to be verified again, because keys were fetched since; else UNVERIFIED.

        It is for admission control: callers who were verified before don't share slots with those who never were.
        """
        outcome = self._accepted.get(authorization) if authorization is not None else None
        return outcome.site if outcome is not None and time.time() < outcome.valid_until else UNVERIFIED

    async def authenticate(self, authorization: bytes | None, wait: Wait = wait_for_fetch) -> Caller:
        """The caller that the value of the Authorization header names. `wait` waits for keys that are being fetched.

        Raises TokenRejected for no header, several headers, or an invalid token (RFC 6750), and ServiceUnavailable.
        """
        token = read_bearer_token(authorization)
        assert authorization is not None
        key_id, algorithm = read_token_header(token)
        keys = await self.keys.find_keys(key_id, algorithm, wait)
        cached = self._accepted.get(authorization)
        if cached is not None and any(cached.key is key for key in keys) and time.time() < cached.valid_until:
            return await cached.authenticate()
        try:
            return self._verify_caller(authorization, token, keys)
        except TokenRejected as rejected:
            if rejected.reason not in REASONS_OF_KEYS or not await self.keys.fetch_again(wait):
                raise
        return self._verify_caller(authorization, token, await self.keys.find_keys(key_id, algorithm, wait))

    def _verify_caller(self, authorization: bytes, token: str, keys: Sequence[VerificationKey]) -> Caller:
        """Verify a token. The outcome is cached unless it changes with time; a rejection only for some seconds."""
        if not keys:
            raise TokenRejected("unknown key")
        try:
            key, claims = self._verify(token, keys)
            caller = read_caller(claims)
        except jwt.ImmatureSignatureError as failure:
            raise TokenRejected("not yet valid") from failure
        except (jwt.PyJWTError, TokenRejected) as failure:
            reason = failure.reason if isinstance(failure, TokenRejected) else explain_failure(failure)
            outcome = TokenOutcome(None, reason, monotonic() + REJECTION_SECONDS, keys[0], UNVERIFIED)
            self._accepted.remove(authorization)
            self._rejected.put(authorization, outcome)
            raise TokenRejected(reason) from failure
        valid_until = int(claims["exp"]) + LEEWAY_SECONDS
        self._accepted.put(authorization, TokenOutcome(caller, None, valid_until, key, str(caller.site_id)))
        return caller

    def _verify(self, token: str, keys: Sequence[VerificationKey]) -> tuple[VerificationKey, dict[str, Any]]:
        """The key that verifies the token, and its claims. Raises PyJWTError."""
        for key in keys[:-1]:
            with suppress(jwt.InvalidSignatureError):
                return key, self._read_claims(token, key)
        return keys[-1], self._read_claims(token, keys[-1])

    def _read_claims(self, token: str, key: VerificationKey) -> dict[str, Any]:
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={
                "require": ["exp"],
                "verify_aud": self._audience is not None,
                "verify_sub": False,
                "verify_jti": False,
            },
        )


def build_authenticator(settings: Settings) -> Authenticator:
    """The authenticator of the settings. Raises ConfigurationError when no key is configured, or an unusable one."""
    return Authenticator(build_key_source(settings), issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def explain_failure(failure: jwt.PyJWTError) -> str:
    """Why PyJWT refuses a token, in a few words for the log."""
    if isinstance(failure, jwt.MissingRequiredClaimError):
        return REASONS_BY_CLAIM.get(failure.claim, f"claim {failure.claim}")
    if isinstance(failure, jwt.InvalidIssuedAtError):
        return "claim iat"
    for kind, reason in REASONS.items():
        if isinstance(failure, kind):
            return reason
    claim = re.search(r"\((exp|nbf)\)", str(failure))
    return f"claim {claim[1]}" if claim else MALFORMED


def read_bearer_token(authorization: bytes | None) -> str:
    """The token of the header's value, in which repeated headers are joined by commas. Raises TokenRejected."""
    if authorization is None:
        raise TokenRejected(None, "The operation needs a token: send `Authorization: Bearer <token>`.")
    if b"," in authorization:
        raise TokenRejected("several headers", "Only one Authorization header may be sent.")
    match = BEARER.fullmatch(authorization.strip())
    if match is None:
        raise TokenRejected("no bearer token", "The Authorization header must be `Bearer <token>`.")
    if len(match[1]) > MAX_TOKEN_LENGTH:
        raise TokenRejected("too long")
    return match[1].decode()


def read_token_header(token: str) -> tuple[str | None, object]:
    """The `kid` and `alg` of a token's header, which is not verified yet. Raises TokenRejected."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as failure:
        raise TokenRejected(MALFORMED) from failure
    return header.get("kid"), header.get("alg")


def read_caller(claims: dict[str, Any]) -> Caller:
    """The caller of verified claims. Raises TokenRejected unless `site_id` is a GUID."""
    site_id = claims.get("site_id")
    if not isinstance(site_id, str):
        raise TokenRejected("claim site_id")
    try:
        site = SiteId(check_guid(site_id, "site_id"))
    except BadUserInput as malformed:
        raise TokenRejected("claim site_id") from malformed
    return Caller(site, grant_permissions(read_scopes(claims)), int(claims["exp"]))


def read_scopes(claims: dict[str, Any]) -> frozenset[str]:
    """The scopes of `scope`, or else of `scp`: texts with spaces between scopes, or arrays. Raises TokenRejected."""
    name = "scope" if claims.get("scope") is not None else "scp"
    scopes = claims.get(name)
    texts = scopes if isinstance(scopes, list) else [] if scopes is None else [scopes]
    if not all(isinstance(text, str) for text in texts):
        raise TokenRejected(f"claim {name}")
    return frozenset(scope for text in texts for scope in text.split())
