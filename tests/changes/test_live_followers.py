"""Followers of the running service by all transports, beside many writers, while Postgres restarts and workers die.

`pytest tests/changes/test_live_followers.py --live-runs 20` runs it that many times, with other writes each time.
"""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from uuid import UUID, uuid4

import httpx2
import pytest

from app.database.migrations import migrate
from tests.support.change_history import read_history, record_history
from tests.support.commands import RunningService, list_workers, start_service
from tests.support.following import FOLLOW
from tests.support.live_followers import LiveFollower, read
from tests.support.live_writers import BOOKINGS, KEYS, SESSIONS, LiveWriters
from tests.support.mutations import BULK_SET
from tests.support.own_postgres import OwnPostgres
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, RecordingDatabase, make_token
from tests.support.waiting import wait_until

WRITERS = 8
SECONDS = 10.0
SETTLE_SECONDS = 30.0
PATIENT_AFTER_SECONDS = 1.5
LATE_SECONDS = 0.5
PARTS = [{"bookingId": BOOKINGS[0]}, {"sessionId": SESSIONS[1]}]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    metafunc.parametrize("seed", range(metafunc.config.getoption("--live-runs")))


@dataclass(frozen=True, slots=True)
class Served:
    """The service by two workers on a Postgres of its own, and whoever asks it for a site."""

    server: OwnPostgres
    service: RunningService
    site_id: UUID
    token: str
    api: GraphQLClient
    database: RecordingDatabase


@pytest.fixture(scope="module")
def server() -> Iterator[OwnPostgres]:
    with TemporaryDirectory(prefix="att-") as folder:
        Path(folder).chmod(0o755)
        server = OwnPostgres(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="module")
async def service(server: OwnPostgres, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[RunningService]:
    await migrate(server.url, row_security=True)
    await record_history(server.url)
    folder = tmp_path_factory.mktemp("service")
    with ExitStack() as stack:
        start = start_service(folder, "serve", "--workers", "2", DATABASE_URL=server.url, JWT_SECRET=SECRET)
        yield await asyncio.to_thread(stack.enter_context, start)


@pytest.fixture
async def served(server: OwnPostgres, service: RunningService) -> AsyncIterator[Served]:
    site_id = uuid4()
    token = make_token(site_id, READ_SCOPE, WRITE_SCOPE)
    database = RecordingDatabase(server.url)
    await database.open()
    async with httpx2.AsyncClient(base_url=service.url, timeout=10) as http:
        yield Served(server, service, site_id, token, GraphQLClient(http, token), database)
    await database.close()


class Followers:
    """All that follow, and their tasks."""

    def __init__(self, served: Served, chance: Random) -> None:
        self.served = served
        self.chance = chance
        self.all: list[LiveFollower] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def begin(self, follower: LiveFollower, *, with_page: bool) -> None:
        await (follower.read_page if with_page else follower.read_copy)(self.served.api)
        self.start(follower)

    def fork(self, transport: str) -> LiveFollower:
        """One that will go on from where another is now."""
        return self.chance.choice(self.all).fork(transport)

    def start(self, follower: LiveFollower) -> None:
        self.all.append(follower)
        following = follower.follow(self.served.service.url, self.served.token)
        self.tasks.append(asyncio.create_task(following))

    async def join(self) -> None:
        """Begin from the start, from pages, and from cursors of others, who have gone on since."""
        for transport in FOLLOW:
            await self.begin(self.make(transport, None), with_page=True)
        for transport in FOLLOW:
            await asyncio.sleep(self.chance.random() * SECONDS / 6)
            later = self.fork(transport)
            await self.begin(self.make(transport, None), with_page=False)
            await asyncio.sleep(self.chance.random() * SECONDS / 6)
            await self.begin(self.make(transport, self.chance.choice(PARTS)), with_page=self.chance.random() < 0.5)
            self.start(later)

    def make(self, transport: str, perspective: dict[str, str] | None) -> LiveFollower:
        return LiveFollower(transport, perspective, self.chance)

    async def be_patient(self) -> None:
        """Have all wait for what comes, however long that takes."""
        for follower in self.all:
            follower.is_patient = True
        await asyncio.sleep(PATIENT_AFTER_SECONDS)

    def raise_failure(self) -> None:
        for task in self.tasks:
            if task.done():
                task.result()

    async def end(self) -> None:
        for task in self.tasks:
            task.cancel()
        outcomes = await asyncio.gather(*self.tasks, return_exceptions=True)
        assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes), outcomes


async def disturb(served: Served, chance: Random) -> int:
    """Kill workers, and restart Postgres twice. How many workers were killed."""
    killed = 0
    for number, how in enumerate([None, signal.SIGINT, None, signal.SIGQUIT, None]):
        await asyncio.sleep(SECONDS / 6 + chance.random() * 0.3)
        if how is not None:
            await asyncio.to_thread(served.server.stop, how)
            await asyncio.to_thread(served.server.start)
            continue
        for pid in list_workers(served.service.process.pid)[: 1 + number // 4]:
            os.kill(pid, signal.SIGKILL)
            killed += 1
    return killed


async def write_all(served: Served) -> None:
    """Set each record once more, so that every follower has something to be told."""
    items = [{"bookingId": booking, "sessionId": session, "status": "NOT_SET"} for booking, session in KEYS]
    numbered = [{**item, "numberOfAttendees": 1_000_000 + number} for number, item in enumerate(items)]
    payload = (await read(served.api, BULK_SET, input=numbered))["bulkSetAttendance"]
    assert payload["totalFailures"] == 0


async def test_followers_end_with_exactly_what_is_stored(served: Served, seed: int) -> None:
    """None is told a change twice, or one that lies before its cursor; no batch lacks one that lies behind it."""
    chance = Random(seed)
    writers, followers = LiveWriters(served.api, served.database, served.site_id), Followers(served, chance)
    until = time.monotonic() + SECONDS
    writing = [writers.write(Random(f"{seed} {number}"), until) for number in range(WRITERS)]
    *_, killed, _ = await asyncio.gather(*writing, disturb(served, chance), followers.join())
    await followers.be_patient()
    await write_all(served)
    history = await read_history(served.server.url, served.site_id)
    last = history.changes[-1].place[0]
    expected = [history.list_records(last, follower.sees) for follower in followers.all]

    def are_true() -> bool:
        followers.raise_failure()
        return all(follower.copy == records for follower, records in zip(followers.all, expected, strict=True))

    await wait_until(are_true, within=SETTLE_SECONDS)
    await asyncio.sleep(LATE_SECONDS)
    assert are_true()
    await followers.end()
    for follower in followers.all:
        follower.check(history)
    assert killed >= 3
    assert writers.done > 100
    for transport in FOLLOW:
        streams = [follower.streams for follower in followers.all if follower.transport == transport]
        assert sum(streams) > len(streams)
