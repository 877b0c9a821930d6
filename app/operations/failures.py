"""Errors as a response shows them: a message, where, a code, and the argument; never anything internal."""

import logging
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from graphql import GraphQLError, GraphQLFormattedError

from app.errors import BadUserInput, InternalServerError, OperationTooComplex, ServiceError
from app.operations.locations import ArgumentFinder

logger = logging.getLogger("attendance.operations")

LONGEST_MESSAGE = 1000
NULL_IN_PYTHON = ("not to be None.", "not to be null.")

FormattedError = dict[str, Any]


class RequestRefused(Exception):
    """A request that is answered without running anything: `errors` is the whole response.

    `limit` names the limit that the request is beyond, if it is refused for that.
    """

    def __init__(self, errors: Sequence[FormattedError], limit: str | None = None) -> None:
        super().__init__(errors)
        self.errors = errors
        self.limit = limit


def refuse(error: ServiceError) -> RequestRefused:
    limit = error.limit if isinstance(error, OperationTooComplex) else None
    return RequestRefused([format_service_error(error)], limit)


def format_service_error(error: ServiceError) -> FormattedError:
    extensions = {"code": error.code}
    if error.argument is not None:
        extensions["argument"] = error.argument
    return {"message": error.message, "extensions": extensions}


def format_request_error(code: str, error: GraphQLError, arguments: ArgumentFinder | None = None) -> FormattedError:
    """An error of the GraphQL library that keeps a request from being run."""
    extensions = {"code": code}
    if arguments is not None and (argument := arguments.find_argument(error)) is not None:
        extensions["argument"] = argument
    return {**locate(error), "extensions": extensions}


def format_field_error(error: GraphQLError, arguments: ArgumentFinder) -> FormattedError:
    """An error that a field ended in. What the service did not foresee is logged, and shown by its id alone."""
    cause = error.original_error
    if cause is None or isinstance(cause, GraphQLError):
        return format_request_error(BadUserInput.code, error, arguments)
    shown = format_service_error(cause) if isinstance(cause, ServiceError) else format_unforeseen(cause)
    return {**locate(error), **shown}


def format_unforeseen(failure: BaseException) -> FormattedError:
    """The error that stands for a fault of the service; the log has the rest under the same id."""
    error_id = uuid4().hex
    logger.error("unforeseen failure %s", error_id, exc_info=failure, extra={"error_id": error_id})
    message = f"Something went wrong here, not with you. When you report it, name error {error_id}."
    return {"message": message, "extensions": {"code": InternalServerError.code, "errorId": error_id}}


def locate(error: GraphQLError) -> GraphQLFormattedError:
    """The message, locations and path of an error, in GraphQL's terms and without extensions of the library's own."""
    message = error.message.replace(*NULL_IN_PYTHON)
    shown = message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}..."
    located: GraphQLFormattedError = {"message": shown}
    if error.locations:
        located["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        located["path"] = error.path
    return located
