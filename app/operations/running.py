"""The whole run of a GraphQL request: request -> operation -> plan -> statement -> rows -> response bytes."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson
from graphql import ExecutionResult, GraphQLError, execute

from app.attendance.reading import AttendanceReader
from app.attendance.writing import AttendanceWriter
from app.database.pool import Database
from app.errors import (
    BadUserInput,
    Forbidden,
    InternalServerError,
    OperationTimeout,
    ServiceError,
    ServiceUnavailable,
    Unauthenticated,
)
from app.operations.coercing import Unusual
from app.operations.documents import Documents, Operation
from app.operations.executing import ProjectingExecutor
from app.operations.failures import (
    FormattedError,
    RequestRefused,
    format_field_error,
    format_request_error,
    format_service_error,
    format_unforeseen,
    refuse,
)
from app.operations.permissions import Caller, require_permissions
from app.operations.record import COMPILED, DONE, REFERENCE, OperationRecord
from app.operations.variants import find_compiled
from app.operations.writes import Writes
from app.schema.context import Context
from app.schema.schema import SCHEMA

MOST_VARIABLE_ERRORS = 5


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A request as the GraphQL-over-HTTP specification has it; `only_queries` for GET."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    only_queries: bool = False


class Verdict(Enum):
    """How a request ended, for whoever turns it into a status."""

    EXECUTED = "executed"
    REFUSED = "refused"
    MUTATION_REFUSED = "mutation refused"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed out"
    FAILED = "failed"


VERDICTS_BY_CODE = {
    Unauthenticated.code: Verdict.UNAUTHENTICATED,
    Forbidden.code: Verdict.FORBIDDEN,
    ServiceUnavailable.code: Verdict.UNAVAILABLE,
    OperationTimeout.code: Verdict.TIMED_OUT,
    InternalServerError.code: Verdict.FAILED,
}


OUTCOMES = {
    **dict.fromkeys(Verdict, BadUserInput.code),
    **{verdict: code for code, verdict in VERDICTS_BY_CODE.items()},
    Verdict.EXECUTED: DONE,
}


@dataclass(frozen=True, slots=True)
class Response:
    """A response's body, and how the request ended."""

    body: bytes
    verdict: Verdict


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
        operation = record.operation = service.documents.find_operation(request.query, request.operation_name)
        if operation.is_mutation and request.only_queries:
            return write_refusal(
                [format_service_error(BadUserInput("Mutations are sent by POST."))], Verdict.MUTATION_REFUSED, record
            )
        caller = await admit(operation, authenticate, record)
        return await run_operation(operation, request.variables, caller, service, record)
    except RequestRefused as refusal:
        record.limit = refusal.limit
        return write_refusal(refusal.errors, find_verdict(refusal.errors, Verdict.REFUSED), record)
    except Exception as failure:
        return write_refusal([format_unforeseen(failure)], Verdict.FAILED, record)


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
    variables: dict[str, Any],
    caller: Caller | None,
    service: GraphQLService,
    record: OperationRecord,
) -> Response:
    """Run an operation compiled where that is possible, by reference where it is not, or where it fails.

    Both see the database of the caller's site alone.
    """
    reader = None if caller is None else AttendanceReader(service.database, caller.site_id, record)
    reason = "off" if caller is not None else "public"
    if service.compiles and reader is not None:
        record.path = COMPILED
        try:
            compiled, values = find_compiled(operation, variables)
            body = await compiled.answer(compiled.plan(values), reader)
        except Unusual as unusual:
            reason = str(unusual)
        except ServiceError as error:
            reason = error.code
        else:
            return Response(body, Verdict.EXECUTED)
    record.path, record.reason = REFERENCE, reason
    writer = None if caller is None else AttendanceWriter(service.database, caller.site_id, record)
    context = None if reader is None or writer is None else Context(reader, writer)
    execution = execute_operation(operation, variables, context, service)
    result = await (service.writes.run(execution) if operation.is_mutation else execution)
    return write_response(operation, result, record)


async def execute_operation(
    operation: Operation, variables: dict[str, Any], context: Context | None, service: GraphQLService
) -> ExecutionResult:
    """The reference path: graphql-core runs the schema's resolvers.

    Without suggestions, errors of variables do not say what the schema has instead.
    """
    result = execute(
        SCHEMA,
        operation.document,
        root_value=service.sdl,
        context_value=context,
        variable_values=variables,
        operation_name=operation.name,
        executor_class=ProjectingExecutor,
        max_coercion_errors=MOST_VARIABLE_ERRORS,
        hide_suggestions=not service.documents.introspection,
    )
    return result if isinstance(result, ExecutionResult) else await result


def write_response(operation: Operation, result: ExecutionResult, record: OperationRecord) -> Response:
    if not result.errors:
        return Response(orjson.dumps({"data": result.data}), Verdict.EXECUTED)
    if result.data is None and all(error.path is None for error in result.errors):
        return write_refusal(format_variable_errors(operation, result.errors), Verdict.REFUSED, record)
    errors = [format_field_error(error, operation.document) for error in result.errors]
    record.note_errors(errors)
    body = orjson.dumps({"errors": errors, "data": result.data})
    worst = find_verdict(errors, Verdict.EXECUTED)
    return Response(body, worst if result.data is None or worst is Verdict.UNAVAILABLE else Verdict.EXECUTED)


def format_variable_errors(operation: Operation, errors: Sequence[GraphQLError]) -> list[FormattedError]:
    return [format_request_error(BadUserInput.code, error, operation.document) for error in errors]


def write_refusal(errors: Sequence[FormattedError], verdict: Verdict, record: OperationRecord) -> Response:
    record.note_errors(errors)
    return Response(orjson.dumps({"errors": errors}), verdict)


def find_verdict(errors: Sequence[FormattedError], otherwise: Verdict) -> Verdict:
    """The verdict of the first error whose code has one of its own."""
    codes = [error["extensions"]["code"] for error in errors]
    return next((VERDICTS_BY_CODE[code] for code in codes if code in VERDICTS_BY_CODE), otherwise)
