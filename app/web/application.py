"""The ASGI application, wired from its settings."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.routing import Route

from app.database.pool import Database
from app.errors import ConfigurationError
from app.operations.documents import build_documents
from app.operations.running import GraphQLService
from app.schema.schema import print_schema
from app.settings import Settings, load_settings
from app.web.authentication import build_authenticator
from app.web.endpoint import GraphQLEndpoint
from app.web.explorer.page import Explorer
from app.web.health import report_alive, report_ready


def build_application(settings: Settings, database: Database | None = None) -> Starlette:
    """The service for these settings; `database` takes the place of a pool on their URL.

    Raises ConfigurationError when a database or a key is missing.
    """
    database = database or build_database(settings)
    explorer = Explorer(settings.explorer_token) if settings.explorer else None
    documents = build_documents(settings)
    service = GraphQLService(documents, database, print_schema(scopes=settings.federation_scopes))
    endpoint = GraphQLEndpoint(service, build_authenticator(settings), explorer, settings.max_body_bytes)

    @asynccontextmanager
    async def hold_database(_application: Starlette) -> AsyncIterator[None]:
        await database.open()
        try:
            yield
        finally:
            await database.close()

    routes = [
        Route("/graphql", endpoint),
        Route("/healthz", report_alive, methods=["GET"]),
        Route("/readyz", report_ready, methods=["GET"]),
        *(explorer.routes if explorer else []),
    ]
    application = Starlette(routes=routes, lifespan=hold_database)
    application.state.database = database
    return application


def build_database(settings: Settings) -> Database:
    if settings.database_url is None:
        raise ConfigurationError("ATTENDANCE_DATABASE_URL is not set")
    return Database(settings.database_url, pool_size=settings.pool_size, row_security=settings.row_security)


def create_application() -> Starlette:
    """The application of a server process, whose settings are in its environment."""
    return build_application(load_settings(os.environ))
