"""Runs statements on one Postgres server, each for one site."""

import contextlib
import logging
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol
from uuid import UUID

import asyncpg

from app.database.connection import SiteConnection
from app.database.connection_pool import ConnectionCounts, ConnectionPool
from app.database.connector import Connector
from app.database.failures import (
    CALL_AGAIN,
    CONNECT_ERRORS,
    ROLE_ERRORS,
    TOOK_TOO_LONG,
    ConnectionLost,
    PoolExhaustedError,
    SessionRefused,
    describe_failure,
    explain_refusal,
    is_out_of_time,
    outdates_connections,
    raise_translated,
    translate_connect_failure,
)
from app.database.liveness import LivenessProbe
from app.database.migrations import explain_encoding
from app.database.readiness import explain_unreadiness
from app.database.refusals import RefusalLog
from app.database.stalled_sites import StalledSites
from app.database.worker_probe import WorkerProbe
from app.errors import OperationTimeout, ServiceUnavailable

UNREACHABLE = "the database cannot be reached"
BUSY = "no connection to the database was free in time"
UNUSABLE = "the database cannot be used"
# A server whose session was refused is not asked again for every operation.
REFUSAL_SECONDS = 1.0
ACQUIRE_SECONDS = 2.0

logger = logging.getLogger("attendance.database")


class Row(Protocol):
    """A row of a result, whose columns are found by name or position."""

    def __getitem__(self, column: str | int, /) -> Any: ...

    def items(self) -> Iterable[tuple[str, Any]]: ...


class PostgresServer:
    """A pool of connections to one server, or to whichever of several has its role; each is set to one site."""

    def __init__(
        self, connector: Connector, *, pool_size: int, distributed: bool = False, log_prefix: str = ""
    ) -> None:
        self.is_distributed = distributed
        self._row_security = connector.role is not None
        self._log_prefix = log_prefix
        self._last_failure: str | None = None
        self._refusal, self._refused_until = "", 0.0
        self._refused_statements = RefusalLog(log_prefix)
        self._connector = connector
        self._pool = ConnectionPool(connector.connect, pool_size)
        self._liveness = LivenessProbe(connector, self._pool, log_prefix)
        self._stalled_sites = StalledSites(self._pool, pool_size, WorkerProbe(connector))

    @property
    def counts(self) -> ConnectionCounts:
        """The state of the pool, for metrics."""
        return self._pool.counts

    async def open(self) -> None:
        """Start the probes. Connections are opened when they are needed, so the server may start later."""
        self._liveness.poll()
        if self.is_distributed:
            self._stalled_sites.poll()

    async def close(self) -> None:
        await self._liveness.stop()
        await self._stalled_sites.stop()
        await self._pool.close()

    async def fetch_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        """Run one statement for one site.

        Raises ServiceUnavailable, OperationTimeout or Conflict; any other failure is a fault of the service.
        """
        if self.is_distributed:
            self._stalled_sites.check(site_id)
        connection = self._pool.acquire_idle(site_id)
        if connection is None or connection.entered_site != site_id:
            connection = await self._enter_site(connection, site_id)
        if self.is_distributed:
            connection.begun_at = time.monotonic()
        try:
            rows: list[Row] = await connection.run(text, arguments)
        except BaseException as failure:
            if self.is_distributed:
                self._stalled_sites.note_failure(failure, connection)
            self._release_after_failure(failure, connection)
            if not self._row_security and is_out_of_time(failure):
                raise OperationTimeout(TOOK_TOO_LONG) from failure  # A pooler has dropped the limit in Postgres.
            self._refused_statements.note(text, failure)
            raise_translated(failure)
        self._pool.release(connection)
        if self._refused_statements.causes and text in self._refused_statements.causes:
            self._refused_statements.end(text)
        if self.is_distributed and self._stalled_sites:
            self._stalled_sites.note_answer(site_id)
        return rows

    async def fetch_without_site(self, text: str) -> list[Row]:
        """Run one statement that concerns no site. Raises one of CONNECT_ERRORS."""
        connection = self._pool.acquire_idle(None) or await self._acquire()
        try:
            rows: list[Row] = await connection.run(text, ())
        except BaseException as failure:
            self._release_after_failure(failure, connection)
            raise
        self._pool.release(connection)
        return rows

    @asynccontextmanager
    async def connection(self, site_id: UUID) -> AsyncIterator[Any]:
        """A connection that is set to the site; the driver's errors inside the block are translated."""
        connection = await self._enter_site(self._pool.acquire_idle(site_id), site_id)
        try:
            yield connection
        except BaseException as failure:
            self._release_after_failure(failure, connection)
            raise_translated(failure)
        self._release(connection)

    async def explain_unreadiness(self) -> str | None:
        """Why operations cannot run at the moment, with the cure; None when they can."""
        connection = None
        try:
            connection = self._pool.acquire_idle(None) or await self._acquire()
            kind = {"row_security": self._row_security, "distributed": self.is_distributed}
            reason = await explain_unreadiness(connection, **kind)
            if reason is None:
                await connection.check_session()
                self._last_failure = None
        except CONNECT_ERRORS as failure:
            if isinstance(failure, SessionRefused) and connection is not None:
                self._refuse(connection, failure)
            reason = await self._explain_encoding() if isinstance(failure, ROLE_ERRORS) else None
            return reason or self._log_failure(failure)
        finally:
            if connection is not None:
                self._pool.recover(connection)
        return reason

    async def _explain_encoding(self) -> str | None:
        """Why the encoding of the database keeps the service from it, also where its role does not exist yet."""
        with contextlib.suppress(*CONNECT_ERRORS):
            connection = await self._connector.connect_plainly(self._connector.addresses[0])
            encoding = connection.get_settings().server_encoding
            connection.terminate()
            return explain_encoding(encoding)
        return None

    async def _enter_site(self, connection: SiteConnection | None, site_id: UUID) -> SiteConnection:
        """Set a connection to the site, or an idle one if its session is refused. Raises ServiceUnavailable."""
        connection = connection or await self._acquire_translated(site_id)
        if not self._row_security:
            connection.entered_site = site_id
            self._last_failure = None
            return connection
        try:
            await connection.enter_site(site_id)
        except SessionRefused as failure:
            self._refuse(connection, failure)
            self._release(connection)
            if (idle := self._pool.acquire_idle(site_id)) is None:
                raise ServiceUnavailable(CALL_AGAIN) from failure
            return await self._enter_site(idle, site_id)
        except BaseException as failure:
            self._release_after_failure(failure, connection)
            if not isinstance(failure, CONNECT_ERRORS):
                raise
            logger.warning("%sa connection is lost: %s", self._log_prefix, describe_failure(failure))
            raise ConnectionLost(CALL_AGAIN) from failure
        self._last_failure = None
        return connection

    async def _acquire_translated(self, site_id: UUID) -> SiteConnection:
        try:
            if time.monotonic() < self._refused_until:
                raise SessionRefused(self._refusal)
            return await self._acquire(site_id)
        except CONNECT_ERRORS as failure:
            self._log_failure(failure)
            raise translate_connect_failure(failure) from failure

    async def _acquire(self, site_id: UUID | None = None) -> SiteConnection:
        """Lease the next connection. Raises one of CONNECT_ERRORS, at once when no server answers."""
        if self._liveness.is_unresponsive:
            raise ConnectionError("it does not answer")
        try:
            return await self._pool.acquire(ACQUIRE_SECONDS, site_id)
        except TimeoutError:
            self._liveness.report_timeout()
            raise
        except PoolExhaustedError:
            if self.is_distributed:
                self._stalled_sites.end_standstill()
            raise

    def _refuse(self, connection: SiteConnection, failure: SessionRefused) -> None:
        """Close a connection that must not be used. Unless others have passed the check, all waiters fail with it."""
        self._pool.discard(connection)
        self._log_failure(failure)
        if not self._pool.has_checked_connection:
            self._refusal, self._refused_until = str(failure), time.monotonic() + REFUSAL_SECONDS
            self._pool.fail_waiters(failure)

    def _log_failure(self, failure: BaseException) -> str:
        """Log a failure to connect once, and again when it changes: the reason to show, without the driver's words."""
        refusal = explain_refusal(failure, self._connector.role)
        description = describe_failure(failure) if refusal is None else refusal
        if description != self._last_failure:
            problem = BUSY if isinstance(failure, PoolExhaustedError) else UNREACHABLE if refusal is None else UNUSABLE
            logger.warning("%s%s: %s", self._log_prefix, problem, description)
        self._last_failure = description
        return UNREACHABLE if refusal is None else refusal

    def _release_after_failure(self, failure: BaseException, connection: SiteConnection) -> None:
        if outdates_connections(failure):
            self._pool.expire()
        # The driver raises DataError itself for an argument that it cannot encode, in the middle of a statement.
        if isinstance(failure, asyncpg.PostgresError) and not isinstance(failure, asyncpg.DataError):
            self._release(connection)
        else:
            self._pool.recover(connection)

    def _release(self, connection: SiteConnection) -> None:
        """Release a connection whose last statement has ended."""
        if connection.is_closed() or not connection.is_in_transaction():
            self._pool.release(connection)
        else:
            self._pool.recover(connection)
