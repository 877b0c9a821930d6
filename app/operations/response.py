"""How a request ended, and its answer: the bytes of a result or of errors, and the verdict behind its status."""

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import orjson
from graphql import DocumentNode, ExecutionResult, GraphQLError

from app.errors import (
    BadUserInput,
    Forbidden,
    InternalServerError,
    OperationTimeout,
    ServiceUnavailable,
    Unauthenticated,
)
from app.operations.failures import FormattedError, format_field_error, format_request_error
from app.operations.locations import ArgumentFinder
from app.operations.record import DONE, OperationRecord


class Verdict(Enum):
    """How a request ended, for whoever turns it into a status."""

    __hash__ = object.__hash__

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


class Response(NamedTuple):
    """A response's body, and how the request ended."""

    body: bytes
    verdict: Verdict


def write_response(document: DocumentNode, result: ExecutionResult, record: OperationRecord) -> Response:
    if not result.errors:
        return Response(orjson.dumps({"data": result.data}), Verdict.EXECUTED)
    if result.data is None and all(error.path is None for error in result.errors):
        return write_refusal(format_variable_errors(document, result.errors), Verdict.REFUSED, record)
    arguments = ArgumentFinder(document)
    errors = [format_field_error(error, arguments) for error in result.errors]
    record.note_errors(errors)
    body = orjson.dumps({"errors": errors, "data": result.data})
    worst = find_verdict(errors, Verdict.EXECUTED)
    return Response(body, worst if result.data is None or worst is Verdict.UNAVAILABLE else Verdict.EXECUTED)


def format_variable_errors(document: DocumentNode, errors: Sequence[GraphQLError]) -> list[FormattedError]:
    arguments = ArgumentFinder(document)
    return [format_request_error(BadUserInput.code, error, arguments) for error in errors]


def write_refusal(errors: Sequence[FormattedError], verdict: Verdict, record: OperationRecord) -> Response:
    record.note_errors(errors)
    return Response(orjson.dumps({"errors": errors}), verdict)


def find_verdict(errors: Sequence[FormattedError], otherwise: Verdict) -> Verdict:
    """The verdict of the first error whose code has one of its own."""
    codes = [error["extensions"]["code"] for error in errors]
    return next((VERDICTS_BY_CODE[code] for code in codes if code in VERDICTS_BY_CODE), otherwise)
