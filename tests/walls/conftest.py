"""Fixtures: a process that has rendered no statement yet, and servers of the test's own."""

import pkgutil
from collections.abc import AsyncIterator, Callable
from importlib import import_module
from urllib.parse import parse_qs, urlsplit

import pytest

import app.sql
from app.database.connector import Connector
from app.database.migrations import SERVICE_ROLE
from app.database.server import PostgresServer


@pytest.fixture(autouse=True)
def nothing_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every statement rendered anew."""
    for found in pkgutil.iter_modules(app.sql.__path__):
        module = import_module(f"app.sql.{found.name}")
        for name, value in vars(module).items():
            if type(value).__name__ == "Templates":
                monkeypatch.setattr(module, name, type(value)())


@pytest.fixture
def embedded(database_url: str) -> str:
    """The directory of the server's socket and the name of its database, as a URL names them."""
    parts = urlsplit(database_url)
    if "host" not in parse_qs(parts.query):
        pytest.skip("needs a server on this machine")
    return database_url


Serve = Callable[..., PostgresServer]


@pytest.fixture
async def serve(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Serve]:
    servers: list[PostgresServer] = []

    def make(
        url: str, *, row_security: bool = True, role: str | None = SERVICE_ROLE, pool_size: int = 1, seconds: float = 2
    ) -> PostgresServer:
        connector = Connector(url, role=role if row_security else None, statement_seconds=5)
        monkeypatch.setattr("app.database.server.ACQUIRE_SECONDS", seconds)
        servers.append(PostgresServer(connector, pool_size=pool_size))
        return servers[-1]

    yield make
    for server in servers:
        await server.close()


@pytest.fixture
def server(serve: Serve, database_url: str) -> PostgresServer:
    """One connection to the migrated database."""
    return serve(database_url)
