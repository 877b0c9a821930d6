"""A service process, its own Postgres, and a way between them that can fail."""

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import httpx2
import pytest

from app.database.migrations import migrate
from tests.support.commands import RunningService, start_service
from tests.support.fault_proxy import FaultProxy, open_proxy
from tests.support.own_postgres import OwnPostgres
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, make_token
from tests.support.waiting import wait_until

READ = "{ attendances { nodes { id } } }"
WRITE = """mutation Set($booking: ID!) {
  setAttendance(input: {bookingId: $booking, sessionId: "s", status: ATTENDED}) { attendance { id } }
}"""
POOL_SIZE = 4
# The promises are 2 seconds for an answer and 5 for a return; the machine that runs the tests may be slow.
ANSWER_SECONDS = 3.0
RETURN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request: the HTTP status, the error's code, when it began, and how long it took."""

    status: int
    code: str | None
    begin: float
    seconds: float


class Caller:
    """Callers of a service process, for one site."""

    def __init__(self, url: str, site_id: UUID) -> None:
        self.url = url
        self.token = make_token(site_id, READ_SCOPE, WRITE_SCOPE)
        self.outcomes: list[Outcome] = []

    async def ask(self, http: httpx2.AsyncClient, query: str = READ) -> Outcome:
        content = {"query": query, "variables": {"booking": str(uuid4())} if query is WRITE else {}}
        begin = time.monotonic()
        answer = await http.post(
            f"{self.url}/graphql", json=content, headers={"Authorization": f"Bearer {self.token}"}, timeout=30
        )
        errors = answer.json().get("errors")
        code = errors[0]["extensions"]["code"] if errors else None
        outcome = Outcome(answer.status_code, code, begin, time.monotonic() - begin)
        self.outcomes.append(outcome)
        return outcome

    async def ask_on(self, query: str) -> None:
        """Ask again and again, until cancelled."""
        async with httpx2.AsyncClient() as http:
            while True:
                await self.ask(http, query)
                await asyncio.sleep(0.01)

    @contextlib.asynccontextmanager
    async def asking(self, readers: int = 4, writers: int = 2) -> AsyncIterator[None]:
        """So many callers who ask all the time."""
        self.outcomes = []
        asking = [asyncio.create_task(self.ask_on(query)) for query in [READ] * readers + [WRITE] * writers]
        try:
            await self.wait_until_served()
            self.outcomes = []
            yield
        finally:
            for task in asking:
                task.cancel()
            await asyncio.gather(*asking, return_exceptions=True)

    async def wait_until_served(self, *, times: int = 6, within: float = 20) -> float:
        """Wait until requests that begin from now on are served again, and how long that took."""
        begin = time.monotonic()

        async def is_served() -> bool:
            return sum(each.begin > begin and each.code is None for each in self.outcomes) >= times

        return await wait_until(is_served, within=within)

    def check(self, since: float) -> set[str | None]:
        """Check that all were served or told in time to try again; gives the errors' codes, None for no error."""
        told = [each for each in self.outcomes if each.begin + each.seconds >= since]
        assert {(each.status, each.code) for each in told} <= {(200, None), (503, "SERVICE_UNAVAILABLE")}
        slowest = max(told, key=lambda each: each.seconds)
        assert slowest.seconds < ANSWER_SECONDS, slowest
        return {each.code for each in told}


@pytest.fixture(scope="session")
def faults_place() -> Iterator[Path]:
    """A directory with a short path that everybody can enter."""
    place = Path(tempfile.mkdtemp(prefix="faults-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place)


def make_postgres(place: Path, name: str, *, standby_of: OwnPostgres | None = None) -> OwnPostgres:
    (place / name).mkdir(mode=0o755)
    return OwnPostgres(place / name, standby_of=standby_of)


@pytest.fixture(scope="session")
async def postgres(faults_place: Path) -> AsyncIterator[OwnPostgres]:
    postgres = make_postgres(faults_place, "one")
    postgres.start()
    await migrate(postgres.url, row_security=True)
    yield postgres
    postgres.stop()


@pytest.fixture(scope="session")
async def proxy(postgres: OwnPostgres) -> AsyncIterator[FaultProxy]:
    async with open_proxy(postgres.socket) as proxy:
        yield proxy


async def repair(postgres: OwnPostgres, proxy: FaultProxy) -> None:
    if postgres.process is None:
        await asyncio.to_thread(postgres.start)
    else:
        postgres.thaw()
    await proxy.heal()


@pytest.fixture
async def whole(postgres: OwnPostgres, proxy: FaultProxy) -> AsyncIterator[None]:
    """Whatever a test has done to them, the next one finds them whole."""
    yield
    await repair(postgres, proxy)


def url_of(*proxies: FaultProxy, **options: str) -> str:
    hosts = ",".join(f"127.0.0.1:{proxy.port}" for proxy in proxies)
    settings = "&".join(f"{name}={value}" for name, value in {"sslmode": "disable", **options}.items())
    return f"postgresql://postgres@{hosts}/postgres?{settings}"


@pytest.fixture(scope="session")
def service(proxy: FaultProxy, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service in a process of its own, by way of the proxy."""
    with start_service(
        tmp_path_factory.mktemp("service"),
        "serve",
        DATABASE_URL=url_of(proxy),
        JWT_SECRET=SECRET,
        POOL_SIZE=str(POOL_SIZE),
    ) as service:
        yield service


@pytest.fixture
def caller(service: RunningService, site_id: UUID) -> Caller:
    return Caller(service.url, site_id)
