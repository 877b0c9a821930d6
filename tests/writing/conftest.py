"""Records of the test's own site, and services on databases that differ from the shared one."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from app.database.embedded import run_embedded_postgres
from app.database.migrations import migrate
from tests.conftest import IS_UNSECURED
from tests.support.clusters import unsecured_urls
from tests.support.failing_database import FailingDatabase
from tests.support.mutations import Item, make_input, set_many
from tests.support.private_service import ClientOf, open_service
from tests.support.service import GraphQLClient, RecordingDatabase

SESSIONS = ("é", "b", "B", "😀", "a", "_")


@pytest.fixture
async def records(client: GraphQLClient) -> list[Item]:
    """Records of three bookings, in the order of their keys: by booking, and then by session, bytewise."""
    bookings = [str(uuid4()) for _ in range(3)]
    items = [make_input(bookingId=booking, sessionId=session) for booking in bookings for session in SESSIONS]
    stored = [result["attendance"] for result in (await set_many(client, items))["results"]]
    return sorted(stored, key=lambda record: (record["bookingId"], record["sessionId"].encode()))


@pytest.fixture(scope="module")
async def failing_database(database_url: str) -> FailingDatabase:
    return FailingDatabase(database_url)


@pytest.fixture(scope="module")
async def failing_client_of(failing_database: FailingDatabase) -> AsyncIterator[ClientOf]:
    """Callers of a service whose statements fail as the test says."""
    async with open_service(failing_database) as client_of:
        yield client_of


@pytest.fixture
async def own_url(create_database: Callable[[], str]) -> str:
    """A migrated database that the test may change as it likes."""
    url = create_database()
    if IS_UNSECURED:
        unsecured_urls.add(url)
    await migrate(url, row_security=not IS_UNSECURED)
    return url


@pytest.fixture
async def own_database(own_url: str) -> RecordingDatabase:
    """A pool of one connection on that database; a service opens it."""
    return RecordingDatabase(own_url, pool_size=1)


@pytest.fixture(scope="session")
def mortal_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An embedded server of these tests' own, which is started again whenever it dies."""
    with run_embedded_postgres(Path(tmp_path_factory.mktemp("mortal"))) as url:
        yield url


@pytest.fixture(scope="session")
async def mortal_url(mortal_server: str) -> str:
    """The migrated database on that server."""
    await migrate(mortal_server, row_security=True)
    return mortal_server
