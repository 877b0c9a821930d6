"""What the driver raises becomes the service's errors, by SQLSTATE, in one place."""

import asyncpg
import pytest

from app.database.failures import ConnectionLost, outdates_connections, translate_failure
from app.errors import Conflict, OperationTimeout, ServiceError, ServiceUnavailable

SECRET = 'column "secret" of /var/lib: SELECT 1'
ERRORS: dict[str, type[ServiceError] | None] = {
    "57014": OperationTimeout,  # query_canceled
    "40001": Conflict,  # serialization_failure
    "40P01": Conflict,  # deadlock_detected
    "55P03": Conflict,  # lock_not_available
    "08006": ConnectionLost,  # connection_failure
    "08P01": ConnectionLost,  # protocol_violation
    "53100": ServiceUnavailable,  # disk_full
    "53300": ServiceUnavailable,  # too_many_connections
    "57P01": ConnectionLost,  # admin_shutdown
    "57P02": ConnectionLost,  # crash_shutdown
    "57P03": ServiceUnavailable,  # cannot_connect_now
    "58030": ServiceUnavailable,  # io_error: of a disk, or of Citus's connection to a worker
    "25006": ConnectionLost,  # read_only_sql_transaction
    "42P01": ServiceUnavailable,  # undefined_table: not migrated yet
    "26000": ServiceUnavailable,  # invalid_sql_statement_name: a pooler lost a prepared statement
    "42703": None,  # undefined_column
    "23505": None,  # unique_violation
    "23514": None,  # check_violation
    "42501": None,  # insufficient_privilege
    "42601": None,  # syntax_error
    "22003": None,  # numeric_value_out_of_range
    "22P02": None,  # invalid_text_representation
    "XX000": None,  # internal_error
    "99999": None,  # a state that nobody knows
    "08999": ConnectionLost,  # states that the driver does not know, of classes that it does
    "53999": ServiceUnavailable,
    "57P99": ServiceUnavailable,
    "58999": ServiceUnavailable,
}


def make_failure(state: str, message: str = SECRET) -> asyncpg.PostgresError:
    failure: asyncpg.PostgresError = asyncpg.PostgresError.new({"S": "ERROR", "C": state, "M": message})
    return failure


@pytest.mark.parametrize("state", ERRORS)
def test_a_state_of_postgres_becomes_the_callers_error_or_stays_a_fault(state: str) -> None:
    translated = translate_failure(make_failure(state))
    assert (None if translated is None else type(translated)) is ERRORS[state]


def test_a_worker_that_citus_has_lost_is_no_fault() -> None:
    failure = make_failure("XX000", "failure on connection marked as essential: worker-1:5432")
    assert isinstance(translate_failure(failure), ConnectionLost)
    assert not outdates_connections(failure)


@pytest.mark.parametrize(
    "failure",
    [
        asyncpg.InterfaceError("connection is closed"),
        ConnectionRefusedError("nobody listens"),
        ConnectionResetError("gone"),
        TimeoutError(),
        asyncpg.ConnectionDoesNotExistError("lost"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_a_server_that_cannot_be_reached_makes_the_service_unavailable(failure: BaseException) -> None:
    assert isinstance(translate_failure(failure), ServiceUnavailable)


@pytest.mark.parametrize(
    "failure",
    [asyncpg.DataError("an argument of another type"), ValueError("a value"), KeyError("a name"), RuntimeError("bug")],
    ids=lambda failure: type(failure).__name__,
)
def test_what_is_no_failure_of_the_server_stays_a_fault(failure: BaseException) -> None:
    assert translate_failure(failure) is None


@pytest.mark.parametrize("state", [state for state, error in ERRORS.items() if error])
def test_no_message_of_the_driver_is_shown(state: str) -> None:
    translated = translate_failure(make_failure(state))
    assert translated is not None
    assert SECRET not in translated.message
    assert translated.argument is None


def test_a_server_that_has_stepped_down_outdates_all_connections() -> None:
    assert [state for state in ERRORS if outdates_connections(make_failure(state))] == ["57P01", "57P02", "25006"]
    assert not outdates_connections(TimeoutError())
