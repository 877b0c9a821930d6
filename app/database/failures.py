"""What the driver raises, translated once into the service's errors, by SQLSTATE."""

from typing import NoReturn

import asyncpg

from app.errors import Conflict, OperationTimeout, ServiceError, ServiceUnavailable

QUERY_CANCELED = "57014"
CONFLICT_STATES = frozenset({"40001", "40P01", "55P03"})
CONNECTION_EXCEPTION_CLASS = "08"
INSUFFICIENT_RESOURCES_CLASS = "53"
OPERATOR_INTERVENTION_CLASS = "57"
READ_ONLY_TRANSACTION = "25006"
UNDEFINED_TABLE = "42P01"
ADMIN_SHUTDOWN = "57P01"
STALE_CONNECTION_STATES = frozenset({READ_ONLY_TRANSACTION, ADMIN_SHUTDOWN})
UNAVAILABLE_STATES = frozenset({READ_ONLY_TRANSACTION, UNDEFINED_TABLE})
UNAVAILABLE_CLASSES = (CONNECTION_EXCEPTION_CLASS, INSUFFICIENT_RESOURCES_CLASS, OPERATOR_INTERVENTION_CLASS)


class NoFreeConnectionError(Exception):
    """All connections stayed lent for as long as somebody was ready to wait."""


# The driver calls it its own fault when a connection ends at a moment that it does not expect.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)
CONNECT_ERRORS = (*DRIVER_ERRORS, NoFreeConnectionError, OSError, ValueError, OverflowError)


def translate_failure(failure: BaseException) -> ServiceError | None:
    """The error that callers see for a driver's error; None for one that is a fault of the service."""
    if isinstance(failure, asyncpg.PostgresError):
        state = failure.sqlstate or ""
        if state == QUERY_CANCELED:
            return OperationTimeout("The operation took too long and was stopped; ask for less, or try again.")
        if state in CONFLICT_STATES:
            return Conflict("Another change got in the way; try again.")
        is_unavailable = state in UNAVAILABLE_STATES or state.startswith(UNAVAILABLE_CLASSES)
        return unavailable() if is_unavailable else None
    is_no_fault_of_the_database = isinstance(failure, ValueError | BrokenPipeError)
    return None if is_no_fault_of_the_database or not isinstance(failure, DRIVER_ERRORS) else unavailable()


def raise_translated(failure: BaseException) -> NoReturn:
    """Raise the error that callers see for a driver's error, or the failure itself where it is a fault."""
    translated = translate_failure(failure)
    if translated is None:
        raise failure
    raise translated from failure


def describe_failure(failure: BaseException) -> str:
    """A failure in one line, for the log."""
    return " ".join(f"{type(failure).__name__} {failure}".split())


def unavailable() -> ServiceUnavailable:
    return ServiceUnavailable("The database cannot be reached at the moment; try again shortly.")


def outdates_connections(failure: BaseException) -> bool:
    """Whether the failure says that connections lead to a server that has stepped down."""
    return isinstance(failure, asyncpg.PostgresError) and failure.sqlstate in STALE_CONNECTION_STATES
