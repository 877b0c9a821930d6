"""Clients and services for tests of HTTP itself."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx2
import pytest
from starlette.applications import Starlette

from app.database.pool import Database
from app.settings import load_settings
from app.web.application import build_application
from tests.support.service import SECRET

ServiceBuilder = Callable[..., AbstractAsyncContextManager[httpx2.AsyncClient]]
KEY_NAMES = frozenset({"jwt_secret", "jwt_public_key", "jwks_url"})


def connect(application: Starlette) -> httpx2.AsyncClient:
    """A client in this process that sends no header of its own accord but what HTTP itself needs."""
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(application), base_url="http://service.test")
    for name in ("accept", "accept-encoding", "user-agent"):
        del client.headers[name]
    return client


@pytest.fixture
async def bare(application: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """A client whose requests have the headers that the test gives, and no Accept but that."""
    async with connect(application) as client:
        yield client


@pytest.fixture
def service(database_url: str) -> ServiceBuilder:
    """Bare clients of services of the test's own.

    Settings are variables without their prefix, in lower case. A database that is given is its giver's to open and
    to close; else the service has a pool of its own.
    """

    @asynccontextmanager
    async def build(database: Database | None = None, **variables: str) -> AsyncIterator[httpx2.AsyncClient]:
        key = {} if variables.keys() & KEY_NAMES else {"jwt_secret": SECRET}
        given = {"database_url": database_url, **key, **variables}
        settings = load_settings({f"ATTENDANCE_{name.upper()}": value for name, value in given.items()})
        application = build_application(settings, database)
        async with connect(application) as client:
            if database is not None:
                yield client
            else:
                async with application.router.lifespan_context(application):
                    yield client

    return build
