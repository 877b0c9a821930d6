"""How the service is watched, wired from its settings: who is shown each request, and what is served beside GraphQL."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.database.pool import Database
from app.errors import ConfigurationError
from app.observing.batch import Batch
from app.observing.counts import OperationCounts
from app.observing.logs import OperationLog
from app.observing.metrics import Metrics
from app.settings import Settings
from app.web.admission import Admission
from app.web.endpoint import GraphQLEndpoint
from app.web.headers import read_headers
from app.web.metrics import MetricsPage, build_metrics, publish_regularly

if TYPE_CHECKING:
    from app.observing.tracing import Tracing

OpenSpan = Callable[[Mapping[bytes, bytes]], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedEndpoint(GraphQLEndpoint):
    """The endpoint, within a span that `open_span` opens for a request's headers."""

    open_span: OpenSpan

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self.open_span(read_headers(scope["headers"])):
            await GraphQLEndpoint.__call__(self, scope, receive, send)


@dataclass(frozen=True, slots=True)
class Watch:
    """Those who watch the service. `build_endpoint` makes an endpoint that shows them each request."""

    build_endpoint: Callable[..., GraphQLEndpoint]
    batch: Batch
    routes: tuple[Route, ...]
    metrics: Metrics | None
    tracing: "Tracing | None"

    @asynccontextmanager
    async def keep(self) -> AsyncIterator[None]:
        """While the service runs, tell what is told regularly, and at the end what has not been told yet."""
        try:
            if self.metrics is None:
                yield
            else:
                async with publish_regularly(self.metrics):
                    yield
        finally:
            self.batch.flush()
            if self.tracing is not None:
                self.tracing.close()


def build_watch(
    settings: Settings,
    database: Database,
    admission: Admission,
    log: OperationLog | None,
    tracing: "Tracing | None",
) -> Watch:
    """All that the settings ask for. Spans come first: a request without a trace belongs to theirs in the log."""
    counts = OperationCounts() if settings.metrics else None
    batch = Batch([*([counts.count_all] if counts else []), *([log.write_all] if log else [])])
    metrics = build_metrics(settings, database, admission, log, counts, batch) if counts else None
    routes = (Route("/metrics", MetricsPage(metrics, settings.metrics_token).answer),) if metrics else ()
    build: Callable[..., GraphQLEndpoint] = partial(GraphQLEndpoint, observers=(batch.add,))
    if tracing is not None:
        observers = (tracing.describe_span, batch.add)
        build = partial(TracedEndpoint, open_span=tracing.open_span, observers=observers)
    return Watch(build, batch, routes, metrics, tracing)


def start_tracing(endpoint: str) -> "Tracing":
    """The traces of this process. Only with them is OpenTelemetry imported.

    Raises ConfigurationError when it is not installed.
    """
    try:
        from app.observing.tracing import Tracing
    except ModuleNotFoundError as missing:
        raise ConfigurationError(
            f"traces need {missing.name}: install attendance-graphql[tracing], or unset ATTENDANCE_OTLP_ENDPOINT"
        ) from missing
    return Tracing(endpoint)
