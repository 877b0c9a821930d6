"""The replicas of a primary: which of them a read may use, so that it sees what the process has written."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple
from functools import partial

from app.database.connection_pool import ConnectionCounts
from app.database.failures import CONNECT_ERRORS
from app.database.positions import READ_POSITION, PrimaryPositions
from app.database.recent_writes import RecentWrites
from app.database.replica import CHECK_INTERVAL_SECONDS, CHECK_SECONDS, Replica
from app.database.server import PostgresServer

IN_USE = "in use"
Check = Callable[[], Awaitable[None]]

logger = logging.getLogger("attendance.database")


class Replicas:
    """Watches the primary's position and each replica, all at once, once a second. `writes` are those of the process.

    While the primary does not answer, a replica that had all that was known to be written counts as up to date.
    """

    def __init__(self, primary: PostgresServer, positions: PrimaryPositions, servers: Sequence[Replica]) -> None:
        self.servers = servers
        self.writes = RecentWrites()
        self._primary = primary
        self._positions = positions
        self._turn = 0
        self._watching: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        for each in self.servers:
            await each.open()
        checks: list[Check] = [self._sample_primary, *(partial(self._check, each) for each in self.servers)]
        self._watching = [asyncio.create_task(repeat(check)) for check in checks]

    async def close(self) -> None:
        for each in self._watching:
            each.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        await asyncio.gather(*(each.close() for each in self.servers))

    @property
    def counts(self) -> ConnectionCounts:
        """The state of all pools together."""
        counts = [astuple(each.counts) for each in self.servers]
        return ConnectionCounts(*map(sum, zip(*counts, strict=True)))

    @property
    def lags(self) -> Mapping[str, float]:
        """How many seconds each replica is behind, of those that have ever told."""
        return {each.name: each.lag_seconds for each in self.servers if each.lag_seconds is not None}

    @property
    def uses(self) -> Mapping[str, float]:
        """1 for each replica that is in use, 0 for the others."""
        return {each.name: each.trouble is None for each in self.servers}

    @property
    def is_usable(self) -> bool:
        """Whether reads can be answered without the primary."""
        return any(each.trouble is None for each in self.servers)

    def explain(self) -> str:
        """Which replicas are in use, and what is wrong with the others."""
        wrong = [each for each in self.servers if each.trouble is not None]
        if not wrong:
            return IN_USE
        if len(self.servers) == 1:
            return f"{wrong[0].trouble}: reads go to the primary"
        used = f"{len(self.servers) - len(wrong)} of {len(self.servers)} in use"
        return "; ".join([used, *(f"{each.name} is {each.trouble}" for each in wrong)])

    def list_usable(self) -> Sequence[Replica]:
        """The replicas that can be used: the one that has the least to do first, in turn if there are several."""
        complete = self.writes.untracked_at
        usable = [each for each in self.servers if each.trouble is None and each.fresh_as_of >= complete]
        if len(usable) < 2:
            return usable
        self._turn += 1
        first = self._turn % len(usable)
        return sorted(usable[first:] + usable[:first], key=count_borrowers)

    async def _sample_primary(self) -> None:
        begun = time.monotonic()
        with contextlib.suppress(*CONNECT_ERRORS):
            async with asyncio.timeout(CHECK_SECONDS):
                [found] = await self._primary.fetch_without_site(READ_POSITION)
            if not found["is_standby"]:
                self._positions.note(found["position"], begun)

    async def _check(self, replica: Replica) -> None:
        await replica.check()
        used = [each.fresh_as_of for each in self.servers if each.trouble is None]
        if used:
            self.writes.forget_through(min(used))


async def repeat(check: Check) -> None:
    """Make a check once a second, until cancelled. One that fails by a fault of the service is logged."""
    while True:
        try:
            await check()
        except Exception:
            logger.exception("the replicas cannot be checked")
        await asyncio.sleep(CHECK_INTERVAL_SECONDS)


def count_borrowers(server: PostgresServer) -> int:
    """How many use a connection to a server, or wait for one."""
    counts = server.counts
    return counts.size - counts.idle + counts.waiting
