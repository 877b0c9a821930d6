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
CRASH_SHUTDOWN = "57P02"
STALE_CONNECTION_STATES = frozenset({READ_ONLY_TRANSACTION, ADMIN_SHUTDOWN, CRASH_SHUTDOWN})
UNAVAILABLE_STATES = frozenset({UNDEFINED_TABLE})
UNAVAILABLE_CLASSES = (INSUFFICIENT_RESOURCES_CLASS, OPERATOR_INTERVENTION_CLASS)
CALL_AGAIN = "The database cannot be reached at the moment; try again shortly."


class NoFreeConnectionError(Exception):
    """All connections stayed lent for as long as somebody was ready to wait."""


class DatabaseBusy(ServiceUnavailable):
    """No connection was free in time: one more try would only take longer."""


class ConnectionLost(ServiceUnavailable):
    """The connection ended with a statement on it, or leads to a server that takes it no more: another may not."""


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
        if state in STALE_CONNECTION_STATES or state.startswith(CONNECTION_EXCEPTION_CLASS):
            return ConnectionLost(CALL_AGAIN)
        is_unavailable = state in UNAVAILABLE_STATES or state.startswith(UNAVAILABLE_CLASSES)
        return ServiceUnavailable(CALL_AGAIN) if is_unavailable else None
    if isinstance(failure, ValueError | BrokenPipeError) or not isinstance(failure, DRIVER_ERRORS):
        return None  # It is no fault of the database.
    return ConnectionLost(CALL_AGAIN)


def raise_translated(failure: BaseException) -> NoReturn:
    """Raise the error that callers see for a driver's error, or the failure itself where it is a fault."""
    translated = translate_failure(failure)
    if translated is None:
        raise failure
    raise translated from failure


def describe_failure(failure: BaseException) -> str:
    """A failure in one line, for the log."""
    return " ".join(f"{type(failure).__name__} {failure}".split())


def translate_connect_failure(failure: BaseException) -> ServiceUnavailable:
    """The same for what kept somebody from having a connection at all."""
    if isinstance(failure, NoFreeConnectionError):
        return DatabaseBusy("The database is busy at the moment; try again shortly.")
    return ServiceUnavailable(CALL_AGAIN)


def outdates_connections(failure: BaseException) -> bool:
    """Whether the failure says that connections lead to a server that has stepped down."""
    return isinstance(failure, asyncpg.PostgresError) and failure.sqlstate in STALE_CONNECTION_STATES
