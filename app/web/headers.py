"""The headers of a request, looked through once."""

from collections.abc import Iterable, Mapping

from starlette.types import Message, Send

ACCEPT = b"accept"
AUTHORIZATION = b"authorization"
CONTENT_ENCODING = b"content-encoding"
CONTENT_TYPE = b"content-type"
REQUEST_ID = b"x-request-id"
TRACEPARENT = b"traceparent"

Header = tuple[bytes, bytes]
CLOSE: Header = (b"connection", b"close")
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


def read_headers(pairs: list[Header]) -> Mapping[bytes, bytes]:
    """The headers of an ASGI scope by name; those that are sent several times as one (RFC 9110, section 5.3)."""
    headers = dict(pairs)
    return headers if len(headers) == len(pairs) else join_repeated(pairs)


def join_repeated(pairs: Iterable[Header]) -> Mapping[bytes, bytes]:
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def add_headers(send: Send, headers: Iterable[Header]) -> Send:
    """A way to send a response that adds the headers which it lacks."""

    async def send_with_more(message: Message) -> None:
        if message["type"] == "http.response.start":
            given = message.setdefault("headers", [])
            names = {name.lower() for name, _ in given}
            message["headers"] = [*given, *(header for header in headers if header[0] not in names)]
        await send(message)

    return send_with_more
