"""The one room that awaits Postgres for operations: the primary, a replica if there is one, and what is tried again."""

import asyncio
import random
import time
from collections.abc import Sequence
from uuid import UUID

from app.database.connecting import Connector
from app.database.connections import ConnectionCounts
from app.database.failures import ConnectionLost, DatabaseBusy, translate_connect_failure
from app.database.migrations import SERVICE_ROLE
from app.database.replica import Replica
from app.database.server import Row, Server
from app.errors import Conflict, ServiceUnavailable

__all__ = ["Database", "Row"]

ACQUIRE_SECONDS = 2.0
STATEMENT_SECONDS = 5.0
MOST_RETRIES = 3
FIRST_PAUSE_SECONDS = 0.05
# A try that begins later could still wait for a connection and run when the request's ten seconds are over.
LATEST_RETRY_SECONDS = 3.0
# A server that was lost later than that has been waited for already.
LATEST_RECONNECT_SECONDS = 1.0
LEAST_FALLBACK_SECONDS = 0.2


class Database(Server):
    """The primary, with what operations need beyond one statement. Reads that may lag go to the replica, if any."""

    def __init__(self, url: str, *, pool_size: int, row_security: bool, replica_url: str | None = None) -> None:
        super().__init__(
            build_connector(url, row_security=row_security),
            pool_size=pool_size,
            row_security=row_security,
            acquire_seconds=ACQUIRE_SECONDS,
        )
        self._replica = (
            None
            if replica_url is None
            else Replica(
                build_connector(replica_url, row_security=row_security),
                pool_size=pool_size,
                row_security=row_security,
                acquire_seconds=ACQUIRE_SECONDS,
            )
        )

    async def open(self) -> None:
        await super().open()
        if self._replica is not None:
            await self._replica.open()

    async def close(self) -> None:
        if self._replica is not None:
            await self._replica.close()
        await super().close()

    @property
    def replica_counts(self) -> ConnectionCounts | None:
        return None if self._replica is None else self._replica.counts

    def explain_replica(self) -> str | None:
        """Where reads go; None when there is no replica."""
        if self._replica is None:
            return None
        return "in use" if self._replica.is_usable else "out of reach: reads go to the primary"

    async def read_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, may_lag: bool = False
    ) -> list[Row]:
        """Run one statement that only reads; once more where its connection was lost.

        One that may lag goes to the replica, and to the primary when the replica has failed: both within two seconds.
        """
        if may_lag and self._replica is not None and self._replica.is_usable:
            return await self._read_replica(self._replica, text, arguments, site_id)
        begin = time.monotonic()
        try:
            return await self.fetch_rows(text, arguments, site_id)
        except ConnectionLost:
            if time.monotonic() - begin > LATEST_RECONNECT_SECONDS:
                raise
        return await self.fetch_rows(text, arguments, site_id)

    async def _read_replica(self, replica: Replica, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        begin = time.monotonic()
        try:
            return await replica.fetch_rows(text, arguments, site_id)
        except DatabaseBusy:
            raise
        except Conflict:
            pass  # What the replica replays removed rows that the statement still saw.
        except ServiceUnavailable:
            replica.put_aside()
        left = max(begin + ACQUIRE_SECONDS - time.monotonic(), LEAST_FALLBACK_SECONDS)
        try:
            async with asyncio.timeout(left):
                return await self.fetch_rows(text, arguments, site_id)
        except TimeoutError as failure:
            raise translate_connect_failure(failure) from failure

    async def write_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, is_idempotent: bool
    ) -> list[Row]:
        """Run one statement that writes, again when another change got in its way: at most three times, after a pause.

        A statement whose answer was lost may have been committed; it is run again only if it is idempotent. The last
        try begins within `LATEST_RETRY_SECONDS`, and where the server was lost within `LATEST_RECONNECT_SECONDS`.
        """
        begin = time.monotonic()
        for retry in range(MOST_RETRIES):
            pause = random.uniform(0.5, 1) * FIRST_PAUSE_SECONDS * 2**retry  # noqa: S311 (jitter)
            try:
                return await self.fetch_rows(text, arguments, site_id)
            except Conflict:
                if time.monotonic() + pause > begin + LATEST_RETRY_SECONDS:
                    raise
            except ServiceUnavailable as failure:
                is_late = time.monotonic() + pause > begin + LATEST_RECONNECT_SECONDS
                if not is_idempotent or is_late or isinstance(failure, DatabaseBusy):
                    raise
            await asyncio.sleep(pause)
        return await self.fetch_rows(text, arguments, site_id)


def build_connector(url: str, *, row_security: bool) -> Connector:
    return Connector(url, role=SERVICE_ROLE if row_security else None, statement_seconds=STATEMENT_SECONDS)
