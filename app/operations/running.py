"""The whole run of a GraphQL request: request -> operation -> plan -> statement -> rows -> response bytes."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

import orjson
from graphql import DocumentNode, ExecutionResult, GraphQLError, execute

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
from app.operations.locations import ArgumentFinder
from app.operations.permissions import Caller, require_permissions
from app.operations.persisted import DocumentReference
from app.operations.variants import PathCounts, find_compiled
from app.operations.writes import Writes
from app.schema.context import Context
from app.schema.schema import SCHEMA

logger = logging.getLogger("attendance.operations")

MOST_VARIABLE_ERRORS = 5


@dataclass(frozen=True, slots=True)
class GraphQLRequest:
    """A request as the GraphQL-over-HTTP specification has it; `only_queries` for GET.

    With a `reference` the query may be left out.
    """

    query: str | None
    operation_name: str | None = None
    variables: dict[str, Any] = field(default_factory=dict)
    only_queries: bool = False
    reference: DocumentReference | None = None


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


@dataclass(frozen=True, slots=True)
class Response:
    """A response's body, and how the request ended."""

    body: bytes
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class GraphQLService:
    """What all requests share.

    These are the documents, the database, the schema's text that gateways ask for, whether operations are compiled,
    how many were, and the writes that run.
    """

    documents: Documents
    database: Database
    sdl: str
    compiles: bool = True
    paths: PathCounts = field(default_factory=PathCounts)
    writes: Writes = field(default_factory=Writes)


async def run_request(
    request: GraphQLRequest, authenticate: Callable[[], Awaitable[Caller]], service: GraphQLService
) -> Response:
    """Answer a request; never raises. When it is cancelled, a read is stopped and a write goes on to its end.

    `authenticate` gives the caller, or raises Unauthenticated; it is asked only where the operation needs a caller.
    """
    try:
        operation = find_operation(request, service.documents)
        if operation.is_mutation and request.only_queries:
            return write_refusal(
                [format_service_error(BadUserInput("Mutations are sent by POST."))], Verdict.MUTATION_REFUSED
            )
        service.documents.check_request(operation, request.variables)
        caller = await admit(operation, authenticate)
        return await run_operation(operation, request.variables, caller, service)
    except RequestRefused as refusal:
        return write_refusal(refusal.errors, find_verdict(refusal.errors, Verdict.REFUSED))
    except Exception as failure:
        return write_refusal([format_unforeseen(failure)], Verdict.FAILED)


def find_operation(request: GraphQLRequest, documents: Documents) -> Operation:
    """The operation that a request asks for, by a text, an identifier, or both. Raises RequestRefused."""
    if request.reference is not None:
        return documents.find_referred(request.query, request.operation_name, request.reference)
    assert request.query is not None
    return documents.find_operation(request.query, request.operation_name)


async def admit(operation: Operation, authenticate: Callable[[], Awaitable[Caller]]) -> Caller | None:
    """Who asks for the operation; nobody where it needs none.

    Raises RequestRefused when there is no valid token, or when it does not grant what the operation needs.
    """
    if not operation.permissions:
        return None
    try:
        caller = await authenticate()
        require_permissions(caller, operation.permissions)
    except ServiceError as error:
        raise refuse(error) from error
    return caller


async def run_operation(
    operation: Operation, variables: dict[str, Any], caller: Caller | None, service: GraphQLService
) -> Response:
    """Run an operation compiled where that is possible, by reference where it is not, or where it fails.

    Both see the database of the caller's site alone.
    """
    may_lag = not operation.is_mutation
    reader = None if caller is None else AttendanceReader(service.database, caller.site_id, may_lag=may_lag)
    reason = "off" if caller is not None else "public"
    if service.compiles and reader is not None:
        try:
            compiled, values = find_compiled(operation, variables)
            body = await compiled.answer(compiled.plan(values), reader)
        except Unusual as unusual:
            reason = str(unusual)
        except ServiceError as error:
            reason = error.code
        except Exception as fault:
            logger.warning("a compiled operation failed; the reference path takes it", exc_info=fault)
            reason = "fault"
        else:
            service.paths.compiled["query"] += 1
            return Response(body, Verdict.EXECUTED)
    service.paths.reference[reason] += 1
    writer = None if caller is None else AttendanceWriter(service.database, caller.site_id)
    context = None if reader is None or writer is None else Context(reader, writer)
    document = operation.syntax.read()
    execution = execute_document(document, operation.name, variables, context, service)
    return write_response(document, await (service.writes.run(execution) if operation.is_mutation else execution))


async def execute_document(
    document: DocumentNode,
    operation_name: str | None,
    variables: dict[str, Any],
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
        variable_values=variables,
        operation_name=operation_name,
        executor_class=ProjectingExecutor,
        max_coercion_errors=MOST_VARIABLE_ERRORS,
        hide_suggestions=not service.documents.introspection,
    )
    return result if isinstance(result, ExecutionResult) else await result


def write_response(document: DocumentNode, result: ExecutionResult) -> Response:
    if not result.errors:
        return Response(orjson.dumps({"data": result.data}), Verdict.EXECUTED)
    if result.data is None and all(error.path is None for error in result.errors):
        return write_refusal(format_variable_errors(document, result.errors), Verdict.REFUSED)
    arguments = ArgumentFinder(document)
    errors = [format_field_error(error, arguments) for error in result.errors]
    body = orjson.dumps({"errors": errors, "data": result.data})
    worst = find_verdict(errors, Verdict.EXECUTED)
    return Response(body, worst if result.data is None or worst is Verdict.UNAVAILABLE else Verdict.EXECUTED)


def format_variable_errors(document: DocumentNode, errors: Sequence[GraphQLError]) -> list[FormattedError]:
    arguments = ArgumentFinder(document)
    return [format_request_error(BadUserInput.code, error, arguments) for error in errors]


def write_refusal(errors: Sequence[FormattedError], verdict: Verdict) -> Response:
    return Response(orjson.dumps({"errors": errors}), verdict)


def find_verdict(errors: Sequence[FormattedError], otherwise: Verdict) -> Verdict:
    """The verdict of the first error whose code has one of its own."""
    codes = [error["extensions"]["code"] for error in errors]
    return next((VERDICTS_BY_CODE[code] for code in codes if code in VERDICTS_BY_CODE), otherwise)
