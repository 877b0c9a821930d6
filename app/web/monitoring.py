"""Builds the monitoring of the service from the settings: log, metrics and traces."""

import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.errors import ConfigurationError
from app.observing.batch import ObserveAll, RecordBatch
from app.observing.logs import OperationLog
from app.observing.metrics import Metrics
from app.operations.change_stream import ChangeStream
from app.operations.response import Response
from app.settings import Settings, find_standard_endpoint, has_tracing
from app.web.endpoint import GraphQLEndpoint
from app.web.headers import read_headers
from app.web.load.connections import Load
from app.web.metrics import MetricsEndpoint, build_metrics, refresh_periodically
from app.web.readiness import Readiness
from app.web.streams.http_streams import HTTPStream

if TYPE_CHECKING:
    from app.observing.tracing import Tracing

INSTALL = "install attendance-graphql[tracing]"

logger = logging.getLogger("attendance.server")
OpenSpan = Callable[[Mapping[bytes, bytes]], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEndpoint(GraphQLEndpoint):
    """An endpoint that handles each request in a span, which `open_span` opens from the request's headers.

    The span of a request that opens a stream ends when the stream begins.
    """

    open_span: OpenSpan
    leave_span: Callable[[], AbstractContextManager[None]]

    async def run_message(self, *arguments: Any) -> Response | ChangeStream:
        with self.open_span({}):
            return await GraphQLEndpoint.run_message(self, *arguments)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.open_span(read_headers(scope["headers"])):
            await GraphQLEndpoint.__call__(self, scope, receive, send)

    async def run_stream(self, stream: HTTPStream) -> None:
        with self.leave_span():
            await GraphQLEndpoint.run_stream(self, stream)


@dataclass(frozen=True, slots=True)
class Monitoring:
    """The monitoring of a process. `build_endpoint` builds an endpoint whose requests are recorded."""

    build_endpoint: Callable[..., GraphQLEndpoint]
    batch: RecordBatch
    routes: Sequence[Route]
    metrics: Metrics | None
    tracing: "Tracing | None"

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Share metrics inside the block; at its end, flush records and spans."""
        async with AsyncExitStack() as stack:
            if self.tracing is not None:
                stack.callback(self.tracing.close)
            if self.metrics is not None:
                await stack.enter_async_context(refresh_periodically(self.metrics))
            stack.callback(self.batch.flush)
            yield


def build_monitoring(
    settings: Settings,
    readiness: Readiness,
    load: Load,
    log: OperationLog | None,
    tracing: "Tracing | None",
    shared_directory: Path | None = None,
) -> Monitoring:
    """The monitoring that the settings enable. Processes that have a `shared_directory` add up their metrics.

    Spans come before the log, so that the log has the id of the span's trace.
    """
    watching: list[ObserveAll] = [] if log is None else [log.write_all]
    metrics = None
    if settings.metrics:
        metrics, counts = build_metrics(readiness, load, log, shared_directory)
        watching.append(counts.count_all)
    batch = RecordBatch(watching)
    routes = [Route("/metrics", MetricsEndpoint(metrics, batch, settings.metrics_token).respond)] if metrics else []
    build: Callable[..., GraphQLEndpoint] = partial(GraphQLEndpoint, observers=(batch.add,))
    if tracing is not None:
        observers = (tracing.describe_span, batch.add)
        build = partial(TracedEndpoint, open_span=tracing.open_span, leave_span=tracing.leave_span, observers=observers)
    return Monitoring(build, batch, routes, metrics, tracing)


def check_tracing(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raise ConfigurationError if the `tracing` extra is missing for the service's own endpoint.

    For OpenTelemetry's standard one, which is often set for all services of a machine, log a warning.
    """
    if has_tracing():
        return
    if settings.otlp_endpoint is not None:
        raise ConfigurationError(f"traces need a package that is missing: {INSTALL}, or unset ATTENDANCE_OTLP_ENDPOINT")
    standard = find_standard_endpoint(environ)
    if standard is not None:
        logger.warning("there are no traces although %s is set: %s", standard, INSTALL)


def start_tracing(endpoint: str) -> "Tracing":
    """Set up the traces of this process. OpenTelemetry is imported only here."""
    from app.observing.tracing import Tracing

    return Tracing(endpoint)
