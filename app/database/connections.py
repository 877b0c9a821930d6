"""A bounded number of connections, lent to one borrower at a time; an idle one is lent without any wait.

asyncpg has a pool, whose proxies and locks cost more than a statement's own share of this process.
"""

import asyncio
import contextlib
from collections import deque
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from app.database.connecting import Address, Connect, SiteConnection
from app.database.failures import NoFreeConnectionError

# The driver's request to cancel a statement is lost when it comes before the statement does.
MEND_SECONDS = 1.0
DRAIN_SECONDS = 5.0
CLOSE_SECONDS = 1.0
ANYTHING = "SELECT"


@dataclass(frozen=True, slots=True)
class ConnectionCounts:
    """How many connections there are and how many of them are idle, who waits for one, and what has happened so far."""

    size: int
    idle: int
    waiting: int
    acquired: int
    timeouts: int
    connect_failures: int


class Connections:
    """At most `limit` connections, made when somebody waits for one.

    A connection is idle, lent, or being mended, which counts as lent. Nobody waits while one is idle: who gives a
    connection back gives it to the first that waits.
    """

    def __init__(self, connect: Connect, limit: int) -> None:
        self._connect = connect
        self._limit = limit
        self._idle: deque[SiteConnection] = deque()
        self._lent: set[SiteConnection] = set()
        self._waiters: deque[asyncio.Future[SiteConnection]] = deque()
        self._making: set[asyncio.Task[None]] = set()
        self._mending: set[asyncio.Task[None]] = set()
        self._generation = 0
        self._is_closed = False
        self._all_back = asyncio.Event()
        self._acquired = 0
        self._timeouts = 0
        self._connect_failures = 0

    @property
    def counts(self) -> ConnectionCounts:
        idle = sum(not connection.is_closed() for connection in self._idle)
        size = idle + len(self._lent)
        return ConnectionCounts(size, idle, len(self._waiters), self._acquired, self._timeouts, self._connect_failures)

    def take(self, site_id: UUID | None) -> SiteConnection | None:
        """Borrow an idle connection at once: one that has entered the site, else the one that was idle for longest.

        None when no connection is idle.
        """
        idle = self._idle
        while idle:
            connection = idle.pop() if idle[-1].entered_site == site_id else self._pick(site_id)
            if not connection.is_closed():
                self._lent.add(connection)
                self._acquired += 1
                return connection
        return None

    def _pick(self, site_id: UUID | None) -> SiteConnection:
        for position, connection in enumerate(self._idle):
            if connection.entered_site == site_id:
                del self._idle[position]
                return connection
        return self._idle.popleft()

    async def wait(self, seconds: float) -> SiteConnection:
        """Borrow the next connection that is made or given back.

        Raises NoFreeConnectionError when all stayed lent for so many seconds, TimeoutError when none could be made in
        that time, and whatever kept one from being made.
        """
        if self._is_closed:
            raise ConnectionError("the connections are closed")
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[SiteConnection] = loop.create_future()
        self._waiters.append(waiter)
        self._make_wanted()
        deadline = loop.call_later(seconds, self._end_wait, waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if not waiter.cancelled() and waiter.exception() is None:
                self.give_back(waiter.result())
            raise
        finally:
            deadline.cancel()
            with contextlib.suppress(ValueError):
                self._waiters.remove(waiter)

    def _end_wait(self, waiter: "asyncio.Future[SiteConnection]") -> None:
        if waiter.done():
            return
        self._timeouts += 1
        all_lent = len(self._lent) >= self._limit
        waiter.set_exception(NoFreeConnectionError() if all_lent else TimeoutError("no connection was made in time"))

    def give_back(self, connection: SiteConnection) -> None:
        """Take back a connection whose last statement has ended and that is in no transaction, or that is broken."""
        self._lent.discard(connection)
        if connection.is_closed() or connection.generation != self._generation or self._is_closed:
            connection.terminate()
            self._make_wanted()
            if self._is_closed and not self._lent:
                self._all_back.set()
            return
        connection.address.answers += 1
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                self._lent.add(connection)
                self._acquired += 1
                waiter.set_result(connection)
                return
        self._idle.append(connection)

    def mend(self, connection: SiteConnection) -> None:
        """Take back a connection whose borrower left it in the middle of something: it is lent again when it is clean.

        The statement that was left is cancelled by the driver; a connection that stays silent is given up.
        """
        if connection.is_closed():
            self.give_back(connection)
            return
        mending = asyncio.get_running_loop().create_task(self._mend(connection))
        self._mending.add(mending)
        mending.add_done_callback(self._mending.discard)

    async def _mend(self, connection: SiteConnection) -> None:
        try:
            async with asyncio.timeout(MEND_SECONDS):
                with contextlib.suppress(asyncpg.PostgresError):
                    await connection.execute(ANYTHING)  # Whatever the answer, the statement that was left has ended.
                await connection.reset()
        except BaseException as failure:
            connection.terminate()
            if not isinstance(failure, Exception):
                raise
        finally:
            self.give_back(connection)

    def _make_wanted(self) -> None:
        """Begin to make as many connections as are waited for, within the limit."""
        wanted = sum(not waiter.done() for waiter in self._waiters)
        room = self._limit - len(self._lent) - len(self._idle)
        for _ in range(len(self._making), min(wanted, room)):
            making = asyncio.get_running_loop().create_task(self._make())
            self._making.add(making)
            making.add_done_callback(self._making.discard)

    async def _make(self) -> None:
        generation = self._generation
        failure = None
        try:
            connection = await self._connect()
        except Exception as reason:
            failure = reason
        finally:
            self._making.discard(asyncio.current_task())
        if failure is None:
            connection.generation = generation
            self.give_back(connection)
        else:
            self._connect_failures += 1
            if not self._lent:  # What is lent will be given back to those who wait.
                self.refuse(failure)

    def expire(self) -> None:
        """Let go of all connections that there are: the idle ones now, the lent ones when they are given back."""
        self._generation += 1
        while self._idle:
            self._idle.popleft().terminate()

    @property
    def is_empty(self) -> bool:
        """Whether no connection works."""
        return all(connection.is_closed() for connection in (*self._idle, *self._lent))

    def find_awaited(self) -> set[Address]:
        """The addresses of lent connections."""
        return {connection.address for connection in self._lent}

    def add(self, connection: SiteConnection) -> None:
        """Have a connection that somebody else has made, if there is room for it."""
        if len(self._idle) + len(self._lent) < self._limit:
            connection.generation = self._generation
            self.give_back(connection)
        else:
            connection.terminate()

    def abandon(self, address: Address) -> None:
        """End all connections to an address; whoever has borrowed one is told at once."""
        for connection in (*self._idle, *self._lent):
            if connection.address is address:
                connection.terminate()
        self._idle = deque(connection for connection in self._idle if not connection.is_closed())

    def refuse(self, failure: Exception) -> None:
        """Tell all who wait that there will be no connection."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(failure)

    async def close(self) -> None:
        """Lend no more, wait some seconds for what is lent, and end all connections."""
        self._is_closed = True
        for making in self._making:
            making.cancel()
        self.refuse(ConnectionError("the connections are closed"))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_SECONDS):
                if self._lent:
                    await self._all_back.wait()
        for connection in self._lent:
            connection.terminate()
        ending = [connection.close(timeout=CLOSE_SECONDS) for connection in self._idle]
        self._idle.clear()
        await asyncio.gather(*self._making, *self._mending, *ending, return_exceptions=True)
