"""A primary with streaming replicas, whose replay can be paused, and services that read from them."""

import asyncio
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx2
import pytest

from app.database.migrations import migrate
from app.database.pool import Database
from app.database.server import PostgresServer
from app.settings import load_settings
from app.web.application import build_application
from tests.support.own_postgres import OwnPostgres
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, make_token
from tests.support.waiting import wait_until

RETURN_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Cluster:
    """A primary, and the servers that follow it."""

    primary: OwnPostgres
    standbys: list[OwnPostgres]

    def replica_url(self, count: int = 1) -> str:
        """The URL of the first replicas."""
        hosts = ",".join(str(each.socket.parent) for each in self.standbys[:count])
        return f"postgresql://postgres@/postgres?host={hosts}&port=5432"

    async def pause(self, *numbers: int) -> None:
        """Have replicas receive what is written, and show nothing of it."""
        for number in numbers or range(len(self.standbys)):
            await execute(self.standbys[number].url, "SELECT pg_wal_replay_pause()")

            async def is_paused(url: str = self.standbys[number].url) -> bool:
                return bool(await execute(url, "SELECT pg_get_wal_replay_pause_state()") == "paused")

            await wait_until(is_paused)

    async def resume(self) -> None:
        for each in self.standbys:
            await execute(each.url, "SELECT pg_wal_replay_resume()")


async def execute(url: str, statement: str) -> Any:
    """The first value that a statement gives to the superuser."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


@dataclass(slots=True)
class ReadingService:
    """A service in this process, its database, and the statements that it has sent for sites, by server."""

    http: httpx2.AsyncClient
    database: Database
    sent: list[tuple[PostgresServer, str]] = field(default_factory=list)

    def client(self, site_id: UUID) -> GraphQLClient:
        return GraphQLClient(self.http, make_token(site_id, READ_SCOPE, WRITE_SCOPE))

    @property
    def replicas(self) -> list[Any]:
        assert self.database.replicas is not None
        return list(self.database.replicas.servers)

    def take_sent(self) -> list[str]:
        """Where the statements went since the last look: `primary`, or `replica` and its number."""
        names = {id(server): f"replica {number}" for number, server in enumerate(self.replicas)}
        went = [names.get(id(server), "primary") for server, _ in self.sent]
        self.sent.clear()
        return went

    async def wait_for(self, state: str) -> None:
        await wait_until(lambda: self.database.explain_replica() == state, within=RETURN_SECONDS)


Serve = Callable[..., AbstractAsyncContextManager[ReadingService]]


@asynccontextmanager
async def run_cluster(place: Path, count: int) -> AsyncIterator[Cluster]:
    def make(name: str, standby_of: OwnPostgres | None = None) -> OwnPostgres:
        (place / name).mkdir(mode=0o755)
        return OwnPostgres(place / name, standby_of=standby_of)

    primary = make("p")
    await asyncio.to_thread(primary.start)
    await migrate(primary.url, row_security=True)
    primary.stop(signal.SIGINT)
    standbys = [make(f"s{number}", primary) for number in range(count)]
    for each in (primary, *standbys):
        await asyncio.to_thread(each.start)
    yield Cluster(primary, standbys)
    for each in (*standbys, primary):
        each.stop()


@pytest.fixture(scope="session")
def replicas_place() -> Iterator[Path]:
    """A directory with a short path that everybody can enter."""
    place = Path(tempfile.mkdtemp(prefix="replicas-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


@pytest.fixture(scope="session")
async def lasting_cluster(replicas_place: Path) -> AsyncIterator[Cluster]:
    (replicas_place / "lasting").mkdir(mode=0o755)
    async with run_cluster(replicas_place / "lasting", 2) as cluster:
        yield cluster


@pytest.fixture
async def cluster(lasting_cluster: Cluster) -> AsyncIterator[Cluster]:
    """A cluster of all tests that only pause its replicas."""
    yield lasting_cluster
    await lasting_cluster.resume()


@pytest.fixture
def own_place(replicas_place: Path) -> Path:
    place = Path(tempfile.mkdtemp(prefix="own-", dir=replicas_place))
    place.chmod(0o755)
    return place


@pytest.fixture
async def own_cluster(own_place: Path) -> AsyncIterator[Cluster]:
    """A cluster that the test may break."""
    async with run_cluster(own_place, 2) as cluster:
        yield cluster


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Services on a cluster's primary and its first replicas, which are in use."""
    services: list[ReadingService] = []
    plain = PostgresServer.fetch_rows

    async def fetch_rows(self: PostgresServer, text: str, arguments: Any, site_id: UUID) -> Any:
        for service in services:
            if service.database is self or self in service.replicas:
                service.sent.append((self, text))
        return await plain(self, text, arguments, site_id)

    monkeypatch.setattr(PostgresServer, "fetch_rows", fetch_rows)

    @asynccontextmanager
    async def build(cluster: Cluster, replicas: int = 1, **variables: str) -> AsyncIterator[ReadingService]:
        urls = {"DATABASE_URL": cluster.primary.url, "REPLICA_URL": cluster.replica_url(replicas)}
        given = {**urls, "JWT_SECRET": SECRET, **variables}
        application = build_application(load_settings({f"ATTENDANCE_{name}": value for name, value in given.items()}))
        transport = httpx2.ASGITransport(application)
        async with (
            application.router.lifespan_context(application),
            httpx2.AsyncClient(transport=transport, base_url="http://service.test") as http,
        ):
            service = ReadingService(http, application.state.database)
            services.append(service)
            await service.wait_for("in use")
            yield service

    return build
