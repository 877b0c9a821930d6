"""Translates the driver's errors into the service's errors, by SQLSTATE."""

from typing import NoReturn

import asyncpg

from app.errors import Conflict, OperationTimeout, ServiceError, ServiceUnavailable

CONFLICTS = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError, asyncpg.LockNotAvailableError)
# The server has stepped down, so that all connections to it are outdated.
OUTDATING = (asyncpg.ReadOnlySQLTransactionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
UNDEFINED = (asyncpg.UndefinedTableError, asyncpg.InvalidSQLStatementNameError)
# Classes of SQLSTATE, whose first two characters are the same. Poolers and new servers use some that the driver lacks.
CONNECTION_EXCEPTION = "08"
# Insufficient resources, operator intervention, and the server's own disk or network: Citus says so of its workers.
UNAVAILABLE = ("53", "57", "58")
LOST_WORKER = "failure on connection marked as essential"
STARTUP_PARAMETER = "startup parameter"  # as in PgBouncer's `unsupported startup parameter: role`
CONNECT_PRIVILEGE = "CONNECT"  # as in Postgres's `User does not have CONNECT privilege.`, in any language
LOST_STATEMENT = (
    "a pooler in transaction mode loses prepared statements: use PgBouncer 1.21 or later with max_prepared_statements, "
    "or connect to Postgres directly"
)
LOST_STATEMENT_ERRORS = (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError)
TOOK_TOO_LONG = "The operation took too long and was stopped; ask for less, or try again."
CALL_AGAIN = "The database cannot be reached at the moment; try again shortly."


class PoolExhaustedError(Exception):
    """All connections stayed in use for as long as the caller could wait."""


class DatabaseBusy(ServiceUnavailable):
    """No connection was free in time; a retry would only add to the load."""


class ConnectionLost(ServiceUnavailable):
    """The connection ended during a statement, or its server no longer accepts it; another connection may work."""


# The role that a connection takes does not exist, or the user may not take it.
ROLE_ERRORS = (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError)


class SessionRefused(Exception):
    """A session must not be used; the text says why and names the cure."""


# The driver raises InternalClientError when a connection ends at a moment that it does not expect.
DRIVER_ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionError,
    TimeoutError,
)
CONNECT_ERRORS = (*DRIVER_ERRORS, PoolExhaustedError, SessionRefused, OSError, ValueError, OverflowError)


def translate_failure(failure: BaseException) -> ServiceError | None:
    """The error that callers see for a driver's error; None for a fault of the service."""
    if isinstance(failure, asyncpg.QueryCanceledError):
        return OperationTimeout(TOOK_TOO_LONG)
    if isinstance(failure, CONFLICTS):
        return Conflict("Another change got in the way; try again.")
    if isinstance(failure, asyncpg.PostgresError):
        state = failure.sqlstate or ""
        is_lost = isinstance(failure, OUTDATING) or state.startswith(CONNECTION_EXCEPTION)
        if is_lost or (isinstance(failure, asyncpg.InternalServerError) and LOST_WORKER in str(failure)):
            return ConnectionLost(CALL_AGAIN)
        is_unavailable = isinstance(failure, UNDEFINED) or state.startswith(UNAVAILABLE)
        return ServiceUnavailable(CALL_AGAIN) if is_unavailable else None
    if isinstance(failure, ValueError | BrokenPipeError) or not isinstance(failure, DRIVER_ERRORS):
        return None  # The database did not cause it.
    return ConnectionLost(CALL_AGAIN)


def raise_translated(failure: BaseException) -> NoReturn:
    """Raise the error that callers see for a driver's error, or the failure itself where it is a fault."""
    translated = translate_failure(failure)
    if translated is None:
        raise failure
    raise translated from failure


def is_out_of_time(failure: BaseException) -> bool:
    """Whether the client has stopped a statement, which it does if nothing else has."""
    return isinstance(failure, TimeoutError) and failure.errno is None


def is_disk_full(error: ServiceError) -> bool:
    """Whether the disk that the database writes to is full, of which callers are told no more than that it is gone."""
    return isinstance(error.__cause__, asyncpg.DiskFullError)


def describe_failure(failure: BaseException) -> str:
    """A failure in one line, for the log."""
    if isinstance(failure, SessionRefused):
        return str(failure)
    return " ".join(f"{type(failure).__name__} {failure}".split())


def explain_refusal(failure: BaseException, role: str | None) -> str | None:
    """Why a server that answers gives no usable session, with the cure; None for any other failure to connect.

    `role` is the one that connections take, if any.
    """
    if isinstance(failure, SessionRefused):
        return str(failure)
    if isinstance(failure, asyncpg.InsufficientPrivilegeError) and CONNECT_PRIVILEGE in (failure.detail or ""):
        return "the user of the URL may not connect to the database: an administrator runs `GRANT CONNECT ON DATABASE`"
    if role is None:
        return LOST_STATEMENT if isinstance(failure, LOST_STATEMENT_ERRORS) else None
    if isinstance(failure, ROLE_ERRORS):
        return (
            f"the role {role} does not exist or cannot be taken: run `attendance migrate`, or `GRANT {role} TO` the "
            "user of the URL"
        )
    if isinstance(failure, asyncpg.ProtocolViolationError) and STARTUP_PARAMETER in str(failure):
        name = str(failure).rpartition(" ")[2]
        return (
            f"a pooler refuses the startup parameter {name}: connect to Postgres directly, or set "
            "ATTENDANCE_ROW_SECURITY=off and run `attendance migrate`"
        )
    return None


def translate_connect_failure(failure: BaseException) -> ServiceUnavailable:
    """The error that callers see when no connection could be acquired."""
    if isinstance(failure, PoolExhaustedError):
        return DatabaseBusy("The database is busy at the moment; try again shortly.")
    return ServiceUnavailable(CALL_AGAIN)


def outdates_connections(failure: BaseException) -> bool:
    """Whether the failure shows that the server has stepped down, so that all connections to it are outdated."""
    return isinstance(failure, OUTDATING)
