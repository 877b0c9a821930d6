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

from app.database.connecting import SiteConnection, prepare_connect
from app.database.connections import ConnectionCounts, Connections
from app.database.failures import (
    CONNECT_ERRORS,
    describe_failure,
    outdates_connections,
    raise_translated,
    unavailable,
)
from app.database.migrations import SERVICE_ROLE, explain_unreadiness
from app.errors import Conflict, ServiceUnavailable

Row = Mapping[str, Any]

ACQUIRE_SECONDS = 2.0
STATEMENT_SECONDS = 5.0
MOST_RETRIES = 3
FIRST_PAUSE_SECONDS = 0.05
# A try that begins later could still wait for a connection and run when the request's ten seconds are over.
LATEST_RETRY_SECONDS = 3.0

logger = logging.getLogger("attendance.database")


class Database:
    """A pool of connections that are bound to one site at a time."""

    def __init__(self, url: str, *, pool_size: int, row_security: bool) -> None:
        self._row_security = row_security
        role = SERVICE_ROLE if row_security else None
        self._connections = Connections(prepare_connect(url, role=role, statement_seconds=STATEMENT_SECONDS), pool_size)

    @property
    def counts(self) -> ConnectionCounts:
        """The state of the connections, for whoever watches the service."""
        return self._connections.counts

    async def fetch_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        """Run one statement for one site.

        Raises ServiceUnavailable, OperationTimeout or Conflict; any other failure is a fault of the service.
        """
        connection = self._connections.take(site_id)
        if connection is None or connection.entered_site != site_id:
            connection = await self._enter_site(connection, site_id)
        try:
            rows: list[Row] = await connection.fetch(text, *arguments)
        except BaseException as failure:
            self._release_after(failure, connection)
            raise_translated(failure)
        self._connections.give_back(connection)
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
        connection = await self._enter_site(self._connections.take(site_id), site_id)
        try:
            yield connection
        except BaseException as failure:
            self._release_after(failure, connection)
            raise_translated(failure)
        self._release(connection)

    async def _enter_site(self, connection: SiteConnection | None, site_id: UUID) -> SiteConnection:
        """A connection that has entered the site. Whatever keeps it from that makes the database unavailable."""
        try:
            connection = connection or await self._connections.wait(ACQUIRE_SECONDS)
            if self._row_security:
                await connection.enter_site(site_id)
        except BaseException as failure:
            if connection is not None:
                self._release_after(failure, connection)
            if not isinstance(failure, CONNECT_ERRORS):
                raise
            logger.warning("the database cannot be reached: %s", describe_failure(failure))
            raise unavailable() from failure
        return connection

    def _release_after(self, failure: BaseException, connection: SiteConnection) -> None:
        if outdates_connections(failure):
            self._connections.expire()
        if isinstance(failure, asyncpg.PostgresError):
            self._release(connection)
        else:
            self._connections.mend(connection)

    def _release(self, connection: SiteConnection) -> None:
        """Give back a connection that has heard the end of its last statement."""
        if connection.is_closed() or not connection.is_in_transaction():
            self._connections.give_back(connection)
        else:
            self._connections.mend(connection)

    async def open(self) -> None:
        """Nothing to prepare: connections are made when they are needed, so the database may come up later."""

    async def close(self) -> None:
        await self._connections.close()

    async def explain_unreadiness(self) -> str | None:
        """Why operations cannot run at the moment; None when they can."""
        try:
            connection = self._connections.take(None) or await self._connections.wait(ACQUIRE_SECONDS)
            try:
                return await explain_unreadiness(connection, row_security=self._row_security)
            finally:
                self._connections.mend(connection)
        except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError):
            return f"the role {SERVICE_ROLE} does not exist or cannot be taken: run `attendance migrate`"
        except CONNECT_ERRORS as failure:
            logger.warning("the database cannot be reached: %s", describe_failure(failure))
            return "the database cannot be reached"
