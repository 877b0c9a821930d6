"""The database as operations see it: the primary, its replicas if there are any, and retries."""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Protocol
from uuid import UUID

from app.database.connector import Connector
from app.database.distributed_poll import DistributedPoll
from app.database.failures import ConnectionLost, DatabaseBusy
from app.database.hosts import Address, split_all_hosts
from app.database.positions import PrimaryPositions
from app.database.privileges import SERVICE_ROLE
from app.database.replica import Replica
from app.database.replica_reads import ReplicaReads
from app.database.replicas import Replicas
from app.database.revisions import READ_LISTED_REVISIONS, READ_REVISIONS
from app.database.server import PostgresServer, Row
from app.errors import Conflict, ServiceUnavailable
from app.settings import DEFAULTS

__all__ = ["Database", "ReadsRows", "Row"]

STATEMENT_SECONDS = 5.0
MAX_RETRIES = 3
FIRST_PAUSE_SECONDS = 0.05
# A retry that starts later could still be running when the request's ten seconds are over.
LATEST_RETRY_SECONDS = 3.0
# When the connection was lost later than that, the caller has waited long enough.
LATEST_RECONNECT_SECONDS = 1.0


class ReadsRows(Protocol):
    """What sends statements that read: the database, or what stands before it."""

    async def read_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]: ...


class Database(PostgresServer):
    """The primary, with retries of reads and writes, and its replicas, which `replica_url` names."""

    def __init__(
        self,
        url: str,
        *,
        pool_size: int,
        row_security: bool,
        replica_url: str | None = None,
        replica_max_lag: float = DEFAULTS["replica_max_lag"],
        distributed: bool = False,
    ) -> None:
        connector = build_connector(url, row_security=row_security)
        super().__init__(connector, pool_size=pool_size, distributed=distributed)
        self._distributed_poll = DistributedPoll(self.fetch_rows)
        self.replicas: Replicas | None = None
        if replica_url is not None:
            positions = PrimaryPositions()
            servers = [
                Replica(
                    build_connector(replica_url, row_security=row_security, address=address),
                    positions,
                    pool_size=pool_size,
                    max_lag=replica_max_lag,
                )
                for address in split_all_hosts(replica_url)
            ]
            self.replicas = Replicas(self, positions, servers)

    async def open(self) -> None:
        await super().open()
        if self.replicas is not None:
            await self.replicas.open()

    async def close(self) -> None:
        if self.replicas is not None:
            await self.replicas.close()
        await super().close()

    def explain_replica(self) -> str | None:
        """Which replicas reads use, and what is wrong with the others; None when there are none."""
        return None if self.replicas is None else self.replicas.explain()

    def open_reads(self, least_revision: int) -> ReadsRows:
        """What reads for one request, which sees at least a revision of its site: by a replica if that has it."""
        if self.replicas is None:
            return self
        return ReplicaReads(self.replicas, self, partial(Database.read_rows, self), least_revision)

    async def read_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        """Run one statement that only reads, on the primary; retry once if its connection was lost."""
        begin = time.monotonic()
        try:
            return await self.fetch_rows(text, arguments, site_id)
        except ConnectionLost:
            if time.monotonic() - begin > LATEST_RECONNECT_SECONDS:
                raise
        return await self.fetch_rows(text, arguments, site_id)

    async def read_revisions(self, known: Mapping[str, int]) -> dict[str, int]:
        """The revisions of those sites whose revision is another than the known one, from the primary.

        Sites are named by the texts of their ids. The connection may have entered any of them: row security lets this
        statement see all that it lists. Later reads of this process see what it has found.
        """
        lists = f"{{{','.join(known)}}}", f"{{{','.join(map(str, known.values()))}}}"
        entered = UUID(next(iter(known)))
        rows: Sequence[Row]
        if self._row_security:
            rows = await self.fetch_rows(READ_LISTED_REVISIONS, lists, entered)
        elif self.is_distributed:
            rows = await self._distributed_poll.read(list(known))
        else:
            rows = await self.fetch_rows(READ_REVISIONS, lists[:1], entered)
        changed = {row[0]: row[1] for row in rows if known[row[0]] != row[1]}
        for site, revision in changed.items():
            self.note_write(UUID(site), revision)
        return changed

    async def write_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, is_idempotent: bool
    ) -> list[Row]:
        """Run one statement that writes; after a conflict, retry at most three times with a pause.

        A statement whose answer was lost may have been committed; it is retried only if it is idempotent. The last
        retry starts within `LATEST_RETRY_SECONDS`, after a lost connection within `LATEST_RECONNECT_SECONDS`.
        """
        begin = time.monotonic()
        for retry in range(MAX_RETRIES):
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

    def note_write(self, site_id: UUID, revision: int) -> None:
        """Note the revision that a write has made, of whatever process: later reads of this process must see it."""
        if self.replicas is not None:
            self.replicas.writes.note(site_id, revision)


def build_connector(url: str, *, row_security: bool, address: Address | None = None) -> Connector:
    """What connects to the service's database by a URL, or to one of the URL's hosts alone."""
    role = SERVICE_ROLE if row_security else None
    return Connector(url, role=role, statement_seconds=STATEMENT_SECONDS, address=address)
