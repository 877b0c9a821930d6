"""Bearer tokens: who asks, for which site, with which scopes. The key fixes the algorithm, never the token."""

import re
from collections.abc import Sequence
from typing import Any

import jwt

from app.errors import BadUserInput, Unauthenticated
from app.operations.permissions import Caller, grant_permissions
from app.plan.properties import parse_guid
from app.settings import Settings
from app.web.keys import KeySource, VerificationKey, build_key_source

LONGEST_TOKEN = 8_192
LEEWAY_SECONDS = 30
BEARER = re.compile(rb"(?i:bearer) +([A-Za-z0-9._~+/=-]+)")


class Authenticator:
    """Turns the Authorization header of a request into its caller."""

    def __init__(self, keys: KeySource, *, issuer: str | None = None, audience: str | None = None) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience

    async def authenticate(self, headers: Sequence[bytes]) -> Caller:
        """The caller whom the values of all Authorization headers name.

        Raises Unauthenticated when there is no header or more than one, or no valid token in it (RFC 6750).
        """
        token = read_bearer_token(headers)
        try:
            key = await self._keys.find_key(read_key_id(token))
            if key is None:
                raise Unauthenticated("The token is signed with a key that is not known here.")
            return read_caller(self._verify(token, key))
        except jwt.ExpiredSignatureError as failure:
            raise Unauthenticated("The token has expired.") from failure
        except jwt.PyJWTError as failure:
            raise Unauthenticated("The token is not valid.") from failure

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


def read_bearer_token(headers: Sequence[bytes]) -> str:
    if not headers:
        raise Unauthenticated("The operation needs a token: send `Authorization: Bearer <token>`.")
    if len(headers) > 1:
        raise Unauthenticated("Only one Authorization header may be sent.")
    match = BEARER.fullmatch(headers[0].strip())
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
