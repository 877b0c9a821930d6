"""`GET /metrics`, and all metrics except those of finished requests. A new metric is one call here."""

import asyncio
import logging
import platform
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from time import process_time

from starlette.requests import Request
from starlette.responses import Response

from app.database.connection_pool import ConnectionCounts
from app.database.pool import Database
from app.database.replicas import Replicas
from app.errors import ConfigurationError
from app.observing.batch import RecordBatch
from app.observing.counts import OperationCounts
from app.observing.logs import OperationLog
from app.observing.metrics import MEDIA_TYPE, Metrics, Source
from app.observing.process import find_version, read_memory_bytes
from app.observing.sharing import open_shared_directory
from app.observing.stream_counts import StreamCounts
from app.settings import Settings
from app.web.load.admission import Admission, RejectionReason
from app.web.load.connections import ConnectionLimits, Load
from app.web.readiness import Readiness

REFRESH_SECONDS = 1.0

logger = logging.getLogger("attendance.metrics")


def build_metrics(
    readiness: Readiness, load: Load, log: OperationLog | None, shared_directory: Path | None
) -> tuple[Metrics, OperationCounts]:
    """The metrics of this process, or of all processes if several share a directory, and what counts its requests."""
    metrics = Metrics(shared_directory)
    counts = OperationCounts(metrics)
    add_admission_metrics(metrics, load.admission)
    add_connection_metrics(metrics, load.connections)
    StreamCounts(metrics, load.streams)
    add_pool_metrics(metrics, readiness.database)
    add_replica_metrics(metrics, readiness.database.replicas)
    add_process_metrics(metrics, readiness, log)
    metrics.refresh()  # A process that follows one that has ended replaces its gauges.
    return metrics, counts


def add_admission_metrics(metrics: Metrics, admission: Admission) -> None:
    def count_rejected() -> Mapping[str, float]:
        return {reason.value: admission.rejected[reason] for reason in RejectionReason}

    counter_of, gauge_of = metrics.counter_of, metrics.gauge_of
    gauge_of("attendance_requests_running", "Requests that are running.", lambda: admission.running)
    gauge_of("attendance_requests_running_limit", "Maximum of running requests.", lambda: admission.max_running)
    gauge_of("attendance_requests_queued", "Requests that wait for a slot.", lambda: admission.queued)
    gauge_of("attendance_requests_queued_limit", "Maximum of waiting requests.", lambda: admission.max_queued)
    counter_of("attendance_requests_queued_total", "Requests that had to wait for a slot.", lambda: admission.waited)
    name = "attendance_requests_turned_away_total"
    counter_of(name, "Requests rejected because of overload.", count_rejected, "reason")


def add_connection_metrics(metrics: Metrics, limits: ConnectionLimits) -> None:
    gauge_of = metrics.gauge_of
    gauge_of("attendance_connections", "Open connections of clients.", lambda: limits.open)
    gauge_of("attendance_connections_limit", "Maximum of open connections of clients.", lambda: limits.max_open)
    text = "Connections of clients refused because there were too many."
    metrics.counter_of("attendance_connections_refused_total", text, lambda: limits.refused)


def add_pool_metrics(metrics: Metrics, database: Database) -> None:
    def pools(read: Callable[[ConnectionCounts], int]) -> Source:
        """A number of the connections to the primary, and of those to the replicas if there are any."""

        def read_all() -> Mapping[str, float]:
            replicas = {} if database.replicas is None else {"replica": read(database.replicas.counts)}
            return {"primary": read(database.counts), **replicas}

        return read_all

    counter_of, gauge_of = metrics.counter_of, metrics.gauge_of
    limit, waiting = "Maximum of connections to Postgres.", "Operations that wait for a connection."
    acquired, timeouts = "Acquisitions of a connection.", "Waits for a connection that timed out."
    gauge_of("attendance_pool_size", "Connections to Postgres.", pools(lambda pool: pool.size), "server")
    gauge_of("attendance_pool_limit", limit, pools(lambda pool: pool.limit), "server")
    gauge_of("attendance_pool_idle", "Idle connections.", pools(lambda pool: pool.idle), "server")
    gauge_of("attendance_pool_waiting", waiting, pools(lambda pool: pool.waiting), "server")
    counter_of("attendance_pool_acquired_total", acquired, pools(lambda pool: pool.acquired), "server")
    counter_of("attendance_pool_timeouts_total", timeouts, pools(lambda pool: pool.timeouts), "server")
    name = "attendance_pool_connect_failures_total"
    counter_of(name, "Failed attempts to connect.", pools(lambda pool: pool.connect_failures), "server")


def add_replica_metrics(metrics: Metrics, replicas: Replicas | None) -> None:
    lag = "Seconds that a replica is behind the primary."
    used = "Whether reads use a replica: 1 while they do, else 0."
    lags, uses = (lambda: replicas.lags, lambda: replicas.uses) if replicas else (dict, dict)
    metrics.gauge_of("attendance_replica_lag_seconds", lag, lags, "host", mode="livemax")
    metrics.gauge_of("attendance_replica_in_use", used, uses, "host", mode="livemin")


def add_process_metrics(metrics: Metrics, readiness: Readiness, log: OperationLog | None) -> None:
    ready = "Whether the service is ready: 1 while /readyz answers 200, else 0."
    metrics.gauge_of("attendance_ready", ready, lambda: readiness.is_ready, mode="livemin")
    metrics.gauge_of("attendance_workers", "Server processes.", lambda: 1)
    metrics.counter_of("attendance_cpu_seconds_total", "CPU time of the server processes.", process_time)
    metrics.gauge_of("attendance_memory_bytes", "Resident memory of the server processes.", read_memory_bytes)
    dropped = "Log lines that could not be written to standard output."
    metrics.counter_of("attendance_log_lines_dropped_total", dropped, lambda: 0 if log is None else log.dropped)
    build = metrics.gauge(
        "attendance_build_info", "The versions of the service and of Python.", "version", "python", mode="livemin"
    )
    build.labels(find_version(), platform.python_version()).set(1)


@contextmanager
def share_metrics(settings: Settings, workers: int) -> Iterator[Path | None]:
    """A directory in which `workers` processes share their metrics inside the block; None if there is nothing to share.

    Raises ConfigurationError if it cannot be created.
    """
    if workers == 1 or not settings.metrics:
        yield None
        return
    with ExitStack() as stack:
        try:
            directory = stack.enter_context(open_shared_directory(workers))
        except OSError as failure:
            raise ConfigurationError(
                "several workers share their metrics in a temporary directory, which cannot be created"
                f" ({failure.strerror}): set TMPDIR to a directory that can be written to, or ATTENDANCE_METRICS=off"
            ) from failure
        yield directory


@dataclass(frozen=True, slots=True)
class MetricsEndpoint:
    """Serves the metrics, only to requests with the token if one is set."""

    metrics: Metrics
    batch: RecordBatch
    token: str | None

    async def respond(self, request: Request) -> Response:
        authorization = request.headers.get("Authorization", "")
        if self.token is not None and not compare_digest(authorization.encode(), f"Bearer {self.token}".encode()):
            return Response(status_code=401, headers={"WWW-Authenticate": 'Bearer realm="metrics"'})
        self.batch.flush()
        try:
            content = self.metrics.write()
        except OSError as failure:
            logger.warning("the metrics cannot be shared: %s", failure)
            return Response(status_code=503)
        return Response(content, headers={"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"})


@asynccontextmanager
async def refresh_periodically(metrics: Metrics) -> AsyncIterator[None]:
    """Inside the block, show the other processes every second what is true in this one."""
    refreshing = asyncio.create_task(refresh_until_cancelled(metrics))
    try:
        yield
    finally:
        refreshing.cancel()
        metrics.close()


async def refresh_until_cancelled(metrics: Metrics) -> None:
    while metrics.is_shared:
        metrics.refresh()
        await asyncio.sleep(REFRESH_SECONDS)
