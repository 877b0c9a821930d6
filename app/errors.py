"""The closed tree of errors that callers may see: a code, a sentence that helps, and the argument at fault.

Whatever is raised and is not a `ServiceError` is a fault of the service: it is logged under an id, and the
caller sees that id alone.
"""

from typing import ClassVar


class ServiceError(Exception):
    """An error whose message is meant for the caller.

    `argument` is the dotted path of the argument at fault, such as `filter.bookingId.eq`.
    """

    code: ClassVar[str]

    def __init__(self, message: str, *, argument: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.argument = argument


class ParseFailed(ServiceError):
    code = "GRAPHQL_PARSE_FAILED"


class ValidationFailed(ServiceError):
    code = "GRAPHQL_VALIDATION_FAILED"


class BadUserInput(ServiceError):
    code = "BAD_USER_INPUT"


class PersistedQueryNotFound(ServiceError):
    """A hash of Apollo's automatic persisted queries that is not registered. Clients send the document then."""

    code = "PERSISTED_QUERY_NOT_FOUND"


class CursorInvalid(ServiceError):
    code = "CURSOR_INVALID"


class CursorMalformed(CursorInvalid):
    """A text that is no cursor, of whichever connection."""


class CursorMismatch(ServiceError):
    code = "CURSOR_MISMATCH"


class CursorExpired(ServiceError):
    """A cursor of changes that is older than the deletions that are kept."""

    code = "CURSOR_EXPIRED"


class OperationTooComplex(ServiceError):
    """A request beyond a limit, which `limit` names for those who count refusals."""

    code = "OPERATION_TOO_COMPLEX"

    def __init__(self, message: str, *, limit: str) -> None:
        super().__init__(message)
        self.limit = limit


class Unauthenticated(ServiceError):
    code = "UNAUTHENTICATED"


class Forbidden(ServiceError):
    code = "FORBIDDEN"


class AttendanceNotFound(ServiceError):
    code = "ATTENDANCE_NOT_FOUND"


class Conflict(ServiceError):
    code = "CONFLICT"


class OperationTimeout(ServiceError):
    code = "TIMEOUT"


class ServiceUnavailable(ServiceError):
    code = "SERVICE_UNAVAILABLE"


class InternalServerError(ServiceError):
    code = "INTERNAL_SERVER_ERROR"


class ConfigurationError(Exception):
    """A setting, a file or an argument of the command line that cannot be used; the message says what to change."""
