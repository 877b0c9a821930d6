"""Whole responses to what is not a complete request, as bytes."""

from collections.abc import Sequence

from app.errors import BadUserInput, OperationTimeout, ServiceUnavailable
from app.web.headers import SECURITY_HEADERS, Header
from app.web.load.queueing import Overloaded
from app.web.responses import RETRY_SECONDS, write_error


def write_response(status_line: bytes, body: bytes, *more: Header) -> bytes:
    """A response to input that is not a complete request, with the headers that all responses have."""
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *SECURITY_HEADERS,
        *more,
    ]
    return write_head(b"HTTP/1.1 %b\r\n" % status_line, headers) + body


def write_head(status_line: bytes, headers: Sequence[Header]) -> bytes:
    """The head of a response. Raises ValueError if a header has a line break, which would begin another one."""
    head = status_line + b"\r\n".join([*map(b": ".join, headers), b"\r\n"])
    if not head.count(b"\n") == head.count(b"\r") == len(headers) + 2:
        raise ValueError("a header of a response has a line break")
    return head


MALFORMED = write_response(b"400 Bad Request", write_error(BadUserInput("The request is not valid HTTP.")))
HEAD_TOO_LARGE = write_response(
    b"431 Request Header Fields Too Large", write_error(BadUserInput("The head of the request is too large."))
)
HEAD_TOO_SLOW = write_response(
    b"408 Request Timeout", write_error(OperationTimeout("The request took too long to arrive."))
)
TOO_MANY_CONNECTIONS = write_response(
    b"503 Service Unavailable",
    write_error(ServiceUnavailable("The service has too many connections at the moment; try again shortly.")),
    (b"retry-after", RETRY_SECONDS),
)
OVERLOADED = write_response(b"503 Service Unavailable", write_error(Overloaded()), (b"retry-after", RETRY_SECONDS))
