"""The response of a request: the bytes of a result or of errors, and how the request ended."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import orjson
from graphql import GraphQLError

from app.documents.errors import FormattedError, format_failure, format_request_error
from app.documents.locations import ArgumentFinder
from app.documents.operation import Operation
from app.engine.coercion import InputRefused
from app.engine.execution import Result
from app.engine.failures import FieldFailure
from app.engine.fields import CompiledOperation
from app.engine.pieces import LARGE_BYTES, fail_large
from app.engine.refusals import explain_argument
from app.errors import (
    BadUserInput,
    Forbidden,
    InternalServerError,
    OperationTimeout,
    OperationTooComplex,
    PersistedQueryNotFound,
    ServiceUnavailable,
    Unauthenticated,
)
from app.operations.record import DONE, OperationRecord


class Outcome(Enum):
    """How a request ended, for whoever turns it into a status."""

    __hash__ = object.__hash__

    EXECUTED = "executed"
    REFUSED = "refused"
    NOT_REGISTERED = "not registered"
    MUTATION_REFUSED = "mutation refused"
    SUBSCRIPTION_REFUSED = "subscription refused"
    UNAUTHENTICATED = "unauthenticated"
    FORBIDDEN = "forbidden"
    UNAVAILABLE = "unavailable"
    TIMED_OUT = "timed out"
    FAILED = "failed"


EXECUTED = Outcome.EXECUTED  # Each use of an enum's member is a call in Python 3.11.
OUTCOMES_BY_CODE = {
    Unauthenticated.code: Outcome.UNAUTHENTICATED,
    Forbidden.code: Outcome.FORBIDDEN,
    ServiceUnavailable.code: Outcome.UNAVAILABLE,
    OperationTimeout.code: Outcome.TIMED_OUT,
    InternalServerError.code: Outcome.FAILED,
    PersistedQueryNotFound.code: Outcome.NOT_REGISTERED,
}


CODES_OF_OUTCOMES = {
    **dict.fromkeys(Outcome, BadUserInput.code),
    **{outcome: code for code, outcome in OUTCOMES_BY_CODE.items()},
    Outcome.EXECUTED: DONE,
}


@dataclass(slots=True)
class Response:
    """A response's body, and how the request ended."""

    body: bytes
    outcome: Outcome


def write_errors(
    result: Result, operation: Operation, variables: Mapping[str, Any], record: OperationRecord
) -> Response:
    """The response of an operation with failed fields; errors are in the order in which they occurred."""
    errors = [format_field_failure(each, operation, variables) for each in result.failures]
    record.note_errors(errors)
    for failure in result.failures:
        if isinstance(failure.cause, OperationTooComplex):
            record.limit = failure.cause.limit
    body = orjson.dumps({"errors": errors, "data": result.data})
    worst = find_outcome(errors, Outcome.EXECUTED)
    return Response(body, worst if result.data is None or worst is Outcome.UNAVAILABLE else Outcome.EXECUTED)


def format_field_failure(failure: FieldFailure, operation: Operation, variables: Mapping[str, Any]) -> FormattedError:
    """The error of a field. For an argument that GraphQL does not allow, graphql-core gives the reason."""
    if isinstance(failure.cause, GraphQLError):
        return format_request_error(BadUserInput.code, failure.cause, ArgumentFinder(operation.syntax.read()))
    if isinstance(failure.cause, InputRefused):
        return explain_argument(operation, variables, failure.path)
    return format_failure(failure.cause, failure.path, *failure.location)


def refuse_large(operation: Operation, compiled: CompiledOperation, record: OperationRecord) -> Response:
    """The response in place of one that is too large."""
    result = Result(None, [fail_large(compiled.steps[0][0])])
    return write_errors(result, operation, {}, record)


def may_be_large(operation: Operation, compiled: CompiledOperation, variables: Mapping[str, Any]) -> bool:
    """Whether the response to these variables may have so many bytes that it is written in pieces."""
    return operation.cost(variables) * compiled.record_bytes > LARGE_BYTES


def write_refusal(errors: Sequence[FormattedError], outcome: Outcome, record: OperationRecord) -> Response:
    record.note_errors(errors)
    return Response(orjson.dumps({"errors": errors}), outcome)


def find_outcome(errors: Sequence[FormattedError], otherwise: Outcome) -> Outcome:
    """The outcome of the first error whose code has one of its own."""
    codes = [error["extensions"]["code"] for error in errors]
    return next((OUTCOMES_BY_CODE[code] for code in codes if code in OUTCOMES_BY_CODE), otherwise)
