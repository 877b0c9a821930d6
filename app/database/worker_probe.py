"""The probe of a Citus cluster's workers: which of them a site is on, and which do not answer.

The coordinator knows both without the help of the sites' own statements, which may be slow for other reasons.
"""

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import NamedTuple
from uuid import UUID

from app.database.connector import Connector
from app.database.distributed_poll import NO_SITE, SHARDS_OF_SITES
from app.database.failures import CONNECT_ERRORS, describe_failure

FIND_WORKERS = (
    SHARDS_OF_SITES
    + """
SELECT site, nodename, nodeport
FROM shards
JOIN pg_dist_placement USING (shardid)
JOIN pg_dist_node USING (groupid)
WHERE noderole = 'primary'
"""
)
# It connects from the coordinator to the worker, and waits for no lock.
ASK_WORKER = "SELECT citus_check_connection_to_node($1, $2)"
FIND_SECONDS = 1.0
# Longer than a connection between nodes takes, and with the rest less than a request waits to be admitted.
ANSWER_SECONDS = 0.4
# What was found is used for so long.
INFORMED_SECONDS = 3.0
MOST_SITES = 1000

logger = logging.getLogger("attendance.database")


class Worker(NamedTuple):
    """A worker, by the name and port that the coordinator connects to."""

    host: str
    port: int


class WorkerProbe:
    """Finds the workers of the sites that were seen, and which workers are `unresponsive`, whenever it is run."""

    def __init__(self, connector: Connector) -> None:
        self.unresponsive: set[Worker] = set()
        self._connector = connector
        self._workers: dict[UUID, Worker | None] = {}
        self._answered: set[Worker] = set()
        self._informed_until = 0.0

    @property
    def is_informed(self) -> bool:
        """Whether the coordinator has told lately where the sites are, and which of their workers answer."""
        return time.monotonic() < self._informed_until

    @property
    def has_unknown_site(self) -> bool:
        """Whether a site was seen whose worker nobody has asked for."""
        return None in self._workers.values()

    def note_site(self, site_id: UUID) -> None:
        """Note a site whose worker the next run finds. Of too many, the one seen first is forgotten."""
        if site_id not in self._workers and site_id != NO_SITE:
            if len(self._workers) >= MOST_SITES:
                del self._workers[next(iter(self._workers))]
            self._workers[site_id] = None

    def note_answer(self, site_id: UUID) -> None:
        """Note that a statement of a site was answered, and so its worker answers."""
        worker = self._workers.get(site_id)
        if worker is not None:
            self._answered.add(worker)
            self._note_responsive(worker)

    def is_unresponsive(self, site_id: UUID | None) -> bool:
        """Whether a site is known to be on a worker that does not answer."""
        return site_id is not None and self._workers.get(site_id) in self.unresponsive

    def find_unresponsive_sites(self) -> list[UUID]:
        return [site_id for site_id, worker in self._workers.items() if worker in self.unresponsive]

    async def run(self, sites: Iterable[UUID]) -> None:
        """Find the workers of all sites that were seen, and ask those of some sites, and those that did not answer."""
        self._answered.clear()
        try:
            async with asyncio.timeout(FIND_SECONDS):
                await self._find_workers()
            asked = {worker for site in sites if (worker := self._workers.get(site)) is not None}
            await asyncio.gather(*(self._ask(worker) for worker in asked | self.unresponsive))
        except CONNECT_ERRORS as failure:
            self._informed_until = 0.0
            logger.debug("the coordinator does not tell about workers: %s", describe_failure(failure))

    async def _find_workers(self) -> None:
        connection = await self._connector.connect()
        try:
            rows = await connection.fetch(FIND_WORKERS, f"{{{','.join(map(str, self._workers))}}}")
        finally:
            connection.terminate()
        for site, host, port in rows:
            if (site_id := UUID(site)) in self._workers:
                self._workers[site_id] = Worker(host, port)
        self._informed_until = time.monotonic() + INFORMED_SECONDS

    async def _ask(self, worker: Worker) -> None:
        """Have the coordinator connect to a worker. A refusal is an answer, too."""
        connection = await self._connector.connect()
        try:
            await connection.execute("BEGIN")  # Behind a pooler, what follows does not wait for a session.
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await connection.fetchval(ASK_WORKER, *worker)
            except TimeoutError:
                self._note_unresponsive(worker)
            else:
                self._note_responsive(worker)
        finally:
            connection.terminate()

    def _note_unresponsive(self, worker: Worker) -> None:
        if worker not in self._answered and worker not in self.unresponsive:
            self.unresponsive.add(worker)
            logger.warning("the worker %s:%d does not answer", *worker)

    def _note_responsive(self, worker: Worker) -> None:
        if worker in self.unresponsive:
            self.unresponsive.remove(worker)
            logger.warning("the worker %s:%d answers again", *worker)
