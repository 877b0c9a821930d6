"""The reads of one request: all from one replica that has what the request must see, else from the primary."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.database.failures import DatabaseBusy, translate_connect_failure
from app.database.replica import ASK_AGAIN_SECONDS, ASK_SECONDS, Replica
from app.database.replicas import Replicas
from app.database.server import PostgresServer, Row
from app.errors import Conflict, ServiceUnavailable

FALLBACK_SECONDS = 2.0
CATCH_UP_SECONDS = 0.5
MIN_FALLBACK_SECONDS = 0.2


@dataclass(slots=True)
class ReplicaReads:
    """Reads one site for one request, which sees at least `least_revision`, and what the process wrote before it.

    The replica is chosen for the first statement, and kept, so that later statements see nothing older. `read_primary`
    is how the primary is read from.
    """

    replicas: Replicas
    primary: PostgresServer
    read_primary: Callable[[str, Sequence[object], UUID], Awaitable[list[Row]]]
    least_revision: int
    _replica: Replica | None = None
    _has_chosen: bool = False

    async def read_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        """Run one statement that only reads: on the replica, and on the primary if that fails, both within two seconds.

        What the replica cancels, because it has replayed a removal of rows that were still needed, runs on the primary.
        If the primary is gone, a replica has a moment to get what the request must see.
        """
        begin = time.monotonic()
        if not self._has_chosen:
            await self._choose(site_id)
        if self._replica is None:
            try:
                return await self.read_primary(text, arguments, site_id)
            except DatabaseBusy:
                raise
            except ServiceUnavailable:
                self._replica = await self._wait_for_replica(site_id)
                if self._replica is None:
                    raise
        return await self._read_replica(self._replica, text, arguments, site_id, begin)

    async def _read_replica(
        self, replica: Replica, text: str, arguments: Sequence[object], site_id: UUID, begin: float
    ) -> list[Row]:
        try:
            return await replica.fetch_rows(text, arguments, site_id)
        except DatabaseBusy:
            raise
        except Conflict:
            pass
        except ServiceUnavailable:
            replica.suspend()
        self._replica = None
        left = max(begin + FALLBACK_SECONDS - time.monotonic(), MIN_FALLBACK_SECONDS)
        try:
            async with asyncio.timeout(left):
                return await self.primary.fetch_rows(text, arguments, site_id)
        except TimeoutError as failure:
            raise translate_connect_failure(failure) from failure

    async def _choose(self, site_id: UUID) -> None:
        """Choose where to read; of statements that begin at once, the first one to know decides."""
        replica = await self._find_replica(site_id)
        if not self._has_chosen:
            self._replica, self._has_chosen = replica, True

    async def _find_replica(self, site_id: UUID) -> Replica | None:
        """The first replica that has what the request must see; they are asked one after the other."""
        needed = max(self.least_revision, self.replicas.writes.find_revision(site_id))
        deadline = time.monotonic() + ASK_SECONDS
        for replica in self.replicas.list_usable():
            if not needed or await replica.has_revision(site_id, needed):
                return replica
            if time.monotonic() > deadline:
                break
        return None

    async def _wait_for_replica(self, site_id: UUID) -> Replica | None:
        """A replica that has what the request must see, as soon as there is one; None if there is none in time."""
        deadline = time.monotonic() + CATCH_UP_SECONDS
        while (replica := await self._find_replica(site_id)) is None:
            if time.monotonic() > deadline or not self.replicas.is_usable:
                break
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        return replica
