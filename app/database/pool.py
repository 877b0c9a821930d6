"""The one room that awaits Postgres for operations: takes a statement and a site, gives rows."""

import asyncio
import logging
import random
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

from app.database.failures import (
    CONNECT_ERRORS,
    DRIVER_ERRORS,
    describe_failure,
    outdates_connections,
    translate_failure,
    unavailable,
)
from app.database.migrations import SERVICE_ROLE, explain_unreadiness
from app.errors import Conflict, ServiceUnavailable

Row = Mapping[str, Any]

ACQUIRE_SECONDS = 2.0
CONNECT_SECONDS = 2.0
STATEMENT_SECONDS = 5.0
STATEMENTS_KEPT_A_CONNECTION = 256
MOST_RETRIES = 3
FIRST_PAUSE_SECONDS = 0.05
# A try that begins later could still wait for a connection and run when the request's ten seconds are over.
LATEST_RETRY_SECONDS = 3.0
ENTER_SITE = "SELECT set_config('attendance.site_id', $1, false)"


logger = logging.getLogger("attendance.database")


class SiteConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that remembers for which site row security is set.

    The service keeps no other session state, so nothing is reset when a connection is given back.
    """

    entered_site: UUID | None = None

    async def enter_site(self, site_id: UUID) -> None:
        """Let row security see this site, and no other; a change whose answer is lost is made again."""
        if self.entered_site != site_id:
            self.entered_site = None
            await self.fetchval(ENTER_SITE, str(site_id))
            self.entered_site = site_id

    def get_reset_query(self) -> str:
        return ""


class Database:
    """A pool of connections that are bound to one site at a time."""

    def __init__(self, url: str, *, pool_size: int, row_security: bool) -> None:
        self._row_security = row_security
        self._pool = create_pool(url, pool_size, row_security=row_security)

    async def fetch_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        """Run one statement for one site.

        Raises ServiceUnavailable, OperationTimeout or Conflict; any other failure is a fault of the service.
        """
        async with self.connection(site_id) as connection:
            rows: list[Row] = await connection.fetch(text, *arguments)
            return rows

    async def write_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, is_idempotent: bool
    ) -> list[Row]:
        """Run one statement that writes, again when another change got in its way: at most three times, after a pause.

        A statement whose answer was lost may have been committed; it is run again only if it is idempotent. The last
        try begins within `LATEST_RETRY_SECONDS`.
        """
        repeatable = (Conflict, ServiceUnavailable) if is_idempotent else (Conflict,)
        latest_retry = time.monotonic() + LATEST_RETRY_SECONDS
        for retry in range(MOST_RETRIES):
            try:
                return await self.fetch_rows(text, arguments, site_id)
            except repeatable:
                pause = random.uniform(0.5, 1) * FIRST_PAUSE_SECONDS * 2**retry  # noqa: S311 (jitter)
                if time.monotonic() + pause > latest_retry:
                    raise
                await asyncio.sleep(pause)
        return await self.fetch_rows(text, arguments, site_id)

    @asynccontextmanager
    async def connection(self, site_id: UUID) -> AsyncIterator[Any]:
        """A connection that row security binds to the site; what the driver raises inside it is translated."""
        connection = await self._acquire(site_id)
        try:
            yield connection
        except DRIVER_ERRORS as failure:
            if outdates_connections(failure):
                await self._pool.expire_connections()
            translated = translate_failure(failure)
            if translated is None:
                raise
            raise translated from failure
        finally:
            await self._pool.release(connection)

    async def _acquire(self, site_id: UUID) -> Any:
        """A connection that has entered the site. Whatever keeps it from that makes the database unavailable."""
        connection = None
        try:
            connection = await self._pool.acquire(timeout=ACQUIRE_SECONDS)
            if self._row_security:
                await connection.enter_site(site_id)
        except BaseException as failure:
            if connection is not None:
                await self._pool.release(connection)
            if not isinstance(failure, CONNECT_ERRORS):
                raise
            logger.warning("the database cannot be reached: %s", describe_failure(failure))
            raise unavailable() from failure
        return connection

    async def open(self) -> None:
        """Prepare the pool; connections are made when they are needed, so the database may come up later."""
        await self._pool

    async def close(self) -> None:
        await self._pool.close()

    async def explain_unreadiness(self) -> str | None:
        """Why operations cannot run at the moment; None when they can."""
        try:
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                return await explain_unreadiness(connection, row_security=self._row_security)
        except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError):
            return f"the role {SERVICE_ROLE} does not exist or cannot be taken: run `attendance migrate`"
        except CONNECT_ERRORS as failure:
            logger.warning("the database cannot be reached: %s", describe_failure(failure))
            return "the database cannot be reached"


def create_pool(url: str, pool_size: int, *, row_security: bool) -> asyncpg.Pool:
    """A pool whose connections take the service's role, which row security binds, unless it is off.

    With row security off there may be a pooler in between, which takes no settings of a session.
    """
    settings = {"application_name": "attendance"}
    if row_security:
        timeout = str(int(STATEMENT_SECONDS * 1000))
        settings |= {"role": SERVICE_ROLE, "jit": "off", "statement_timeout": timeout}
    return asyncpg.create_pool(
        url,
        min_size=0,
        max_size=pool_size,
        max_inactive_connection_lifetime=0,
        connection_class=SiteConnection,
        server_settings=settings,
        statement_cache_size=STATEMENTS_KEPT_A_CONNECTION,
        max_cached_statement_lifetime=0,
        timeout=CONNECT_SECONDS,
        command_timeout=STATEMENT_SECONDS + 1,
    )
