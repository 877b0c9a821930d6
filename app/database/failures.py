"""What the driver raises, translated once into the service's errors, by SQLSTATE."""

import asyncpg

from app.errors import Conflict, OperationTimeout, ServiceError, ServiceUnavailable

QUERY_CANCELED = "57014"
CONFLICT_STATES = frozenset({"40001", "40P01", "55P03"})
CONNECTION_EXCEPTION_CLASS = "08"
INSUFFICIENT_RESOURCES_CLASS = "53"
OPERATOR_INTERVENTION_CLASS = "57"
READ_ONLY_TRANSACTION = "25006"
ADMIN_SHUTDOWN = "57P01"
STALE_CONNECTION_STATES = frozenset({READ_ONLY_TRANSACTION, ADMIN_SHUTDOWN})
UNAVAILABLE_CLASSES = (CONNECTION_EXCEPTION_CLASS, INSUFFICIENT_RESOURCES_CLASS, OPERATOR_INTERVENTION_CLASS)

DRIVER_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


def translate_failure(failure: BaseException) -> ServiceError | None:
    """The error that callers see for a driver's error; None for one that is a fault of the service."""
    if isinstance(failure, asyncpg.PostgresError):
        state = failure.sqlstate or ""
        if state == QUERY_CANCELED:
            return OperationTimeout("The operation took too long and was stopped; ask for less, or try again.")
        if state in CONFLICT_STATES:
            return Conflict("Another change got in the way; try again.")
        is_unavailable = state == READ_ONLY_TRANSACTION or state.startswith(UNAVAILABLE_CLASSES)
        return unavailable() if is_unavailable else None
    is_no_fault_of_the_database = isinstance(failure, ValueError | BrokenPipeError)
    return None if is_no_fault_of_the_database or not isinstance(failure, DRIVER_ERRORS) else unavailable()


def unavailable() -> ServiceUnavailable:
    return ServiceUnavailable("The database cannot be reached at the moment; try again shortly.")


def outdates_connections(failure: BaseException) -> bool:
    """Whether the failure says that connections lead to a server that has stepped down."""
    return isinstance(failure, asyncpg.PostgresError) and failure.sqlstate in STALE_CONNECTION_STATES
