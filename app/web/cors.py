"""Cross-origin requests from browsers: which origins may call the service, and the answers to preflights.

Follows "CORS protocol" of the Fetch standard. Tokens come in the Authorization header, so that no cookie is at stake.
"""

import re
from dataclasses import dataclass

from app.errors import ConfigurationError
from app.settings import Settings
from app.web.headers import Header

NAME = "ATTENDANCE_CORS_ORIGINS"
ANY_ORIGIN = "*"
ORIGIN_FORMAT = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(?P<port>\d{1,5}))?/?", re.IGNORECASE
)
DEFAULT_PORTS = {"http": "80", "https": "443"}
HEADER_NAMES = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~, -]{1,4096}")
PREFLIGHT_SECONDS = b"7200"  # The longest that Chromium caches one.

ORIGIN = b"origin"
REQUEST_METHOD = b"access-control-request-method"
REQUEST_HEADERS = b"access-control-request-headers"
EXPOSED: Header = (
    b"access-control-expose-headers",
    b"x-request-id, retry-after, www-authenticate, x-attendance-revision",
)


@dataclass(frozen=True, slots=True)
class CORSPolicy:
    """The origins that may call the service. With `allows_any`, all may, but without credentials."""

    origins: frozenset[bytes]
    allows_any: bool

    def allows(self, origin: bytes) -> bool:
        return self.allows_any or origin in self.origins

    def list_headers(self, origin: bytes) -> list[Header]:
        """The headers of each response to an allowed origin."""
        return [*self._list_common(origin), EXPOSED]

    def list_preflight_headers(self, origin: bytes, requested: bytes) -> list[Header]:
        """The headers of the response to a preflight, whose page wants to send the `requested` headers."""
        allowed = [(b"access-control-allow-headers", requested)] if HEADER_NAMES.fullmatch(requested) else []
        return [
            *self._list_common(origin),
            (b"access-control-allow-methods", b"GET, POST"),
            *allowed,
            (b"access-control-max-age", PREFLIGHT_SECONDS),
        ]

    def _list_common(self, origin: bytes) -> list[Header]:
        if self.allows_any:
            return [(b"access-control-allow-origin", b"*")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-allow-credentials", b"true"),
            (b"vary", b"origin, access-control-request-method, access-control-request-headers"),
        ]


def build_cors_policy(settings: Settings) -> CORSPolicy | None:
    """The policy of the settings; None if no origin is allowed. Raises ConfigurationError."""
    origins = (settings.cors_origins or "").replace(",", " ").split()
    if not origins:
        return None
    if ANY_ORIGIN in origins:
        if len(origins) > 1:
            raise ConfigurationError(f"{NAME} is either `*` or a list of origins, not both")
        return CORSPolicy(frozenset(), allows_any=True)
    return CORSPolicy(frozenset(normalize_origin(origin).encode() for origin in origins), allows_any=False)


def normalize_origin(origin: str) -> str:
    """An origin as browsers write it: in lower case, without the port that its scheme implies (RFC 6454)."""
    match = ORIGIN_FORMAT.fullmatch(origin)
    if match is None:
        raise ConfigurationError(f"{NAME} must list origins such as https://app.example.com, not {origin!r}")
    scheme, host, port = match["scheme"].lower(), match["host"].lower(), match["port"]
    return f"{scheme}://{host}" + (f":{port}" if port and port != DEFAULT_PORTS.get(scheme) else "")


def add_own_origins(listed: str | None, url: str) -> str:
    """The list of origins with those by which a browser on this machine may have opened the service's own page."""
    if (listed or "").strip() == ANY_ORIGIN:
        return ANY_ORIGIN
    port = url.rpartition(":")[2]
    own = (f"http://{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
    return " ".join(dict.fromkeys([*(listed or "").replace(",", " ").split(), url, *own]))
