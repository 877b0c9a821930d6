"""Fixtures: an empty database of the test's own, and owners without special rights."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

import asyncpg
import pytest

from app.database import migrations, pool, privileges
from app.database.migrations import SERVICE_ROLE, read_migrations
from tests.support.clusters import drop_on_workers, has_citus, spread_database

PASSWORD = "a password of the tests"

Execute = Callable[[str], Awaitable[None]]
CreateOwner = Callable[[str], Awaitable[str]]


@pytest.fixture
def empty_url(create_database: Callable[[], str]) -> str:
    """A database without a table, as a superuser reaches it."""
    return create_database()


@pytest.fixture
async def spread(postgres_url: str, create_database: Callable[[], str]) -> AsyncIterator[str]:
    """An empty database on all nodes of the cluster."""
    if not await has_citus(postgres_url):
        pytest.skip("needs a coordinator of Citus")
    url = create_database()
    await spread_database(postgres_url, url)
    yield url
    await drop_on_workers(postgres_url, url.rpartition("/")[2])


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[Any]:
    """A superuser's connection to the server."""
    connection = await asyncpg.connect(postgres_url)
    yield connection
    await connection.close()


@pytest.fixture
async def service_role(server: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """A service's role that this server has not seen: the migrations and the pool name it in place of the usual one."""
    role = f"attendance_test_{uuid4().hex}"
    renamed = [replace(one, text=one.text.replace(SERVICE_ROLE, role)) for one in read_migrations()]
    monkeypatch.setattr(migrations, "read_migrations", lambda: renamed)
    for module in (pool, privileges):
        monkeypatch.setattr(module, "SERVICE_ROLE", role)
    yield role
    await server.execute(f"DROP ROLE IF EXISTS {role}")


@pytest.fixture
async def create_owner(server: Any, postgres_url: str, service_role: str) -> AsyncIterator[CreateOwner]:
    """Makes a database whose owner is no superuser, and has the options given: its URL for the owner."""
    names: list[str] = []

    async def create(options: str) -> str:
        name = f"attendance_test_{uuid4().hex}"
        await server.execute(f"CREATE ROLE {name} LOGIN NOSUPERUSER NOBYPASSRLS PASSWORD '{PASSWORD}' {options}")
        names.append(name)
        await server.execute(f"CREATE DATABASE {name} OWNER {name}")
        return name_user(postgres_url, name)

    yield create
    for name in names:
        await server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await server.execute(f"REASSIGN OWNED BY {name} TO CURRENT_USER")
        await server.execute(f"DROP OWNED BY {name}")
    await server.execute(f"DROP ROLE IF EXISTS {service_role}")
    for name in names:
        await server.execute(f"DROP ROLE {name}")


def name_user(url: str, name: str) -> str:
    """The URL of the user's own database on the same server."""
    parts = urlsplit(url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{name}:{PASSWORD.replace(' ', '%20')}@{address}", path=f"/{name}"))
