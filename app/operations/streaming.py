"""Opens the stream of a subscription, after the checks that each request passes."""

import time
from collections.abc import Awaitable, Callable

from app.attendance.reading import AttendanceReader
from app.documents.operation import Operation
from app.documents.permissions import Caller
from app.engine.branches import RootBranch
from app.engine.execution import run_operation
from app.operations.change_stream import ChangeStream
from app.operations.events import StreamQuery, share_query
from app.operations.record import OperationRecord
from app.operations.response import Response, write_errors
from app.operations.running import (
    GraphQLRequest,
    GraphQLService,
    authorize,
    find_operation,
    refuse_request,
    run_request,
)

# A token that is accepted although it has expired, because clocks differ, is good for so long.
LEEWAY_SECONDS = 30


async def open_stream(
    request: GraphQLRequest,
    authenticate: Callable[[], Awaitable[Caller]],
    service: GraphQLService,
    record: OperationRecord | None = None,
    *,
    transport: str,
) -> Response | ChangeStream:
    """Open the stream of a subscription, whose first event has been read; never raises.

    A subscription that is refused, or whose first event leaves no data, gets the response that a query would get. So
    does a request for anything else, which is run. `transport` is what the stream is counted under.
    """
    record = record or OperationRecord()
    stream = None
    try:
        operation = record.operation = await find_operation(request, service)
        if not operation.is_subscription:
            return await run_request(request, authenticate, service, record)
        service.documents.check_request(operation, request.variables, request.max_values)
        caller = await authorize(operation, authenticate, record)
        query = await plan_stream_query(operation, request, caller, service, record)
        if isinstance(query, Response):
            return query
        stream = ChangeStream(query, service.streams, service.database, record, transport, find_end(caller))
        record.has_run = True
        return await stream.begin()
    except Exception as failure:
        return refuse_request(failure, request.variables, service, record)
    finally:
        if stream is not None and not stream.has_begun:
            stream.close()


async def plan_stream_query(
    operation: Operation, request: GraphQLRequest, caller: Caller, service: GraphQLService, record: OperationRecord
) -> StreamQuery | Response:
    """What the stream asks for at each event, or the response to arguments that are refused."""
    variables = request.variables
    if operation.syntax.is_long:
        await service.reader.compile(operation, variables)
    compiled, inputs = service.compiled.prepare(operation, variables)
    if not operation.syntax.is_proven:
        service.documents.prove(operation)
    branch = RootBranch(compiled.steps[0][0], inputs)
    if branch.failure is not None:
        reader = AttendanceReader(service.database, caller.site_id, record)
        result = await run_operation(compiled, inputs, reader, service.sdl, variables)
        return write_errors(result, operation, variables, record)
    return share_query(operation, compiled, inputs, variables, caller.site_id, branch.plan)


def find_end(caller: Caller) -> float | None:
    """When a stream of the caller ends, as Unix time; None if its token does not expire."""
    now = time.time()
    if caller.expires_at is None or caller.expires_at > now:
        return caller.expires_at
    return now + LEEWAY_SECONDS
