"""Bearer tokens: who asks, for which site, with which scopes. The key fixes the algorithm, never the token."""

import re
import time
from dataclasses import dataclass
from typing import Any

import jwt

from app.errors import BadUserInput, Unauthenticated
from app.operations.permissions import Caller, grant_permissions
from app.plan.properties import parse_guid
from app.settings import Settings
from app.web.keys import KeySource, VerificationKey, build_key_source
from app.web.recent import Recent

LONGEST_TOKEN = 8_192
LEEWAY_SECONDS = 30
CALLERS_REMEMBERED = 2_000
REFUSALS_REMEMBERED = 500
REFUSAL_SECONDS = 10
UNVERIFIED = ""
BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/=-]+)")


@dataclass(frozen=True, slots=True)
class Finding:
    """What a token was found to be: a caller, or why it is refused. It holds until a time, as long as its key does.

    `site` is the caller's, as admission control tells sites apart.
    """

    caller: Caller | None
    refusal: str
    until: float
    key_id: str | None
    key: VerificationKey
    site: str

    async def authenticate(self) -> Caller:
        """The caller. Raises Unauthenticated."""
        if self.caller is None:
            raise Unauthenticated(self.refusal)
        return self.caller


class Authenticator:
    """Turns the Authorization header of a request into its caller, and remembers what it found."""

    def __init__(self, keys: KeySource, *, issuer: str | None = None, audience: str | None = None) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._callers = Recent[bytes, Finding](CALLERS_REMEMBERED)
        self._refusals = Recent[bytes, Finding](REFUSALS_REMEMBERED)

    def recall(self, authorization: bytes | None) -> Finding | None:
        """What the same header was found to hold a while ago, if that still stands; None when it has to be verified."""
        if authorization is None:
            return None
        finding = self._callers.get(authorization) or self._refusals.get(authorization)
        if finding is None or time.time() >= finding.until or not self._keys.trusts(finding.key_id, finding.key):
            return None
        return finding

    async def authenticate(self, authorization: bytes | None) -> Caller:
        """The caller whom the value of the Authorization header names.

        Raises Unauthenticated when there is no header or more than one, or no valid token in it (RFC 6750).
        """
        token = read_bearer_token(authorization)
        assert authorization is not None
        try:
            key_id = read_key_id(token)
            key = await self._keys.find_key(key_id)
        except jwt.PyJWTError as failure:
            raise Unauthenticated("The token is not valid.") from failure
        if key is None:
            raise Unauthenticated("The token is signed with a key that is not known here.")
        known = self._callers.get(authorization)
        if known is not None and known.key is key and time.time() < known.until:
            return await known.authenticate()
        return self._find_caller(authorization, token, key_id, key)

    def _find_caller(self, authorization: bytes, token: str, key_id: str | None, key: VerificationKey) -> Caller:
        """Verify a token. What does not depend on the present time is remembered, a refusal for a few seconds."""
        try:
            claims = self._verify(token, key)
            caller = read_caller(claims)
        except jwt.ImmatureSignatureError as failure:
            raise Unauthenticated("The token is not valid.") from failure
        except (jwt.PyJWTError, Unauthenticated) as failure:
            refusal = describe_refusal(failure)
            finding = Finding(None, refusal, time.time() + REFUSAL_SECONDS, key_id, key, UNVERIFIED)
            self._callers.pop(authorization, None)
            self._refusals.keep(authorization, finding)
            raise Unauthenticated(refusal) from failure
        until = int(claims["exp"]) + LEEWAY_SECONDS
        self._callers.keep(authorization, Finding(caller, "", until, key_id, key, str(caller.site_id)))
        return caller

    def _verify(self, token: str, key: VerificationKey) -> dict[str, Any]:
        return jwt.decode(
            token,
            key.key,
            algorithms=[key.algorithm],
            issuer=self._issuer,
            audience=self._audience,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp"], "verify_aud": self._audience is not None},
        )


def build_authenticator(settings: Settings) -> Authenticator:
    """The authenticator of the settings. Raises ConfigurationError when no key is configured, or an unusable one."""
    return Authenticator(build_key_source(settings), issuer=settings.jwt_issuer, audience=settings.jwt_audience)


def describe_refusal(failure: jwt.PyJWTError | Unauthenticated) -> str:
    if isinstance(failure, Unauthenticated):
        return failure.message
    is_expired = isinstance(failure, jwt.ExpiredSignatureError)
    return "The token has expired." if is_expired else "The token is not valid."


def read_bearer_token(authorization: bytes | None) -> str:
    """The token of a header, of which several are joined by commas. Raises Unauthenticated."""
    if authorization is None:
        raise Unauthenticated("The operation needs a token: send `Authorization: Bearer <token>`.")
    if b"," in authorization:
        raise Unauthenticated("Only one Authorization header may be sent.")
    match = BEARER.fullmatch(authorization.strip())
    if match is None or len(match[1]) > LONGEST_TOKEN:
        raise Unauthenticated("The Authorization header must be `Bearer <token>`.")
    return match[1].decode()


def read_key_id(token: str) -> str | None:
    key_id = jwt.get_unverified_header(token).get("kid")
    return key_id if isinstance(key_id, str) else None


def read_caller(claims: dict[str, Any]) -> Caller:
    """The caller of verified claims: `site_id` is a GUID, `scope` a text of scopes with spaces between them."""
    site_id, scope = claims.get("site_id"), claims.get("scope", "")
    if not isinstance(site_id, str) or not isinstance(scope, str):
        raise Unauthenticated("The token must name a site in `site_id` and its scopes in `scope`.")
    try:
        site = parse_guid(site_id, "site_id")
    except BadUserInput as malformed:
        raise Unauthenticated("The token's `site_id` is not a GUID.") from malformed
    return Caller(site, grant_permissions(frozenset(scope.split())))
