"""The ASGI application, wired from its settings."""

import asyncio
import gc
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.database.pool import Database
from app.errors import ConfigurationError
from app.observing.logs import OperationLog, start_logs
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
from app.web.headers import REQUEST_ID, SECURITY_HEADERS, Header, add_headers, read_headers
from app.web.health import report_alive, report_ready
from app.web.identity import identify_request
from app.web.intake import Intake
from app.web.watching import build_watch, start_tracing

if TYPE_CHECKING:
    from app.observing.tracing import Tracing

GRAPHQL_PATH = "/graphql"
COLLECTOR_THRESHOLDS = (10_000, 10, 10)
CLOSE_SECONDS = 2.0

logger = logging.getLogger("attendance.server")


class Application(Starlette):
    """Starlette, but for GraphQL itself, whose requests reach their endpoint with nothing in between.

    A path is right or not found: a redirect would name whatever host the request does, by plain HTTP.
    """

    def __init__(self, endpoint: GraphQLEndpoint, **options: Any) -> None:
        super().__init__(**options)
        self.router.redirect_slashes = False
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
            await super().__call__(scope, receive, add_headers(send, describe_request(scope)))


def describe_request(scope: Scope) -> tuple[Header, ...]:
    """The headers of every answer; of the lifespan, which has none, nothing is sent."""
    identity = identify_request(read_headers(scope.get("headers", [])))
    return (REQUEST_ID, identity.request_id.encode()), *SECURITY_HEADERS


def build_application(
    settings: Settings, database: Database | None = None, log: OperationLog | None = None
) -> Application:
    """The service for these settings; `database` takes the place of a pool on their URL, `log` is told of operations.

    Raises ConfigurationError when a database or a key is missing.
    """
    tracing = start_tracing(settings.otlp_endpoint) if settings.otlp_endpoint else None
    database = database or build_database(settings, tracing)
    explorer = Explorer(settings.explorer_token) if settings.explorer else None
    service = build_service(settings, database)
    admission = Admission(settings.max_running, settings.max_queued, settings.site_share)
    watch = build_watch(settings, database, admission, log, tracing)
    authenticator, intake = build_authenticator(settings), Intake(settings.max_body_bytes)
    endpoint = watch.build_endpoint(service, authenticator, admission, Flights(), intake, explorer)

    @asynccontextmanager
    async def hold_database(_application: Starlette) -> AsyncIterator[None]:
        async with watch.keep():
            await database.open()
            try:
                yield
            finally:
                await close_service(service)

    routes = [
        Route(GRAPHQL_PATH, endpoint),
        Route("/healthz", report_alive, methods=["GET"]),
        Route("/readyz", report_ready, methods=["GET"]),
        *watch.routes,
        *(explorer.routes if explorer else []),
    ]
    application = Application(endpoint, routes=routes, lifespan=hold_database)
    application.state.database = database
    application.state.watch = watch
    return application


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


def build_database(settings: Settings, tracing: "Tracing | None" = None) -> Database:
    if settings.database_url is None:
        raise ConfigurationError("ATTENDANCE_DATABASE_URL is not set")
    build = Database if tracing is None else tracing.build_database
    return build(
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
