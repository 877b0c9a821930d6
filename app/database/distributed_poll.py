"""Reads the revisions of many sites from the workers of a Citus cluster, where one of them may not answer."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any
from uuid import UUID

from app.database.revisions import READ_REVISIONS
from app.errors import OperationTimeout, ServiceError

# The shard of each site; only the coordinator is asked. Within the join, it would be computed for each placement again.
SHARDS_OF_SITES = """
WITH shards AS MATERIALIZED (
    SELECT site, get_shard_id_for_distribution_column('site_revision', site::uuid) AS shardid
    FROM unnest($1::text::text[]) AS site
)
"""
# Which sites live on the same worker.
GROUP_BY_WORKER = (
    SHARDS_OF_SITES
    + """
SELECT string_agg(site, ',')
FROM shards
JOIN pg_dist_placement USING (shardid)
GROUP BY groupid
"""
)
# Citus sends a list of parameters to the shards of these sites, and an array whose text it does not read to all shards.
READ_FEW = "SELECT site_id::text, revision FROM site_revision WHERE site_id IN ({})"
MOST_OF_FEW = 64
MOST_AT_ONCE = 4
ANSWER_SECONDS = 1.0
# After a worker has not answered, each worker is asked for itself for so long.
APART_SECONDS = 10.0
# The poll is of no site, and so shares no connections with any.
NO_SITE = UUID(int=0)

FetchRows = Callable[[str, Sequence[object], UUID], Awaitable[Sequence[Any]]]


class DistributedPoll:
    """Reads revisions from all workers of a cluster at once, or from each for itself while one does not answer."""

    def __init__(self, fetch_rows: FetchRows) -> None:
        self._fetch_rows = fetch_rows
        self._apart_until = 0.0

    async def read(self, sites: Sequence[str]) -> list[Any]:
        """The id and revision of each of these sites, without those whose worker does not answer.

        Raises ServiceError when no worker answers.
        """
        array = [f"{{{','.join(sites)}}}"]
        if time.monotonic() >= self._apart_until:
            try:
                statement = render_few(sites) if len(sites) <= MOST_OF_FEW else (READ_REVISIONS, array)
                return await self._ask(*statement)
            except ServiceError:
                self._apart_until = time.monotonic() + APART_SECONDS
        groups = await self._fetch_rows(GROUP_BY_WORKER, array, NO_SITE)
        slots = asyncio.Semaphore(MOST_AT_ONCE)
        pieces = [piece for group in groups for piece in cut(group[0].split(","))]
        answers = await asyncio.gather(*(self._ask_few(piece, slots) for piece in pieces), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        unforeseen = [failure for failure in failures if not isinstance(failure, ServiceError)]
        if unforeseen or (failures and len(failures) == len(answers)):
            raise (unforeseen or failures)[0]
        return [row for answer in answers if not isinstance(answer, BaseException) for row in answer]

    async def _ask_few(self, sites: Sequence[str], slots: asyncio.Semaphore) -> list[Any]:
        async with slots:
            return await self._ask(*render_few(sites))

    async def _ask(self, text: str, arguments: Sequence[object]) -> list[Any]:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return list(await self._fetch_rows(text, arguments, NO_SITE))
        except TimeoutError as failure:
            raise OperationTimeout("a worker does not answer") from failure


def cut(sites: Sequence[str]) -> Iterable[Sequence[str]]:
    return (sites[start : start + MOST_OF_FEW] for start in range(0, len(sites), MOST_OF_FEW))


def render_few(sites: Sequence[str]) -> tuple[str, list[str]]:
    """The statement for a few sites, and its arguments; the last is repeated, so that few texts serve all numbers."""
    count = 1 << (len(sites) - 1).bit_length()
    padded = [*sites, *[sites[-1]] * (count - len(sites))]
    return READ_FEW.format(", ".join(f"${number}" for number in range(1, count + 1))), padded
