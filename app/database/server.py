"""A Postgres server as operations meet it: takes a statement and a site, gives rows."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from app.database.connecting import Connector, SiteConnection
from app.database.connections import ConnectionCounts, Connections
from app.database.failures import (
    CALL_AGAIN,
    CONNECT_ERRORS,
    ConnectionLost,
    describe_failure,
    outdates_connections,
    raise_translated,
    translate_connect_failure,
)
from app.database.migrations import SERVICE_ROLE, explain_unreadiness
from app.database.pulse import Pulse

UNREACHABLE = "the database cannot be reached"

logger = logging.getLogger("attendance.database")


class Row(Protocol):
    """A row of an answer, whose columns are found by their names or their places."""

    def __getitem__(self, column: str | int, /) -> Any: ...


class Server:
    """Connections to one server, or to whichever of several is in its role, that are bound to one site at a time."""

    def __init__(self, connector: Connector, *, pool_size: int, row_security: bool, acquire_seconds: float) -> None:
        self._row_security = row_security
        self._trouble: str | None = None
        self._acquire_seconds = acquire_seconds
        self._connections = Connections(connector.connect, pool_size)
        self._pulse = Pulse(connector, self._connections)

    @property
    def counts(self) -> ConnectionCounts:
        """The state of the connections, for whoever watches the service."""
        return self._connections.counts

    async def open(self) -> None:
        """Begin to watch; connections are made when they are needed, so the server may come up later."""
        self._pulse.start()

    async def close(self) -> None:
        await self._pulse.stop()
        await self._connections.close()

    async def fetch_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        """Run one statement for one site.

        Raises ServiceUnavailable, OperationTimeout or Conflict; any other failure is a fault of the service.
        """
        connection = self._connections.take(site_id)
        if connection is None or connection.entered_site != site_id:
            connection = await self._enter_site(connection, site_id)
        try:
            rows: list[Row] = await connection.run(text, arguments)
        except BaseException as failure:
            self._release_after(failure, connection)
            raise_translated(failure)
        self._connections.give_back(connection)
        return rows

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

    async def explain_unreadiness(self) -> str | None:
        """Why operations cannot run at the moment; None when they can."""
        connection = None
        try:
            connection = self._connections.take(None) or await self._wait()
            return await explain_unreadiness(connection, row_security=self._row_security)
        except (asyncpg.InvalidParameterValueError, asyncpg.InsufficientPrivilegeError):
            return f"the role {SERVICE_ROLE} does not exist or cannot be taken: run `attendance migrate`"
        except CONNECT_ERRORS as failure:
            self._tell(failure)
            return UNREACHABLE
        finally:
            if connection is not None:
                self._connections.mend(connection)

    async def _enter_site(self, connection: SiteConnection | None, site_id: UUID) -> SiteConnection:
        """A connection that has entered the site. Whatever keeps it from that makes the database unavailable."""
        connection = connection or await self._borrow()
        if not self._row_security:
            connection.entered_site = site_id
            return connection
        try:
            await connection.enter_site(site_id)
        except BaseException as failure:
            self._release_after(failure, connection)
            if not isinstance(failure, CONNECT_ERRORS):
                raise
            logger.warning("a connection is lost: %s", describe_failure(failure))
            raise ConnectionLost(CALL_AGAIN) from failure
        return connection

    async def _borrow(self) -> SiteConnection:
        try:
            return await self._wait()
        except CONNECT_ERRORS as failure:
            self._tell(failure)
            raise translate_connect_failure(failure) from failure

    async def _wait(self) -> SiteConnection:
        """Borrow the next connection. Raises one of CONNECT_ERRORS, at once where there is no use in waiting."""
        if self._pulse.is_silent:
            raise ConnectionError("it does not answer")
        try:
            connection = await self._connections.wait(self._acquire_seconds)
        except TimeoutError:
            self._pulse.note_silence()
            raise
        self._trouble = None
        return connection

    def _tell(self, failure: BaseException) -> None:
        """Log what keeps operations from the server, but not for each of them."""
        trouble = describe_failure(failure)
        if trouble != self._trouble:
            logger.warning("%s: %s", UNREACHABLE, trouble)
        self._trouble = trouble

    def _release_after(self, failure: BaseException, connection: SiteConnection) -> None:
        if outdates_connections(failure):
            self._connections.expire()
        # The driver raises DataError itself for an argument that it cannot encode, in the middle of a statement.
        if isinstance(failure, asyncpg.PostgresError) and not isinstance(failure, asyncpg.DataError):
            self._release(connection)
        else:
            self._connections.mend(connection)

    def _release(self, connection: SiteConnection) -> None:
        """Give back a connection that has heard the end of its last statement."""
        if connection.is_closed() or not connection.is_in_transaction():
            self._connections.give_back(connection)
        else:
            self._connections.mend(connection)
