"""Responses to requests that were stopped or have failed, and what the log says of them."""

from collections.abc import Awaitable, Callable

from starlette.types import Scope

from app.documents.errors import format_unforeseen
from app.documents.permissions import Caller
from app.errors import OperationTimeout
from app.operations.record import OperationRecord
from app.operations.response import Outcome, Response
from app.web.auth.authentication import TokenRejected
from app.web.load.body_reader import ClientDisconnected
from app.web.load.in_flight_requests import StopReason
from app.web.load.queueing import Overloaded
from app.web.requests import HTTPError
from app.web.responses import OVERLOADED, SHUTTING_DOWN, TIMED_OUT, write_errors

CLIENT_GONE, CLIENT_GONE_STATUS = "CLIENT_GONE", 499
OVERLOAD = "overloaded"

Authenticate = Callable[[], Awaitable[Caller]]


async def note_rejection(authenticate: Authenticate, record: OperationRecord, scope: Scope) -> Caller:
    """The caller. Raises TokenRejected, after noting for the log why, which callers are not told, and whose it is."""
    try:
        return await authenticate()
    except TokenRejected as rejected:
        record.reason = rejected.reason
        record.client = scope["client"][0] if scope.get("client") else None  # or of the nearest proxy
        raise
    except Overloaded:
        record.reason = OVERLOAD
        raise


def build_stopped_response(reason: StopReason, record: OperationRecord) -> Response:
    """The response to a request that was stopped. Raises HTTPError or ClientDisconnected.

    A mutation that has begun goes on, so its caller is never told to try again because nothing has been done.
    """
    record.reason = reason.value
    if reason is StopReason.CLIENT_GONE:
        raise ClientDisconnected
    if reason is StopReason.NOT_RECEIVED:
        raise HTTPError(408, "The request took too long to arrive.", kind=OperationTimeout, connection="close")
    may_have_written = record.write is not None
    return TIMED_OUT if reason is StopReason.TIMED_OUT or may_have_written else SHUTTING_DOWN


def build_failure_response(failure: Exception, record: OperationRecord) -> Response:
    """The response to a request that could not run. Raises HTTPError or ClientDisconnected again."""
    if isinstance(failure, HTTPError | ClientDisconnected):
        raise failure
    if isinstance(failure, Overloaded):
        record.reason = OVERLOAD
        return OVERLOADED
    return Response(write_errors(format_unforeseen(failure)), Outcome.FAILED)
