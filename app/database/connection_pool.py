"""A bounded pool of connections, each leased to one borrower at a time; an idle one is leased without waiting.

asyncpg has a pool of its own, whose proxies and locks take more CPU than a statement does in this process.
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.database.connection import SiteConnection
from app.database.connector import Connect
from app.database.failures import PoolExhaustedError
from app.database.hosts import Address
from app.database.waiting import Leases, Waiter, WaitingBorrowers

# The driver's request to cancel a statement has no effect when it arrives before the statement does.
RECOVERY_SECONDS = 1.0
DRAIN_SECONDS = 5.0
CLOSE_SECONDS = 1.0
PING = "SELECT"


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """How many connections there may be, are open and idle, how many borrowers wait, and what has happened so far."""

    limit: int
    size: int
    idle: int
    waiting: int
    acquired: int
    timeouts: int
    connect_failures: int


class ConnectionPool:
    """At most `limit` connections, opened when a borrower waits for one.

    A connection is idle, in use, or being recovered, which counts as in use. No borrower waits while a connection is
    idle, unless its site has the most that a site may have. A released connection goes to the site that has the fewest.
    """

    def __init__(self, connect: Connect, limit: int) -> None:
        self._connect = connect
        self._limit = limit
        self._idle: deque[SiteConnection] = deque()
        self._leases = Leases()
        self.in_use = self._leases.in_use
        self._waiters = WaitingBorrowers(limit, self._leases.held, self._end_wait)
        self._opening: set[asyncio.Task[None]] = set()
        self._recovering: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._is_closed = False
        self._all_released = asyncio.Event()
        self._timeouts = 0
        self._connect_failures = 0

    @property
    def counts(self) -> ConnectionCounts:
        idle = sum(not connection.is_closed() for connection in self._idle)
        size = idle + len(self.in_use)
        waiting, acquired = len(self._waiters), self._leases.total
        return ConnectionCounts(self._limit, size, idle, waiting, acquired, self._timeouts, self._connect_failures)

    def acquire_idle(self, site_id: UUID | None) -> SiteConnection | None:
        """Lease an idle connection at once: one that has entered the site, else the one that was idle for longest.

        None when no connection is idle, or when the site has the most that a site may have.
        """
        idle = self._idle
        if not idle or self._waiters.holds_most(site_id):
            return None
        while idle:
            connection = idle.pop() if idle[-1].entered_site == site_id else self._pick(site_id)
            if not connection.is_closed():
                self._leases.begin(connection, site_id)
                return connection
        return None

    def _pick(self, site_id: UUID | None) -> SiteConnection:
        for position, connection in enumerate(self._idle):
            if connection.entered_site == site_id:
                del self._idle[position]
                return connection
        return self._idle.popleft()

    async def acquire(self, seconds: float, site_id: UUID | None = None) -> SiteConnection:
        """Lease the next connection that is opened or released, for a site or, without one, for the service itself.

        Raises PoolExhaustedError when all stayed in use for `seconds`, or all that the site may have; TimeoutError when
        none could be opened in that time; and whatever kept one from being opened.
        """
        if self._is_closed:
            raise ConnectionError("the connections are closed")
        loop = asyncio.get_running_loop()
        waiter = Waiter(loop.create_future(), site_id, loop.time() + seconds)
        self._waiters.add(waiter)
        if len(self.in_use) + len(self._idle) < self._limit:
            self._open_for_waiters()
        try:
            return await waiter.leased
        except asyncio.CancelledError:
            self._waiters.discard(waiter)
            if not waiter.leased.cancelled() and waiter.leased.exception() is None:
                self.release(waiter.leased.result())
            raise

    def _end_wait(self, waiter: Waiter) -> None:
        self._timeouts += 1
        is_exhausted = len(self.in_use) >= self._limit or self._waiters.holds_most(waiter.site_id)
        failure = PoolExhaustedError() if is_exhausted else TimeoutError("no connection was made in time")
        waiter.leased.set_exception(failure)

    def release(self, connection: SiteConnection) -> None:
        """Return a connection whose last statement has ended and that is in no transaction, or that is broken."""
        self._leases.end(connection)
        if connection.is_closed() or connection.generation != self._generation or self._is_closed:
            connection.terminate()
            self._open_for_waiters()
            if self._is_closed and not self.in_use:
                self._all_released.set()
            return
        connection.address.answers += 1
        waiter = self._waiters.pop_next() if self._waiters else None
        if waiter is None:
            self._idle.append(connection)
            return
        self._leases.begin(connection, waiter.site_id)
        waiter.leased.set_result(connection)

    def recover(self, connection: SiteConnection) -> None:
        """Return a connection that was left in the middle of something; it is leased again once it is clean.

        The driver cancels the statement that was left; a connection that does not answer is closed.
        """
        if connection.is_closed():
            self.release(connection)
            return
        recovering = asyncio.get_running_loop().create_task(self._recover(connection))
        self._recovering.add(recovering)
        recovering.add_done_callback(self._recovering.discard)

    async def _recover(self, connection: SiteConnection) -> None:
        try:
            async with asyncio.timeout(RECOVERY_SECONDS):
                with contextlib.suppress(asyncpg.PostgresError):
                    await connection.execute(PING)  # Whatever the answer, the statement that was left has ended.
                await connection.reset()
        except BaseException as failure:
            connection.terminate()
            if not isinstance(failure, Exception):
                raise
        finally:
            self.release(connection)

    def _open_for_waiters(self) -> None:
        """Start to open as many connections as waiters could have, within the limit."""
        wanted = self._waiters.count_eligible()
        capacity = self._limit - len(self.in_use) - len(self._idle)
        for _ in range(len(self._opening), min(wanted, capacity)):
            opening = asyncio.get_running_loop().create_task(self._open())
            self._opening.add(opening)
            opening.add_done_callback(self._opening.discard)

    async def _open(self) -> None:
        generation = self._generation
        failure = None
        try:
            connection = await self._connect()
        except Exception as reason:
            failure = reason
        finally:
            self._opening.discard(asyncio.current_task())
        if failure is None:
            connection.generation = generation
            self.release(connection)
        else:
            self._connect_failures += 1
            if not self.in_use:  # Connections in use will be released to the waiters.
                self._waiters.fail(failure)

    def expire(self) -> None:
        """Close all open connections: the idle ones now, those in use when they are released."""
        self._generation += 1
        while self._idle:
            self._idle.popleft().terminate()

    @property
    def is_empty(self) -> bool:
        """Whether no connection is open."""
        return all(connection.is_closed() for connection in (*self._idle, *self.in_use))

    @property
    def has_checked_connection(self) -> bool:
        """Whether a connection is open whose session has passed its check."""
        connections = (*self._idle, *self.in_use)
        return any(each.backend_pid is not None and not each.is_closed() for each in connections)

    def add(self, connection: SiteConnection) -> None:
        """Take over a connection that was opened elsewhere, or close it if the pool is full."""
        if len(self._idle) + len(self.in_use) < self._limit:
            connection.generation = self._generation
            self.release(connection)
        else:
            connection.terminate()

    def terminate(self, address: Address) -> None:
        """Close all connections to an address; their borrowers fail at once."""
        for connection in (*self._idle, *self.in_use):
            if connection.address is address:
                connection.terminate()
        self._idle = deque(connection for connection in self._idle if not connection.is_closed())

    def discard(self, connection: SiteConnection) -> None:
        """Close a connection that cannot be used; it still has to be released."""
        self._connect_failures += 1
        connection.terminate()

    def fail_waiters(self, failure: Exception, site_id: UUID | None = None) -> None:
        self._waiters.fail(failure, site_id)

    async def close(self) -> None:
        """Lease no more, wait some seconds for the connections in use, and close all."""
        self._is_closed = True
        for opening in self._opening:
            opening.cancel()
        self.fail_waiters(ConnectionError("the connections are closed"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                if self.in_use:
                    await self._all_released.wait()
        for connection in self.in_use:
            connection.terminate()
        closing = [connection.close(timeout=CLOSE_SECONDS) for connection in self._idle]
        self._idle.clear()
        await asyncio.gather(*self._opening, *self._recovering, *closing, return_exceptions=True)
