"""`GET /metrics`, and what the web knows that is counted there: who runs, who waits, and the connections they use."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hmac import compare_digest
from pathlib import Path
from tempfile import TemporaryDirectory

from starlette.requests import Request
from starlette.responses import Response

from app.database.pool import Database
from app.observing.batch import Batch
from app.observing.catalogue import (
    POOL_ACQUIRED,
    POOL_CONNECT_FAILURES,
    POOL_IDLE,
    POOL_LIMIT,
    POOL_SIZE,
    POOL_TIMEOUTS,
    POOL_WAITING,
    QUEUED,
    QUEUED_LIMIT,
    QUEUED_TOTAL,
    RUNNING,
    RUNNING_LIMIT,
    TURNED_AWAY,
)
from app.observing.counts import OperationCounts
from app.observing.logs import OperationLog
from app.observing.metrics import MEDIA_TYPE, Metrics
from app.observing.process import sample_process
from app.observing.samples import Samples, Source
from app.observing.sharing import SharedNumbers
from app.settings import Settings
from app.web.admission import Admission, Reason

PUBLISH_SECONDS = 1.0
FOLDER_PREFIX = "attendance-metrics-"
PRIMARY, REPLICA = "primary", "replica"

logger = logging.getLogger("attendance.metrics")


def sample_admission(admission: Admission) -> Samples:
    return {
        (RUNNING,): admission.running,
        (RUNNING_LIMIT,): admission.most_running,
        (QUEUED,): admission.queued,
        (QUEUED_LIMIT,): admission.most_queued,
        (QUEUED_TOTAL,): admission.waited,
        **{(TURNED_AWAY, reason.value): admission.refused[reason] for reason in Reason},
    }


def sample_connections(database: Database, pool_size: int) -> Samples:
    """The connections to the primary, and those to the replica if there is one."""
    pools = {PRIMARY: database.counts, REPLICA: database.replica_counts}
    return {
        (metric, server): number
        for server, counts in pools.items()
        if counts is not None
        for metric, number in {
            POOL_SIZE: counts.size,
            POOL_LIMIT: pool_size,
            POOL_IDLE: counts.idle,
            POOL_WAITING: counts.waiting,
            POOL_ACQUIRED: counts.acquired,
            POOL_TIMEOUTS: counts.timeouts,
            POOL_CONNECT_FAILURES: counts.connect_failures,
        }.items()
    }


def build_metrics(
    settings: Settings,
    database: Database,
    admission: Admission,
    log: OperationLog | None,
    counts: OperationCounts,
    batch: Batch,
) -> Metrics:
    """All that is counted in this process, and where several serve together, in all of them."""
    sources: list[Source] = [
        sample_process,
        counts.sample,
        partial(sample_admission, admission),
        partial(sample_connections, database, settings.pool_size),
    ]
    if log is not None:
        sources.append(log.sample)
    return Metrics(batch.flush, sources, SharedNumbers(settings.metrics_dir) if settings.metrics_dir else None)


@contextmanager
def share_metrics(settings: Settings, workers: int) -> Iterator[Settings]:
    """Settings with which so many processes count together, as long as the block lasts."""
    if workers == 1 or not settings.metrics or settings.metrics_dir is not None:
        yield settings
        return
    with TemporaryDirectory(prefix=FOLDER_PREFIX, ignore_cleanup_errors=True) as folder:
        yield replace(settings, metrics_dir=Path(folder))


@dataclass(frozen=True, slots=True)
class MetricsPage:
    """The metrics, for whoever sends the token, if there is one."""

    metrics: Metrics
    token: str | None

    async def answer(self, request: Request) -> Response:
        given = request.headers.get("Authorization", "")
        if self.token is not None and not compare_digest(given.encode(), f"Bearer {self.token}".encode()):
            return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
        try:
            content = self.metrics.write()
        except OSError as failure:
            logger.warning("the metrics cannot be shared: %s", failure)
            return Response(status_code=503)
        return Response(content, headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"})


@asynccontextmanager
async def publish_regularly(metrics: Metrics) -> AsyncIterator[None]:
    """Inside the block the other processes see what this one counts, a second later at most."""
    publishing = asyncio.create_task(publish_until_cancelled(metrics))
    try:
        yield
    finally:
        publishing.cancel()
        try:
            metrics.close()
        except OSError as failure:  # The directory goes with the first process that ends after the one that made it.
            logger.warning("the metrics cannot be shared: %s", failure)


async def publish_until_cancelled(metrics: Metrics) -> None:
    is_failing = False
    while True:
        try:
            metrics.publish()
            is_failing = False
        except OSError as failure:
            if not is_failing:
                logger.warning("the metrics cannot be shared: %s", failure)
            is_failing = True
        await asyncio.sleep(PUBLISH_SECONDS)
