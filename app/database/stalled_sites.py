"""The sites whose statements take long and fail, as those of a Citus worker that is frozen or cut off.

Each of their statements holds a connection until its time is over. So they get a part of the connections together, and
what is beyond is refused at once: the sites of other workers go on. A site is stalled until a statement of its is
answered. While any is, a site that has not been answered since may be another one, and gets no more than a half.
"""

import time
from uuid import UUID

from app.database.connection import SiteConnection
from app.database.connection_pool import ConnectionPool
from app.database.failures import CALL_AGAIN, DatabaseBusy, PoolExhaustedError, translate_failure

# What fails sooner holds no connection.
STALL_SECONDS = 1.0
# A site that has not failed for so long is tried as any other.
FORGET_SECONDS = 30.0
# When all connections are held for so long, and somebody waits, those beyond the part of stalled sites are closed.
STANDSTILL_SECONDS = 1.9
CONNECTIONS_A_STALLED_ONE = 5


class StalledSites:
    """Which sites are stalled, and how many of a pool's `limit` connections they may hold."""

    def __init__(self, pool: ConnectionPool, limit: int) -> None:
        self._pool = pool
        self._most = max(1, limit // CONNECTIONS_A_STALLED_ONE)
        self._most_unproven = max(1, limit // 2)
        self._until: dict[UUID, float] = {}
        self._answered: set[UUID] = set()

    def __bool__(self) -> bool:
        return bool(self._until)

    def check(self, site_id: UUID) -> None:
        """Raise DatabaseBusy for a site that gets no connection beside those in use."""
        if self.refuses(site_id):
            raise DatabaseBusy(CALL_AGAIN)

    def refuses(self, site_id: UUID) -> bool:
        """Whether a site gets no connection beside those in use."""
        self._forget()
        if not self._until or site_id in self._answered:
            return False
        held = [connection.leased_to for connection in self._pool.in_use]
        if site_id in self._until:
            return sum(site in self._until for site in held) >= self._most
        return sum(site not in self._answered for site in held) >= self._most_unproven

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
        self._until.pop(site_id, None)
        self._answered.add(site_id)
        self._forget()

    def _forget(self) -> None:
        now = time.monotonic()
        self._until = {site_id: until for site_id, until in self._until.items() if until > now}
        if not self._until:
            self._answered.clear()

    def end_standstill(self) -> None:
        """When no connection has been answered for long, close those beyond the part of stalled sites."""
        now = time.monotonic()
        held = sorted(self._pool.in_use, key=lambda connection: connection.begun_at)
        if not held or now - held[-1].begun_at < STANDSTILL_SECONDS:
            return
        for connection in held:
            if connection.leased_to is not None:
                self._add(connection.leased_to)
        for connection in held[self._most :]:
            connection.terminate()
