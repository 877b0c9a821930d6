"""HTTP headers: those of a request by name, the ids that they give it, and those that responses share."""

import re
import secrets
from collections.abc import Iterable, Mapping
from itertools import count

from starlette.types import Message, Send

ACCEPT = b"accept"
AUTHORIZATION = b"authorization"
CONTENT_ENCODING = b"content-encoding"
CONTENT_TYPE = b"content-type"
REQUEST_ID = b"x-request-id"
TRACEPARENT = b"traceparent"

PROCESS_ID = secrets.token_hex(8)
SEQUENCE = count(1)
REQUEST_ID_FORMAT = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~/=:@-]{1,128}")
TRACE = "-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}"
# Later versions may append to the format (W3C Trace Context, section 4).
TRACEPARENT_FORMAT = re.compile(rf"00{TRACE}|(?!00|ff)[0-9a-f]{{2}}{TRACE}(-[ -~]{{0,200}})?")

Header = tuple[bytes, bytes]
Headers = Mapping[bytes, bytes]
CLOSE: Header = (b"connection", b"close")
SECURITY_HEADERS: tuple[Header, ...] = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


def read_headers(pairs: list[Header]) -> Headers:
    """The headers of an ASGI scope by name. Repeated headers are joined (RFC 9110, section 5.3)."""
    headers = dict(pairs)
    return headers if len(headers) == len(pairs) else join_repeated(pairs)


def join_repeated(pairs: Iterable[Header]) -> Headers:
    headers: dict[bytes, bytes] = {}
    for name, value in pairs:
        headers[name] = headers[name] + b", " + value if name in headers else value
    return headers


def add_headers(send: Send, headers: Iterable[Header]) -> Send:
    """An ASGI `send` that adds those of `headers` that the response lacks."""

    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = message.setdefault("headers", [])
            names = {name.lower() for name, _ in own}
            message["headers"] = [*own, *(header for header in headers if header[0] not in names)]
        await send(message)

    return send_with_headers


def read_request_id(headers: Headers) -> str:
    """The id that `X-Request-Id` gives a request. A missing one, or one that is not safe to log, is generated."""
    given = headers.get(REQUEST_ID)
    request_id = None if given is None else read_valid(given, REQUEST_ID_FORMAT)
    return request_id or f"{PROCESS_ID}{next(SEQUENCE):016x}"


def read_traceparent(headers: Headers) -> str | None:
    """The `traceparent` of a request. One that is invalid by W3C Trace Context is ignored."""
    given = headers.get(TRACEPARENT)
    return None if given is None else read_valid(given, TRACEPARENT_FORMAT)


def read_valid(value: bytes, form: re.Pattern[str]) -> str | None:
    """The value of a header as text; None if it does not have the form."""
    text = value.decode("latin-1")
    return text if form.fullmatch(text) else None
