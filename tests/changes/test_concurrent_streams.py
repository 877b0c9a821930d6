"""Streams beside many writers, over restarts of Postgres: each follower ends with exactly the records that are."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from app.database.migrations import migrate
from app.documents.documents import Documents
from app.documents.limits import Limits
from app.operations.change_stream import ChangeStream
from app.operations.running import GraphQLService
from tests.support.changes import DELETE, SET, Site
from tests.support.own_postgres import OwnPostgres
from tests.support.service import RecordingDatabase

SECONDS = 3.0
SETTLE_SECONDS = 30.0
BOOKINGS = [str(UUID(int=n)) for n in range(3)]
SESSIONS = [f"session {n}" for n in range(5)]
STATUSES = ["ATTENDED", "NOT_ATTENDED", "NOT_SET"]
PERSPECTIVES: list[Any] = [None, {"bookingId": BOOKINGS[0]}, {"sessionId": SESSIONS[1]}, {"sessionId": SESSIONS[1]}]


@pytest.fixture
def server() -> Iterator[OwnPostgres]:
    with TemporaryDirectory(prefix="att-") as folder:
        Path(folder).chmod(0o755)
        server = OwnPostgres(Path(folder))
        server.start()
        yield server
        server.stop()


@pytest.fixture
async def sites(server: OwnPostgres) -> AsyncIterator[list[Site]]:
    """One site, as two processes know it: only the first one has streams, so that it is told of its own writes."""
    await migrate(server.url, row_security=True)
    site_id, sites = uuid4(), []
    for _ in range(2):
        database = RecordingDatabase(server.url)
        await database.open()
        documents = Documents(size=10, limits=Limits(), introspection=False)
        sites.append(Site(GraphQLService(documents, database, ""), site_id))
    yield sites
    sites[0].service.streams.end_all()
    for site in sites:
        await site.service.database.close()  # type: ignore[attr-defined]


async def write(site: Site, chance: Random, until: float) -> None:
    """Set and delete the same few records as others do; what fails while Postgres is away is tried no more."""
    while time.monotonic() < until:
        keys = chance.sample([(booking, session) for booking in BOOKINGS for session in SESSIONS], chance.randint(1, 4))
        items = [
            {"bookingId": booking, "sessionId": session, "status": chance.choice(STATUSES)} for booking, session in keys
        ]
        response = await site.run(SET, input=items)
        if "errors" not in response and chance.random() < 0.5:
            results = response["data"]["bulkSetAttendance"]["results"]
            ids = [result["attendance"]["id"] for result in results]
            await site.run(DELETE, ids=chance.sample(ids, chance.randint(1, len(ids))))
        await asyncio.sleep(chance.random() * 0.01)


class Follower:
    """A client of streams that hangs up now and then, and comes back with its last cursor."""

    def __init__(self, site: Site, perspective: Any, chance: Random) -> None:
        self.site, self.perspective, self.chance = site, perspective, chance
        self.cursor: str | None = None
        self.copy: dict[str, Any] = {}
        self.seen: set[tuple[str | None, str]] = set()

    async def follow(self) -> None:
        while True:
            stream = await self._open()
            try:
                for _ in range(self.chance.randint(1, 20)):
                    self._take(orjson.loads(await asyncio.wait_for(anext(stream), self.chance.random())))
                    if self.chance.random() < 0.2:
                        await asyncio.sleep(self.chance.random() * 0.1)  # It is slow.
            except TimeoutError:
                pass
            finally:
                stream.close()

    async def _open(self) -> ChangeStream:
        if self.cursor is None:
            while self.cursor is None:
                with suppress(AssertionError):  # Postgres is away.
                    changes, cursor = await self.site.follow(None, perspective=self.perspective)
                    self.copy, self.cursor = {}, cursor
                    self._apply(changes)
        while True:
            opened = await self.site.open(after=self.cursor, perspective=self.perspective)
            if isinstance(opened, ChangeStream):
                return opened
            await asyncio.sleep(0.1)

    def _take(self, event: Any) -> None:
        assert "errors" not in event, event
        batch = event["data"]["attendanceChanges"]
        ids = [change["attendanceId"] for change in batch["changes"]]
        assert len(set(ids)) == len(ids)
        for change in batch["changes"]:
            key = self.cursor, change["attendanceId"]
            if batch["cursor"] != self.cursor:
                assert key not in self.seen, "a change twice at one cursor"
                self.seen.add(key)
        self._apply(batch["changes"])
        self.cursor = batch["cursor"]

    def _apply(self, changes: list[Any]) -> None:
        for change in changes:
            if change["kind"] == "SET":
                self.copy[change["attendanceId"]] = change["attendance"]["status"]
            else:
                self.copy.pop(change["attendanceId"], None)


async def read_site(site: Site, perspective: Any) -> dict[str, str]:
    query = """query($of: AttendancePerspective) {
      attendances(perspective: $of, first: 100) { nodes { id status } } }"""
    return {node["id"]: node["status"] for node in (await site.data(query, of=perspective))["nodes"]}


@pytest.mark.parametrize("restarts", [0, 2])
async def test_followers_end_with_what_is_stored(sites: list[Site], server: OwnPostgres, restarts: int) -> None:
    own, other = sites
    followers = [Follower(own, each, Random(n)) for n, each in enumerate(PERSPECTIVES)]
    following = [asyncio.create_task(follower.follow()) for follower in followers]
    until = time.monotonic() + SECONDS * (1 + restarts)
    writing = [asyncio.create_task(write(own if n % 2 else other, Random(100 + n), until)) for n in range(8)]
    for _ in range(restarts):
        await asyncio.sleep(SECONDS * 0.7)
        await asyncio.to_thread(server.stop, signal.SIGINT)
        await asyncio.to_thread(server.start)
    await asyncio.gather(*writing)
    await other.set(*SESSIONS, booking=UUID(BOOKINGS[0]))
    deadline = time.monotonic() + SETTLE_SECONDS
    for follower in followers:
        while follower.copy != await read_site(own, follower.perspective):
            assert time.monotonic() < deadline
            assert not any(task.done() for task in following), following
            await asyncio.sleep(0.05)
    for task in following:
        task.cancel()
    outcomes = await asyncio.gather(*following, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    assert all(follower.copy for follower in followers)
