"""The whole run of a GraphQL request: request -> operation -> plan -> statement -> rows -> response bytes."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from graphql import DocumentNode, ExecutionResult, execute

from app.attendance.writing import AttendanceWriter
from app.database.pool import Database
from app.errors import (
    BadUserInput,
    ServiceError,
)
from app.operations.coercing import Unusual, Variables
from app.operations.documents import Documents
from app.operations.executing import ProjectingExecutor
from app.operations.failures import (
    RequestRefused,
    format_service_error,
    format_unforeseen,
    refuse,
)
from app.operations.operation import Operation
from app.operations.permissions import Caller, require_permissions
from app.operations.persisted import DocumentReference
from app.operations.record import COMPILED, REFERENCE, OperationRecord
from app.operations.response import Response, Verdict, find_verdict, write_refusal, write_response
from app.operations.sharing import SharingReader
from app.operations.variants import find_compiled
from app.operations.writes import Writes
from app.schema.context import Context
from app.schema.schema import SCHEMA

logger = logging.getLogger("attendance.operations")

MOST_VARIABLE_ERRORS = 5


class GraphQLRequest(NamedTuple):
    """A request as the GraphQL-over-HTTP specification has it; `only_queries` for GET.

    With a `reference` the query may be left out. `size` is how many bytes its variables came in at most, if known.
    """

    query: str | None
    operation_name: str | None = None
    variables: Variables = MappingProxyType({})
    only_queries: bool = False
    reference: DocumentReference | None = None
    size: int | None = None


@dataclass(frozen=True, slots=True)
class GraphQLService:
    """What all requests share.

    These are the documents, the database, the schema's text that gateways ask for, whether operations are compiled,
    and the writes that run.
    """

    documents: Documents
    database: Database
    sdl: str
    compiles: bool = True
    writes: Writes = field(default_factory=Writes)


async def run_request(
    request: GraphQLRequest,
    authenticate: Callable[[], Awaitable[Caller]],
    service: GraphQLService,
    record: OperationRecord | None = None,
) -> Response:
    """Answer a request; never raises. When it is cancelled, a read is stopped and a write goes on to its end.

    `authenticate` gives the caller, or raises Unauthenticated; it is asked only where the operation needs a caller.
    What becomes of the request is noted in `record`.
    """
    record = record or OperationRecord()
    try:
        operation = record.operation = find_operation(request, service.documents)
        if operation.is_mutation and request.only_queries:
            return write_refusal(
                [format_service_error(BadUserInput("Mutations are sent by POST."))], Verdict.MUTATION_REFUSED, record
            )
        service.documents.check_request(operation, request.variables, request.size)
        caller = await admit(operation, authenticate, record)
        return await run_operation(operation, request.variables, caller, service, record)
    except RequestRefused as refusal:
        record.limit = refusal.limit
        return write_refusal(refusal.errors, find_verdict(refusal.errors, Verdict.REFUSED), record)
    except Exception as failure:
        return write_refusal([format_unforeseen(failure)], Verdict.FAILED, record)


def find_operation(request: GraphQLRequest, documents: Documents) -> Operation:
    """The operation that a request asks for, by a text, an identifier, or both. Raises RequestRefused."""
    if request.reference is not None:
        return documents.find_referred(request.query, request.operation_name, request.reference)
    assert request.query is not None
    return documents.find_operation(request.query, request.operation_name)


async def admit(
    operation: Operation, authenticate: Callable[[], Awaitable[Caller]], record: OperationRecord
) -> Caller | None:
    """Who asks for the operation; nobody where it needs none.

    Raises RequestRefused when there is no valid token, or when it does not grant what the operation needs.
    """
    if not operation.permissions:
        return None
    try:
        caller = await authenticate()
        record.site_id = caller.site_id
        require_permissions(caller, operation.permissions)
    except ServiceError as error:
        raise refuse(error) from error
    return caller


async def run_operation(
    operation: Operation,
    variables: Variables,
    caller: Caller | None,
    service: GraphQLService,
    record: OperationRecord,
) -> Response:
    """Run an operation compiled where that is possible, by reference where it is not, or where it fails.

    Both see the database of the caller's site alone.
    """
    may_lag = not operation.is_mutation
    reader = None if caller is None else SharingReader(service.database, caller.site_id, record, may_lag=may_lag)
    reason = "off" if caller is not None else "public"
    if service.compiles and reader is not None:
        record.path = COMPILED
        try:
            compiled, values = find_compiled(operation, variables)
            body = await compiled.answer(compiled.plan(values), reader, service.sdl)
        except Unusual as unusual:
            reason = str(unusual)
        except ServiceError as error:
            reason = error.code
        except Exception as fault:
            logger.warning("a compiled operation failed; the reference path takes it", exc_info=fault)
            reason = "fault"
        else:
            return Response(body, Verdict.EXECUTED)
    record.path, record.reason = REFERENCE, reason
    writer = None if caller is None else AttendanceWriter(service.database, caller.site_id, record)
    context = None if reader is None or writer is None else Context(reader, writer, operation.most_in_values)
    document = operation.syntax.read()
    execution = execute_document(document, operation.name, variables, context, service)
    result = await (service.writes.run(execution) if operation.is_mutation else execution)
    return write_response(document, result, record)


async def execute_document(
    document: DocumentNode,
    operation_name: str | None,
    variables: Variables,
    context: Context | None,
    service: GraphQLService,
) -> ExecutionResult:
    """The reference path: graphql-core runs the schema's resolvers.

    Without suggestions, errors of variables do not say what the schema has instead.
    """
    result = execute(
        SCHEMA,
        document,
        root_value=service.sdl,
        context_value=context,
        variable_values=dict(variables),
        operation_name=operation_name,
        executor_class=ProjectingExecutor,
        max_coercion_errors=MOST_VARIABLE_ERRORS,
        hide_suggestions=not service.documents.introspection,
    )
    return result if isinstance(result, ExecutionResult) else await result
