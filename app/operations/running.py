"""The run of a GraphQL request: request -> operation -> inputs -> plans -> statements -> rows -> response bytes."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson

from app.attendance.joined_sets import JoinedSets
from app.attendance.reading import AttendanceReader
from app.attendance.writing import DELETIONS_KEPT, AttendanceWriter
from app.database.pool import Database
from app.documents.documents import Documents
from app.documents.errors import RequestRefused, format_service_error, format_unforeseen, refuse
from app.documents.operation import MOST_SHORT, Operation
from app.documents.permissions import Caller, require_permissions
from app.documents.persisted import DocumentReference
from app.engine.coercion import InputRefused
from app.engine.compiled_operations import CompiledOperations
from app.engine.execution import run_operation
from app.engine.pieces import LARGE_BYTES, MAX_BYTES
from app.engine.refusals import explain_variables
from app.errors import BadUserInput, ServiceError
from app.operations.background_writes import BackgroundWrites
from app.operations.long_documents import LongDocumentReader
from app.operations.record import OperationRecord
from app.operations.response import (
    EXECUTED,
    Outcome,
    Response,
    find_outcome,
    may_be_large,
    refuse_large,
    write_errors,
    write_refusal,
)
from app.operations.streams import ChangeStreams

Variables = Mapping[str, Any]
MUTATION_BY_GET = BadUserInput("Mutations are sent by POST.")
NO_STREAM = BadUserInput(
    "A subscription is answered by a stream: send `Accept: text/event-stream` or "
    '`Accept: multipart/mixed;subscriptionSpec="1.0"`, or ask over a WebSocket with the protocol graphql-transport-ws.'
)


@dataclass(slots=True)
class GraphQLRequest:
    """A request as the GraphQL-over-HTTP specification defines it; `only_queries` is set for GET.

    With a `reference`, `query` may be None. `max_values` is an upper bound of the number of values in the variables,
    None if it is unknown. A query sees at least the `least_revision` of its site.
    """

    query: str | None
    operation_name: str | None = None
    variables: Variables = field(default_factory=dict)
    only_queries: bool = False
    reference: DocumentReference | None = None
    max_values: int | None = None
    least_revision: int = 0


@dataclass(frozen=True, slots=True)
class GraphQLService:
    """The objects that all requests share.

    These are the documents, their compiled operations, the database, the schema's SDL for gateways, the running
    mutations, the open streams, how long deletions are kept for those who follow the changes, and what reads long
    documents.
    """

    documents: Documents
    database: Database
    sdl: str
    compiled: CompiledOperations = field(default_factory=lambda: CompiledOperations(1000))
    writes: BackgroundWrites = field(default_factory=BackgroundWrites)
    joined_sets: JoinedSets = field(default_factory=JoinedSets)
    streams: ChangeStreams = field(default_factory=ChangeStreams)
    deletions_kept: timedelta = DELETIONS_KEPT
    reader: LongDocumentReader = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "reader", LongDocumentReader(self.documents, self.compiled))


async def run_request(
    request: GraphQLRequest,
    authenticate: Callable[[], Awaitable[Caller]],
    service: GraphQLService,
    record: OperationRecord | None = None,
) -> Response:
    """Answer a request; never raises. When it is cancelled, a query is stopped, and a mutation continues to its end.

    `authenticate` returns the caller, or raises Unauthenticated; it is called only if the operation needs a caller.
    `record` receives the site, the outcome and the statistics of the request.
    """
    record = record or OperationRecord()
    try:
        operation = record.operation = await find_operation(request, service)
        if operation.is_mutation and request.only_queries:
            return write_refusal([format_service_error(MUTATION_BY_GET)], Outcome.MUTATION_REFUSED, record)
        most_records = service.documents.check_request(operation, request.variables, request.max_values)
        caller = await authorize(operation, authenticate, record) if operation.permissions else None
        if operation.is_subscription:
            return write_refusal([format_service_error(NO_STREAM)], Outcome.SUBSCRIPTION_REFUSED, record)
        if operation.syntax.is_long:
            await service.reader.compile(operation, request.variables)
        compiled, inputs = service.compiled.prepare(operation, request.variables)
        if caller is not None and not operation.syntax.is_proven:
            service.documents.prove(operation)
        reader = None if caller is None else open_site(operation, caller, service, request, record)
        record.has_run = True
        most_bytes = most_records * compiled.record_bytes
        is_large = most_bytes > LARGE_BYTES and may_be_large(operation, compiled, request.variables)
        large = service.streams.events.large if is_large else None
        running = run_operation(compiled, inputs, reader, service.sdl, request.variables, large=large)
        result = await (service.writes.run(running, record) if operation.is_mutation else running)
        if result.failures:
            return write_errors(result, operation, request.variables, record)
        body = orjson.dumps({"data": result.data})
        is_too_large = len(body) > MAX_BYTES and compiled.steps
        return refuse_large(operation, compiled, record) if is_too_large else Response(body, EXECUTED)
    except Exception as failure:
        return refuse_request(failure, request.variables, service, record)


async def find_operation(request: GraphQLRequest, service: GraphQLService) -> Operation:
    """The operation of a request. Raises RequestRefused for one that is invalid or beyond a limit."""
    if request.query is None or len(request.query) > MOST_SHORT:
        await service.reader.read(request.query, request.operation_name, request.reference)
    return service.documents.find(request.query, request.operation_name, request.reference)


async def authorize(
    operation: Operation, authenticate: Callable[[], Awaitable[Caller]], record: OperationRecord
) -> Caller:
    """The caller of the operation.

    Raises RequestRefused if there is no valid token, or if it does not grant the permissions that the operation needs.
    """
    try:
        caller = await authenticate()
        record.site_id = caller.site_id
        if not operation.permissions <= caller.permissions:
            require_permissions(caller, operation.permissions)
    except ServiceError as error:
        raise refuse(error) from error
    return caller


def refuse_request(
    failure: Exception, variables: Variables, service: GraphQLService, record: OperationRecord
) -> Response:
    """The response to a request that is not run, for what has kept it from that."""
    if isinstance(failure, InputRefused):
        return refuse_variables(variables, service, record)
    if isinstance(failure, RequestRefused):
        record.limit = failure.limit
        return write_refusal(failure.errors, find_outcome(failure.errors, Outcome.REFUSED), record)
    return write_refusal([format_unforeseen(failure)], Outcome.FAILED, record)


def refuse_variables(variables: Variables, service: GraphQLService, record: OperationRecord) -> Response:
    """The response to variables that the operation does not take."""
    assert record.operation is not None
    hide_suggestions = not service.documents.introspection
    refusal = explain_variables(record.operation, variables, hide_suggestions=hide_suggestions)
    return write_refusal(refusal.errors, Outcome.REFUSED, record)


def open_site(
    operation: Operation, caller: Caller, service: GraphQLService, request: GraphQLRequest, record: OperationRecord
) -> AttendanceReader:
    """The reader, or for a mutation the writer, of the caller's site. A mutation does not read from a replica."""
    if operation.is_mutation:
        return AttendanceWriter(
            service.database,
            caller.site_id,
            record,
            deletions_kept=service.deletions_kept,
            announce=service.streams.wake,
            joined_sets=service.joined_sets,
        )
    return AttendanceReader(service.database.open_reads(request.least_revision), caller.site_id, record)
