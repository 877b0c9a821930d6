"""The sites whose statements take long and fail, as those of a Citus worker that is frozen or cut off.

Each of their statements holds a connection until its time is over. So they get a part of the connections together, and
what is beyond is refused at once: the sites of other workers go on.

When many statements are slow, the coordinator is asked which workers do not answer and which sites are theirs. Where it
does not tell, only what happened to each site is known. A site is then stalled until a statement of its is answered.
While any is, a site that has not been answered since may be another one, and gets no more than a half.
"""

import asyncio
import time
from uuid import UUID

from app.database.connection import SiteConnection
from app.database.connection_pool import ConnectionPool
from app.database.failures import CALL_AGAIN, DatabaseBusy, PoolExhaustedError, translate_failure
from app.database.worker_probe import WorkerProbe
from app.timers import call_at_next

# What fails sooner holds no connection.
STALL_SECONDS = 1.0
# A site that has not failed for so long is tried as any other.
FORGET_SECONDS = 30.0
# When all connections are held for so long, and somebody waits, those beyond the part of stalled sites are closed.
STANDSTILL_SECONDS = 1.9
CONNECTIONS_A_STALLED_ONE = 5
POLL_SECONDS = 0.2
# When more than half of the connections have been held for so long, or one until it stalls, their workers are asked.
SLOW_SECONDS = 0.2
LOOK_PAUSE_SECONDS = 1.0


class StalledSites:
    """Which sites are stalled, and how many of a pool's `limit` connections they may hold."""

    def __init__(self, pool: ConnectionPool, limit: int, probe: WorkerProbe) -> None:
        self._pool = pool
        self._probe = probe
        self._most = max(1, limit // CONNECTIONS_A_STALLED_ONE)
        self._half = max(1, limit // 2)
        self._until: dict[UUID, float] = {}
        self._answered: set[UUID] = set()
        self._next_look = 0.0
        self._looking: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __bool__(self) -> bool:
        return bool(self._until or self._probe.unresponsive or self._looking)

    @property
    def is_looking(self) -> bool:
        """Whether workers are being asked at the moment."""
        return self._looking is not None

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    def poll(self) -> None:
        """Look for workers that do not answer, while sites are stalled or statements are slow. Again and again."""
        self._timer = call_at_next(POLL_SECONDS, self.poll)
        self._free_connections()
        if self._looking is None and self._has_cause_to_look():
            self._looking = asyncio.get_running_loop().create_task(self._look())

    def _has_cause_to_look(self) -> bool:
        now = time.monotonic()
        if self._probe.unresponsive and self._probe.has_unknown_site:
            return True
        if now < self._next_look:
            return False
        if self._until or self._probe.unresponsive:
            return True
        held = [now - connection.begun_at for connection in self._pool.in_use]
        return sum(seconds > SLOW_SECONDS for seconds in held) > self._half or max(held, default=0.0) > STALL_SECONDS

    async def _look(self) -> None:
        try:
            await self._probe.run({each.leased_to for each in self._pool.in_use if each.leased_to is not None})
        finally:
            self._looking = None
            self._next_look = time.monotonic() + LOOK_PAUSE_SECONDS
        self._free_connections()

    def _free_connections(self) -> None:
        """Close what sites of workers that do not answer hold beyond their part, and fail those of them who wait."""
        if not self._probe.unresponsive or not self._probe.is_informed:
            return
        held = [connection for connection in self._pool.in_use if self._probe.is_unresponsive(connection.leased_to)]
        for connection in sorted(held, key=lambda connection: connection.begun_at)[self._most :]:
            connection.terminate()
        for site_id in self._probe.find_unresponsive_sites():
            self._pool.fail_waiters(PoolExhaustedError(), site_id)

    def check(self, site_id: UUID) -> None:
        """Raise DatabaseBusy for a site that gets no connection beside those in use."""
        self._probe.note_site(site_id)
        if self and self.refuses(site_id):
            raise DatabaseBusy(CALL_AGAIN)

    def refuses(self, site_id: UUID) -> bool:
        """Whether a site gets no connection beside those in use."""
        held = [connection.leased_to for connection in self._pool.in_use]
        if self._probe.is_informed:
            is_unresponsive = self._probe.is_unresponsive
            return is_unresponsive(site_id) and sum(map(is_unresponsive, held)) >= self._most
        self._forget()
        if not self._until or site_id in self._answered:
            return False
        if site_id in self._until:
            return sum(site in self._until for site in held) >= self._most
        return sum(site not in self._answered for site in held) >= self._half

    def note_failure(self, failure: BaseException, connection: SiteConnection) -> None:
        """Note how a connection's statement has failed. If its site is stalled, those who wait for it fail, too."""
        seconds = time.monotonic() - connection.begun_at
        if connection.leased_to is not None and seconds >= STALL_SECONDS and translate_failure(failure) is not None:
            self._add(connection.leased_to)

    def _add(self, site_id: UUID) -> None:
        self._until[site_id] = time.monotonic() + FORGET_SECONDS
        self._answered.discard(site_id)
        self._pool.fail_waiters(PoolExhaustedError(), site_id)

    def note_answer(self, site_id: UUID) -> None:
        """Note that a statement of a site was answered: neither it nor its worker is stalled."""
        self._probe.note_answer(site_id)
        self._until.pop(site_id, None)
        self._answered.add(site_id)
        self._forget()

    def _forget(self) -> None:
        now = time.monotonic()
        self._until = {site_id: until for site_id, until in self._until.items() if until > now}
        if not self._until:
            self._answered.clear()

    def end_standstill(self) -> None:
        """When no connection has been answered for long, close those beyond the part of stalled sites.

        Where the coordinator has told which workers answer, their statements are merely slow.
        """
        if self._probe.is_informed:
            return
        now = time.monotonic()
        held = sorted(self._pool.in_use, key=lambda connection: connection.begun_at)
        if not held or now - held[-1].begun_at < STANDSTILL_SECONDS:
            return
        for connection in held:
            if connection.leased_to is not None:
                self._add(connection.leased_to)
        for connection in held[self._most :]:
            connection.terminate()
