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
from app.schema.context import Context
from app.schema.schema import SCHEMA

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
    """What all requests share: documents, the database, and the schema's text that gateways ask for."""

    documents: Documents
    database: Database
    sdl: str


async def run_request(
    request: GraphQLRequest, authenticate: Callable[[], Awaitable[Caller]], service: GraphQLService
) -> Response:
    """Answer a request; never raises.

    `authenticate` gives the caller, or raises Unauthenticated; it is asked only where the operation needs a caller.
    """
    try:
        operation = find_operation(request, service.documents)
        if operation.is_mutation and request.only_queries:
            return write_refusal(
                [format_service_error(BadUserInput("Mutations are sent by POST."))], Verdict.MUTATION_REFUSED
            )
        service.documents.check_request(operation, request.variables)
        context = await admit(operation, authenticate, service.database)
        result = await execute_operation(operation, request.variables, context, service)
        return write_response(operation, result)
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


async def admit(
    operation: Operation, authenticate: Callable[[], Awaitable[Caller]], database: Database
) -> Context | None:
    """What the operation's fields may work with: the caller's site alone, and nothing where none is needed.

    Raises RequestRefused when there is no valid token, or when it does not grant what the operation needs.
    """
    if not operation.permissions:
        return None
    try:
        caller = await authenticate()
        require_permissions(caller, operation.permissions)
    except ServiceError as error:
        raise refuse(error) from error
    return Context(AttendanceReader(database, caller.site_id), AttendanceWriter(database, caller.site_id))


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


def write_response(operation: Operation, result: ExecutionResult) -> Response:
    if not result.errors:
        return Response(orjson.dumps({"data": result.data}), Verdict.EXECUTED)
    if result.data is None and all(error.path is None for error in result.errors):
        return write_refusal(format_variable_errors(operation, result.errors), Verdict.REFUSED)
    arguments = ArgumentFinder(operation.document)
    errors = [format_field_error(error, arguments) for error in result.errors]
    body = orjson.dumps({"errors": errors, "data": result.data})
    worst = find_verdict(errors, Verdict.EXECUTED)
    return Response(body, worst if result.data is None or worst is Verdict.UNAVAILABLE else Verdict.EXECUTED)


def format_variable_errors(operation: Operation, errors: Sequence[GraphQLError]) -> list[FormattedError]:
    arguments = ArgumentFinder(operation.document)
    return [format_request_error(BadUserInput.code, error, arguments) for error in errors]


def write_refusal(errors: Sequence[FormattedError], verdict: Verdict) -> Response:
    return Response(orjson.dumps({"errors": errors}), verdict)


def find_verdict(errors: Sequence[FormattedError], otherwise: Verdict) -> Verdict:
    """The verdict of the first error whose code has one of its own."""
    codes = [error["extensions"]["code"] for error in errors]
    return next((VERDICTS_BY_CODE[code] for code in codes if code in VERDICTS_BY_CODE), otherwise)
