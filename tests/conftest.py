"""Fixtures: a real Postgres, the service on it, and a client for a site of the test's own."""

import asyncio
import os
import re
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest
from starlette.applications import Starlette

from app.database.distribution import create_functions
from app.database.embedded import run_embedded_postgres
from app.database.migrations import migrate
from app.settings import load_settings
from app.web.application import build_application
from tests.support import differential
from tests.support.clusters import (
    distribute_database,
    distributed_urls,
    drop_on_workers,
    has_citus,
    unsecured_urls,
)
from tests.support.given_servers import statement_counts, wait_until_read
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, RecordingDatabase, make_token

IS_UNSECURED = os.environ.get("ATTENDANCE_TEST_ROW_SECURITY") == "off"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--differential-cases", type=int, default=differential.CASES, help="operations run by both paths")
    parser.addoption(
        "--absence-cases",
        type=int,
        default=differential.ABSENCE_CASES,
        help="pages of absences compared with the model",
    )
    parser.addoption("--live-runs", type=int, default=3, help="runs of followers beside writers, restarts and kills")


def pytest_configure(config: pytest.Config) -> None:
    differential.CASES = config.getoption("--differential-cases")
    differential.ABSENCE_CASES = config.getoption("--absence-cases")


def pytest_runtest_setup(item: pytest.Item) -> None:
    given = os.environ.get("ATTENDANCE_TEST_DATABASE_URL")
    if item.get_closest_marker("one_server") and (IS_UNSECURED or (given and in_new_loop(has_citus(given)))):
        pytest.skip("rests on row security, or on the locks or plans of one server")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for all skipped tests, how many for which reason, and where statements went."""
    skipped = [report.longrepr for report in terminalreporter.stats.get("skipped", [])]
    reasons_given = (str(place[2]).removeprefix("Skipped: ") for place in skipped if isinstance(place, tuple))
    counts = Counter(re.sub(r"^test_\S+ ", "", reason) for reason in reasons_given)
    if statement_counts:
        told = " and ".join(f"{count:,} to the {server}" for server, count in sorted(statement_counts.items()))
        terminalreporter.write_line(f"Statements of services with replicas: {told}")
    if counts:
        reasons = "; ".join(f"{count} x {reason}" for reason, count in counts.items())
        terminalreporter.write_line(f"Skipped: {reasons}")


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
def database_url(postgres_url: str, create_database: Callable[[], str]) -> Iterator[str]:
    """A migrated database, as its owner reaches it; on a coordinator of Citus, a distributed one."""
    url = create_database()
    if not in_new_loop(has_citus(postgres_url)):
        if IS_UNSECURED:
            unsecured_urls.add(url)
        in_new_loop(migrate(url, row_security=not IS_UNSECURED))
        yield url
        return
    in_new_loop(distribute_database(postgres_url, url))
    yield url
    in_new_loop(drop_on_workers(postgres_url, url.rpartition("/")[2]))


@pytest.fixture(scope="module", params=["statements", "functions"])
def calls_functions(request: pytest.FixtureRequest, database_url: str) -> bool:
    """Whether writes call the functions that Citus distributes; they work on any other database, too."""

    async def create() -> None:
        connection = await asyncpg.connect(database_url)
        await create_functions(connection)
        await connection.close()

    if database_url in distributed_urls:
        return True
    in_new_loop(create())
    return bool(request.param == "functions")


@pytest.fixture
async def writing_database(database_url: str, calls_functions: bool) -> AsyncIterator[RecordingDatabase]:  # noqa: FBT001
    """A pool whose writes are statements, or calls of functions."""
    database = RecordingDatabase(database_url)
    database.is_distributed = calls_functions
    yield database
    await database.close()


@pytest.fixture(scope="session")
async def database(database_url: str) -> AsyncIterator[RecordingDatabase]:
    """The service's pool on the migrated database."""
    database = RecordingDatabase(database_url)
    await database.open()
    await wait_until_read(database)
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
        "ATTENDANCE_ROW_SECURITY": "off" if database_url in unsecured_urls else "on",
        "ATTENDANCE_DISTRIBUTED": "on" if database.is_distributed else "off",
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
