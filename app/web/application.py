"""The ASGI application, wired from its settings."""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.database.pool import Database
from app.errors import ConfigurationError
from app.observing.counts import OperationCounts
from app.observing.logs import OperationLog, start_logs
from app.observing.metrics import Metrics
from app.operations.documents import build_documents
from app.operations.running import GraphQLService
from app.operations.variants import compile_ahead
from app.schema.schema import print_schema
from app.settings import Settings, load_settings
from app.web.admission import Admission
from app.web.authentication import build_authenticator
from app.web.endpoint import GraphQLEndpoint
from app.web.explorer.page import Explorer
from app.web.flights import Flights
from app.web.headers import SECURITY_HEADERS, add_headers
from app.web.health import report_alive, report_ready
from app.web.intake import Intake
from app.web.metrics import MetricsPage, build_metrics, publish_regularly

GRAPHQL_PATH = "/graphql"
COLLECTOR_THRESHOLDS = (10_000, 10, 10)
CLOSE_SECONDS = 2.0

logger = logging.getLogger("attendance.server")


class Application(Starlette):
    """Starlette, but for GraphQL itself, whose requests reach their endpoint with nothing in between."""

    def __init__(self, endpoint: GraphQLEndpoint, **options: Any) -> None:
        super().__init__(**options)
        self.endpoint = endpoint
        self.state.flights = endpoint.flights

    def announce_end(self) -> None:
        """The process is about to end: it is not ready, and keeps no connection after an answer."""
        self.endpoint.flights.announce_end()

    def stop_requests(self) -> None:
        """There is no more time for the requests that are on their way."""
        self.endpoint.flights.stop_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == GRAPHQL_PATH:
            await self.endpoint(scope, receive, send)
        else:
            await super().__call__(scope, receive, add_headers(send, SECURITY_HEADERS))


def build_application(
    settings: Settings, database: Database | None = None, log: OperationLog | None = None
) -> Application:
    """The service for these settings; `database` takes the place of a pool on their URL, `log` is told of operations.

    Raises ConfigurationError when a database or a key is missing.
    """
    database = database or build_database(settings)
    explorer = Explorer(settings.explorer_token) if settings.explorer else None
    service = build_service(settings, database)
    admission = Admission(settings.max_running, settings.max_queued, settings.site_share)
    counts = OperationCounts() if settings.metrics else None
    metrics = build_metrics(settings, counts, database, admission, log) if counts else None
    endpoint = GraphQLEndpoint(
        service,
        build_authenticator(settings),
        admission,
        Flights(),
        Intake(settings.max_body_bytes),
        explorer,
        tuple(each for each in (counts, log) if each is not None),
    )

    @asynccontextmanager
    async def hold_database(_application: Starlette) -> AsyncIterator[None]:
        await database.open()
        async with AsyncExitStack() as stack:
            stack.push_async_callback(close_service, service)
            if metrics is not None:
                await stack.enter_async_context(publish_regularly(metrics))
            yield

    application = Application(
        endpoint, routes=list_routes(endpoint, explorer, metrics, settings), lifespan=hold_database
    )
    application.state.database = database
    return application


def list_routes(
    endpoint: GraphQLEndpoint, explorer: Explorer | None, metrics: Metrics | None, settings: Settings
) -> list[Route]:
    return [
        Route(GRAPHQL_PATH, endpoint),
        Route("/healthz", report_alive, methods=["GET"]),
        Route("/readyz", report_ready, methods=["GET"]),
        *([Route("/metrics", MetricsPage(metrics, settings.metrics_token).answer)] if metrics else []),
        *(explorer.routes if explorer else []),
    ]


def build_service(settings: Settings, database: Database) -> GraphQLService:
    """What runs operations; trusted ones are compiled at once."""
    documents = build_documents(settings)
    for operation in documents.list_trusted():
        compile_ahead(operation)
    return GraphQLService(documents, database, print_schema(scopes=settings.federation_scopes), settings.compiled)


async def close_service(service: GraphQLService) -> None:
    """Let writes end, then close the database; both may take a few seconds, no more."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await service.writes.finish()
            await service.database.close()
    except TimeoutError:
        logger.error("the database could not be closed in time")


def build_database(settings: Settings) -> Database:
    if settings.database_url is None:
        raise ConfigurationError("ATTENDANCE_DATABASE_URL is not set")
    return Database(
        settings.database_url,
        pool_size=settings.pool_size,
        row_security=settings.row_security,
        replica_url=settings.replica_url,
    )


def create_application() -> Application:
    """The application of a server process, whose settings are in its environment."""
    settings = load_settings(os.environ)
    application = build_application(settings, log=start_logs(settings.log_level))
    spare_collector()
    return application


def spare_collector() -> None:
    """Keep the garbage collector from what lives as long as the process, and from looking after each page of rows.

    Else it takes as long as a large answer itself: rows and what is written of them are many objects and no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECTOR_THRESHOLDS)
