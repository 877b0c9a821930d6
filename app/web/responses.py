"""HTTP responses: the status and headers of each outcome, prebuilt error bodies, and the ASGI messages."""

from collections.abc import Iterator

import orjson
from starlette.types import Send

from app.documents.errors import FormattedError, format_service_error
from app.errors import OperationTimeout, ServiceError, ServiceUnavailable
from app.operations.response import Outcome, Response
from app.operations.streams import STOPPING
from app.web.headers import SECURITY_HEADERS, Header
from app.web.load.queueing import Overloaded
from app.web.media_types import EVENT_STREAM, GRAPHQL_RESPONSE, JSON
from app.web.streams.framings import frame_whole

CHALLENGE = b'Bearer realm="attendance"'
RETRY_SECONDS = b"1"
OK = 200
STATUSES_OF_GRAPHQL_RESPONSE = {
    Outcome.EXECUTED: 200,
    Outcome.REFUSED: 400,
    Outcome.NOT_REGISTERED: 200,  # Apollo's clients send the document only after this status.
    Outcome.MUTATION_REFUSED: 405,
    Outcome.SUBSCRIPTION_REFUSED: 406,
    Outcome.UNAUTHENTICATED: 401,
    Outcome.FORBIDDEN: 403,
    Outcome.UNAVAILABLE: 503,
    Outcome.TIMED_OUT: 504,
    Outcome.FAILED: 500,
}
STATUSES_OF_JSON = STATUSES_OF_GRAPHQL_RESPONSE | {
    Outcome.REFUSED: 200,
    Outcome.TIMED_OUT: 200,
    Outcome.FAILED: 200,
}
# With plain JSON, errors that GraphQL itself reports have the status 200. So they have as events, which are a success.
STATUSES = {
    GRAPHQL_RESPONSE: STATUSES_OF_GRAPHQL_RESPONSE,
    JSON: STATUSES_OF_JSON,
    EVENT_STREAM: STATUSES_OF_JSON,
}
FIXED_HEADERS: dict[str, list[Header]] = {
    media_type: [(b"content-type", f"{media_type}; charset=utf-8".encode()), *SECURITY_HEADERS]
    for media_type in STATUSES
}


def write_error(error: ServiceError) -> bytes:
    """The body of a response with one error."""
    return write_errors(format_service_error(error))


def write_errors(*errors: FormattedError) -> bytes:
    return orjson.dumps({"errors": errors})


OVERLOADED = Response(write_error(Overloaded()), Outcome.UNAVAILABLE)
SHUTTING_DOWN = Response(write_error(ServiceUnavailable(STOPPING)), Outcome.UNAVAILABLE)
TIMED_OUT = Response(
    write_error(OperationTimeout("The operation took too long. A read was stopped; a write may be done all the same.")),
    Outcome.TIMED_OUT,
)


def list_outcome_headers(outcome: Outcome, *, has_token: bool) -> Iterator[Header]:
    """The headers that an outcome's status requires: RFC 9110 for 405 and 503, RFC 6750 for 401 and 403."""
    if outcome is Outcome.UNAUTHENTICATED:
        yield b"www-authenticate", CHALLENGE + (b', error="invalid_token"' if has_token else b"")
    elif outcome is Outcome.FORBIDDEN:
        yield b"www-authenticate", CHALLENGE + b', error="insufficient_scope"'
    elif outcome is Outcome.UNAVAILABLE:
        yield b"retry-after", RETRY_SECONDS
    elif outcome is Outcome.MUTATION_REFUSED:
        yield b"allow", b"POST"


async def send_without_body(send: Send, status: int, headers: list[Header]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [*SECURITY_HEADERS, *headers]})
    await send({"type": "http.response.body", "body": b""})


async def send_response(send: Send, status: int, media_type: str, headers: list[Header], body: bytes) -> None:
    """Send a response: one message with the head, and one with the whole body.

    Events are a success: in their place, a response with another status is JSON.
    """
    if media_type == EVENT_STREAM:
        media_type, body = (EVENT_STREAM, frame_whole(body)) if status == OK else (JSON, body)
    head = [(b"content-length", b"%d" % len(body)), *headers, *FIXED_HEADERS[media_type]]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
