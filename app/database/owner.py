"""Connections as the URL's user, who owns the tables: for migrations, for lists of sites and for checks."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from app.database.driver import open_connection
from app.database.failures import CONNECT_ERRORS, is_out_of_time
from app.errors import ConfigurationError

CONNECT_SECONDS = 10.0
# An index may take hours. A pooler shares its sessions, so behind one the session stays as it is.
LIFT_TIMEOUTS = """
SELECT set_config('statement_timeout', '0', false), set_config('lock_timeout', '0', false)
WHERE pg_backend_pid() = $1
"""


@asynccontextmanager
async def open_owner(url: str) -> AsyncIterator[Any]:
    """A connection as the URL's user, whose statements may take any time.

    It keeps no prepared statements, which a pooler may not support.

    Raises ConfigurationError when the database cannot be reached.
    """
    try:
        connection = await open_connection(url, timeout=CONNECT_SECONDS, statement_cache_size=0)
    except CONNECT_ERRORS as failure:
        raise ConfigurationError(explain_connect_failure(failure, CONNECT_SECONDS)) from failure
    try:
        await connection.execute(LIFT_TIMEOUTS, connection.get_server_pid())
        yield connection
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


def explain_connect_failure(failure: BaseException, seconds: float) -> str:
    """Why a database cannot be reached by an attempt of so many seconds. The driver has no words for a silent host."""
    reason = f"it did not answer within {seconds:g} seconds" if is_out_of_time(failure) else failure
    return f"the database cannot be reached: {reason}"


async def check_connection(url: str) -> None:
    """Raise ConfigurationError, with the cause, when the database cannot be reached as its owner reaches it."""
    async with open_owner(url):
        pass


async def refresh_statistics(url: str) -> None:
    """Refresh the planner's statistics after a large change, rather than wait for autovacuum.

    If the URL's user does not own the table, Postgres only warns.
    """
    async with open_owner(url) as connection:
        await connection.execute("ANALYZE attendance")
