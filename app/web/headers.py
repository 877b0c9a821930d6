"""The headers of a request, looked through once."""

from collections.abc import Iterable, Mapping

ACCEPT = b"accept"
AUTHORIZATION = b"authorization"
CONTENT_ENCODING = b"content-encoding"
CONTENT_TYPE = b"content-type"

Header = tuple[bytes, bytes]
CLOSE: Header = (b"connection", b"close")


def read_headers(pairs: list[Header]) -> Mapping[bytes, bytes]:
    """The headers of an ASGI scope by name; those that are sent several times as one (RFC 9110, section 5.3)."""
    headers = dict(pairs)
    return headers if len(headers) == len(pairs) else join_repeated(pairs)


def join_repeated(pairs: Iterable[Header]) -> Mapping[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers
