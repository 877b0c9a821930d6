"""What a request is answered with: status and headers of each verdict, made once, and the messages that carry them."""

from collections.abc import Iterable

import orjson
from starlette.types import Send

from app.errors import OperationTimeout, ServiceError, ServiceUnavailable
from app.operations.failures import FormattedError, format_service_error, format_unforeseen
from app.operations.response import Response, Verdict
from app.web.headers import SECURITY_HEADERS, Header
from app.web.media_types import GRAPHQL_RESPONSE, JSON
from app.web.requests import HTTPRefusal

CHALLENGE = b'Bearer realm="attendance"'
RETRY_SECONDS = b"1"
STATUSES = {
    Verdict.EXECUTED: 200,
    Verdict.REFUSED: 400,
    Verdict.MUTATION_REFUSED: 405,
    Verdict.UNAUTHENTICATED: 401,
    Verdict.FORBIDDEN: 403,
    Verdict.UNAVAILABLE: 503,
    Verdict.TIMED_OUT: 504,
    Verdict.FAILED: 500,
}
STATUSES_OF_PLAIN_JSON = STATUSES | {Verdict.REFUSED: 200, Verdict.TIMED_OUT: 200, Verdict.FAILED: 200}
FIXED_HEADERS: dict[str, list[Header]] = {
    media_type: [(b"content-type", f"{media_type}; charset=utf-8".encode()), *SECURITY_HEADERS]
    for media_type in (GRAPHQL_RESPONSE, JSON)
}


def write_error(error: ServiceError) -> bytes:
    return write_errors(format_service_error(error))


def write_errors(*errors: FormattedError) -> bytes:
    return orjson.dumps({"errors": errors})


def answer_unforeseen(failure: Exception) -> Response:
    """What is answered where the service is at fault; the log has the rest."""
    return Response(write_errors(format_unforeseen(failure)), Verdict.FAILED)


OVERLOADED = Response(
    write_error(ServiceUnavailable("The service has too much to do at the moment; try again shortly.")),
    Verdict.UNAVAILABLE,
)
SHUTTING_DOWN = Response(
    write_error(ServiceUnavailable("The service is being stopped; try again shortly.")), Verdict.UNAVAILABLE
)
TIMED_OUT = Response(
    write_error(OperationTimeout("The operation took too long. A read was stopped; a write may be done all the same.")),
    Verdict.TIMED_OUT,
)


def find_status(verdict: Verdict, media_type: str) -> int:
    """The status of a verdict; plain JSON gets 200 for errors that GraphQL itself tells of."""
    return (STATUSES if media_type == GRAPHQL_RESPONSE else STATUSES_OF_PLAIN_JSON)[verdict]


async def send_response(
    send: Send, response: Response, media_type: str, more: Iterable[Header], *, has_token: bool
) -> None:
    """Send a response, with more headers; plain JSON gets 200 for errors that GraphQL itself tells of."""
    verdict = response.verdict
    if verdict is Verdict.EXECUTED:
        await send_answer(send, 200, [*FIXED_HEADERS[media_type], *more], response.body)
        return
    headers = [*FIXED_HEADERS[media_type], *more, *headers_of(verdict, has_token=has_token)]
    await send_answer(send, find_status(verdict, media_type), headers, response.body)


def headers_of(verdict: Verdict, *, has_token: bool) -> Iterable[Header]:
    """What the verdict's status asks for: RFC 9110 for 405 and 503, RFC 6750 for 401 and 403."""
    if verdict is Verdict.UNAUTHENTICATED:
        yield b"www-authenticate", CHALLENGE + (b', error="invalid_token"' if has_token else b"")
    elif verdict is Verdict.FORBIDDEN:
        yield b"www-authenticate", CHALLENGE + b', error="insufficient_scope"'
    elif verdict is Verdict.UNAVAILABLE:
        yield b"retry-after", RETRY_SECONDS
    elif verdict is Verdict.MUTATION_REFUSED:
        yield b"allow", b"POST"


async def send_refusal(send: Send, refusal: HTTPRefusal, media_type: str, more: Iterable[Header]) -> None:
    own = [(name.encode(), value.encode()) for name, value in refusal.headers.items()]
    headers = [*FIXED_HEADERS[media_type], *more, *own]
    await send_answer(send, refusal.status, headers, write_error(refusal.error))


async def send_answer(send: Send, status: int, headers: list[Header], body: bytes) -> None:
    """One message with the head, and one with the whole body."""
    headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
