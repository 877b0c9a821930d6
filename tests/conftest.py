"""Fixtures: a real Postgres, the service on it, and a client for a site of the test's own."""

import asyncio
import os
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from starlette.applications import Starlette

from app.database.embedded import run_embedded_postgres
from app.database.migrations import migrate
from app.settings import load_settings
from app.web.application import build_application
from tests.support import differential
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, RecordingDatabase, make_token


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--differential-cases", type=int, default=differential.CASES, help="operations run by both paths")


def pytest_configure(config: pytest.Config) -> None:
    differential.CASES = config.getoption("--differential-cases")


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The server that `ATTENDANCE_TEST_DATABASE_URL` names, or an embedded one."""
    given = os.environ.get("ATTENDANCE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with tempfile.TemporaryDirectory(prefix="attendance-tests-") as folder:
        data_dir = Path(folder)
        data_dir.chmod(0o755)  # Where the tests run as root, Postgres runs as somebody else.
        with run_embedded_postgres(data_dir) as url:
            yield url


@pytest.fixture(scope="session")
def create_database(postgres_url: str) -> Iterator[Callable[[], str]]:
    """Makes an empty database of its own for whoever asks; all are dropped at the end."""
    names: list[str] = []

    async def run(command: str) -> None:
        connection = await asyncpg.connect(postgres_url)
        try:
            await connection.execute(command)
        finally:
            await connection.close()

    def create() -> str:
        names.append(f"attendance_test_{uuid4().hex}")
        in_new_loop(run(f"CREATE DATABASE {names[-1]}"))
        return urlunsplit(urlsplit(postgres_url)._replace(path=f"/{names[-1]}"))

    yield create
    for name in names:
        in_new_loop(run(f"DROP DATABASE {name} WITH (FORCE)"))


def in_new_loop(work: object) -> object:
    """Run a coroutine to its end where a loop may run already."""
    outcome: list[object] = []
    thread = threading.Thread(target=lambda: outcome.append(asyncio.run(work)))  # type: ignore[arg-type]
    thread.start()
    thread.join()
    return outcome[0]


@pytest.fixture(scope="session")
def database_url(create_database: Callable[[], str]) -> str:
    """A migrated database, as its owner reaches it."""
    url = create_database()
    in_new_loop(migrate(url, row_security=True))
    return url


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[RecordingDatabase]:
    """The service's pool on the migrated database."""
    database = RecordingDatabase(database_url)
    await database.open()
    yield database
    await database.close()


@pytest.fixture(scope="session")
def application(database: RecordingDatabase, database_url: str) -> Starlette:
    """The service, with introspection and the explorer on."""
    environ = {
        "ATTENDANCE_DATABASE_URL": database_url,
        "ATTENDANCE_JWT_SECRET": SECRET,
        "ATTENDANCE_INTROSPECTION": "on",
        "ATTENDANCE_EXPLORER": "on",
    }
    return build_application(load_settings(environ), database)


@pytest.fixture(scope="session")
async def http(application: Starlette) -> AsyncIterator[httpx2.AsyncClient]:
    """A client without a token."""
    transport = httpx2.ASGITransport(application)
    async with httpx2.AsyncClient(transport=transport, base_url="http://service.test") as client:
        yield client


@pytest.fixture
def site_id() -> UUID:
    """A site that no other test uses."""
    return uuid4()


@pytest.fixture
def client(http: httpx2.AsyncClient, site_id: UUID) -> GraphQLClient:
    """A caller who may read and write the test's site."""
    return GraphQLClient(http, make_token(site_id, READ_SCOPE, WRITE_SCOPE))


@pytest.fixture
def reader_of(http: httpx2.AsyncClient) -> Callable[[UUID], GraphQLClient]:
    """Callers who may read a site of the test's choice."""
    return lambda site: GraphQLClient(http, make_token(site, READ_SCOPE))
