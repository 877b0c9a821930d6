"""Which web pages may open WebSockets: browsers ask no server before they do, but name the page's origin."""

from app.web.cors import ORIGIN, CORSPolicy
from app.web.headers import Headers

HOST = b"host"


def may_connect(headers: Headers, cors: CORSPolicy | None) -> bool:
    """Whether the upgrade request comes from no web page, from one of this service, or from one that CORS allows."""
    origin = headers.get(ORIGIN)
    if origin is None or (cors is not None and cors.allows(origin)):
        return True
    host = headers.get(HOST, b"")
    return host != b"" and origin.lower().partition(b"://")[2] == host.lower()
