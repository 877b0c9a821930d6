"""Builds the ASGI application from the settings."""

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.applications import Starlette
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.database.pool import Database
from app.documents.documents import CACHED_DOCUMENTS, build_documents
from app.engine.compiled_operations import CompiledOperations
from app.errors import ConfigurationError
from app.observing.logs import OperationLog, start_logs
from app.observing.stream_log import StreamLog
from app.operations.running import GraphQLService
from app.operations.streams import ChangeStreams
from app.schema.schema import print_schema
from app.settings import Settings
from app.web.auth.authentication import build_authenticator
from app.web.cors import build_cors_policy
from app.web.endpoint import GraphQLEndpoint
from app.web.explorer.page import Explorer
from app.web.headers import REQUEST_ID, SECURITY_HEADERS, Header, add_headers, read_headers, read_request_id
from app.web.load.admission import RESERVED_PERCENT, SITE_SHARE_PERCENT, Admission
from app.web.load.body_reader import RequestBodyReader
from app.web.load.connections import ConnectionLimits, Load, share_files
from app.web.load.in_flight_requests import InFlightRequests
from app.web.monitoring import Monitoring, build_monitoring, start_tracing
from app.web.readiness import Readiness, report_alive, report_ready
from app.web.start.page import StartPage
from app.web.streams.upgrades import SocketEndpoint

if TYPE_CHECKING:
    from app.observing.tracing import Tracing

GRAPHQL_PATH = "/graphql"
GC_THRESHOLDS = (10_000, 10, 10)
SWITCH_SECONDS = 0.0002
CLOSE_SECONDS = 2.0

logger = logging.getLogger("attendance.server")
Watch = Callable[[], AbstractAsyncContextManager[None]]


class Application(Starlette):
    """A Starlette application that passes GraphQL requests to their endpoint without routing and middleware.

    It does not redirect slashes: a redirect would contain the host that the request names, with the scheme http.
    """

    def __init__(self, endpoint: GraphQLEndpoint, connection_limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(**options)
        self.router.redirect_slashes = False
        self.serve_by(endpoint)
        self.connection_limits = connection_limits

    def serve_by(self, endpoint: GraphQLEndpoint) -> None:
        self.endpoint = endpoint
        self.sockets = SocketEndpoint(endpoint)

    def begin_shutdown(self) -> None:
        """Report the process as not ready, and close each connection after its response."""
        self.endpoint.in_flight.begin_shutdown()

    def end_streams(self) -> None:
        """End all streams. Their clients are told, and connect to another process."""
        self.endpoint.service.streams.shut_down()

    def stop_requests(self) -> None:
        """Stop all in-flight requests, and close the connections of streams whose clients do not read their end."""
        self.endpoint.in_flight.stop_all()
        self.endpoint.heartbeats.abort_all()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == GRAPHQL_PATH:
            await self.endpoint(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == GRAPHQL_PATH:
            await self.sockets(scope, receive, send)
        else:
            await super().__call__(scope, receive, add_headers(send, build_common_headers(scope)))


def build_common_headers(scope: Scope) -> tuple[Header, ...]:
    """The headers that all responses have. The lifespan scope has no headers and gets no response."""
    request_id = read_request_id(read_headers(scope.get("headers", [])))
    return (REQUEST_ID, request_id.encode()), *SECURITY_HEADERS


def build_application(
    settings: Settings,
    database: Database | None = None,
    log: OperationLog | None = None,
    *,
    shared_directory: Path | None = None,
    connection_limits: ConnectionLimits | None = None,
) -> Application:
    """The service for these settings. `database` replaces a pool on their URL; `log` receives all operations.

    Processes that have a `shared_directory` add up their metrics.
    Raises ConfigurationError when a database or a key is missing.
    """
    tracing = start_tracing(settings.otlp_endpoint) if settings.otlp_endpoint else None
    database = database or build_database(settings, tracing)
    explorer = Explorer(settings.explorer_token) if settings.explorer else None
    service = build_service(settings, database, log)
    admission, in_flight = build_admission(settings), InFlightRequests()
    limits = connection_limits or ConnectionLimits()
    readiness, load = Readiness(database, in_flight), Load(admission, limits, service.streams)
    monitoring = build_monitoring(settings, readiness, load, log, tracing, shared_directory)
    authenticator, body_reader = build_authenticator(settings), RequestBodyReader(settings.max_body_bytes)
    endpoint = monitoring.build_endpoint(
        service, authenticator, admission, in_flight, body_reader, explorer, cors=build_cors_policy(settings)
    )
    routes = [
        Route(GRAPHQL_PATH, endpoint),
        Route("/healthz", report_alive, methods=["GET"]),
        Route("/readyz", report_ready, methods=["GET"]),
        *monitoring.routes,
        *([*explorer.routes, *StartPage(settings.explorer_token).routes] if explorer else []),
    ]
    watch = partial(readiness.watch, authenticator.keys.fetch_ahead)
    lifespan = partial(run_service, service, monitoring, watch)
    application = Application(endpoint, limits, routes=routes, lifespan=lifespan)
    application.state.database = database
    application.state.readiness = readiness
    application.state.monitoring = monitoring
    return application


def build_admission(settings: Settings) -> Admission:
    reserved = settings.max_running * RESERVED_PERCENT // 100
    return Admission(settings.max_running, settings.max_queued, SITE_SHARE_PERCENT, reserved)


@asynccontextmanager
async def run_service(
    service: GraphQLService,
    monitoring: Monitoring,
    watch: Watch,
    _application: Starlette,
) -> AsyncIterator[None]:
    """Open the database inside the block, and close it at its end, after the last writes."""
    async with monitoring.run():
        await service.database.open()
        try:
            async with watch():
                yield
        finally:
            await close_service(service)


def build_service(settings: Settings, database: Database, log: OperationLog | None) -> GraphQLService:
    """The service that runs operations. Trusted documents are compiled immediately."""
    documents = build_documents(settings)
    compiled = CompiledOperations(CACHED_DOCUMENTS)
    for operation in documents.list_trusted():
        compiled.compile_ahead(operation)
    sdl, deletions_kept = print_schema(scopes=settings.federation_scopes), timedelta(days=settings.deletions_kept_days)
    streams = ChangeStreams(settings.max_streams, [StreamLog(log)] if log else [])
    return GraphQLService(documents, database, sdl, compiled, streams=streams, deletions_kept=deletions_kept)


async def close_service(service: GraphQLService) -> None:
    """Wait for writes to finish, then close the database, within `CLOSE_SECONDS`."""
    try:
        async with asyncio.timeout(CLOSE_SECONDS):
            await service.writes.finish()
            await service.database.close()
    except TimeoutError:
        logger.error("the database was not closed in time")


def build_database(settings: Settings, tracing: "Tracing | None" = None) -> Database:
    if settings.database_url is None:
        raise ConfigurationError("ATTENDANCE_DATABASE_URL is not set")
    build = Database if tracing is None else tracing.build_database
    return build(
        settings.database_url,
        pool_size=settings.pool_size,
        row_security=settings.row_security,
        distributed=settings.distributed,
        replica_url=settings.replica_url,
        replica_max_lag=settings.replica_max_lag,
    )


def create_application(settings: Settings, shared_directory: Path | None) -> Application:
    """The application of a server process."""
    log = start_logs(settings.log_level)
    max_connections, max_streams = share_files(settings.max_streams)
    application = build_application(
        replace(settings, max_streams=max_streams),
        log=log,
        shared_directory=shared_directory,
        connection_limits=ConnectionLimits(max_connections),
    )
    tune_gc()
    tune_threads()
    return application


def tune_gc() -> None:
    """Exclude long-lived objects from garbage collection, and collect less often.

    Rows and their JSON values are many objects without cycles. With the default thresholds, collections take as long
    as writing a large response.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


def tune_threads() -> None:
    """Let the thread of the event loop go on soon while another one reads a document."""
    sys.setswitchinterval(SWITCH_SECONDS)
