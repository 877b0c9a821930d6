"""Errors as a response shows them: a message, where, a code, and the argument; never anything internal."""

import logging
import re
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

from graphql import GraphQLError, GraphQLFormattedError

from app.documents.locations import ArgumentFinder
from app.errors import InternalServerError, OperationTooComplex, ServiceError
from app.schema.arguments import FILTER_TYPE

logger = logging.getLogger("attendance.operations")

LONGEST_MESSAGE = 1000
NULL_IN_PYTHON = ("not to be None.", "not to be null.")
# What Python says of a value that a scalar does not take.
PYTHON_ERROR = re.compile(r", but encountered error '.*?'(?=[;.])", re.DOTALL)
# Values that are shown as Python writes them, where they stand alone.
PYTHON_WORD = re.compile(r"(?<=value: )(True|False|None)\b|(?<=found: )(True|False|None)\b")
SECOND_FILTERS = (
    f"Within OneOf Input Object type '{FILTER_TYPE}'",
    f"Expected value of type '{FILTER_TYPE}' to be an object, found: [",
    "There can be only one argument named 'filter'.",
)
FILTER_HINT = " A query takes one filter. To read the records of one booking or session, name it in `perspective`."

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
    return {"message": shorten(error.message), "extensions": extensions}


def format_request_error(code: str, error: GraphQLError, arguments: ArgumentFinder | None = None) -> FormattedError:
    """An error of the GraphQL library that keeps a request from being run."""
    extensions = {"code": code}
    if arguments is not None:
        error = arguments.find_original(error)
        if (argument := arguments.find_argument(error)) is not None:
            extensions["argument"] = shorten(argument)
    return {**locate(error), "extensions": extensions}


def format_failure(cause: Exception, path: Sequence[str | int], line: int, column: int) -> FormattedError:
    """The error of a field. What the service did not foresee is logged, and shown by its id alone."""
    shown = format_service_error(cause) if isinstance(cause, ServiceError) else format_unforeseen(cause)
    return {**shown, "locations": [{"line": line, "column": column}], "path": list(path)}


def format_unforeseen(failure: BaseException) -> FormattedError:
    """The error that stands for a fault of the service; the log has the rest under the same id."""
    error_id = uuid4().hex
    logger.error("unforeseen failure %s", error_id, exc_info=failure, extra={"error_id": error_id})
    message = f"Something went wrong here, not with you. When you report it, name error {error_id}."
    return {"message": message, "extensions": {"code": InternalServerError.code, "errorId": error_id}}


def locate(error: GraphQLError) -> GraphQLFormattedError:
    """The message, locations and path of an error, in GraphQL's terms and without extensions of the library's own."""
    message = shorten(write_in_graphql(error.message))
    is_second_filter = any(text in message for text in SECOND_FILTERS)
    located: GraphQLFormattedError = {"message": message + FILTER_HINT if is_second_filter else message}
    if error.locations:
        located["locations"] = [location.formatted for location in error.locations]
    if error.path is not None:
        located["path"] = error.path
    return located


def write_in_graphql(message: str) -> str:
    """A message of the GraphQL library without Python's words."""
    without_error = PYTHON_ERROR.sub("", message.replace(*NULL_IN_PYTHON))
    return PYTHON_WORD.sub(lambda word: "null" if word[0] == "None" else word[0].lower(), without_error)


def shorten(message: str) -> str:
    return message if len(message) <= LONGEST_MESSAGE else f"{message[:LONGEST_MESSAGE]}..."
