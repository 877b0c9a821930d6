"""Sites behind a worker that does not answer get a part of the connections, and the others go on."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.database import stalled_sites
from app.database.failures import DatabaseBusy
from app.database.migrations import migrate
from app.database.stalled_sites import StalledSites
from app.database.worker_probe import WorkerProbe
from app.errors import ServiceError
from tests.support.service import RecordingDatabase
from tests.support.waiting import wait_until

LIMIT = 10
FROZEN = "SELECT pg_sleep(20)"
QUICK = "SELECT 1"


@dataclass(eq=False)
class Lease:
    """A connection as far as stalled sites look at it."""

    leased_to: UUID | None
    begun_at: float = float("inf")
    is_terminated: bool = False

    def terminate(self) -> None:
        self.is_terminated = True


def lease(*sites: UUID | None, since: float = 0.0) -> list[Any]:
    return [Lease(site, time.monotonic() - since) for site in sites]


@dataclass
class Pool:
    """The connections in use, and the sites whose waiters have failed."""

    in_use: list[Any] = field(default_factory=list)
    failed: list[UUID | None] = field(default_factory=list)

    def fail_waiters(self, _: Exception, site_id: UUID | None = None) -> None:
        self.failed.append(site_id)


class Stalled:
    """Stalled sites, and the pool that they are of. The coordinator does not tell where they are."""

    def __init__(self) -> None:
        self.pool = Pool()
        self.sites = StalledSites(self.pool, LIMIT, WorkerProbe(None))

    def fail(self, site: UUID, seconds: float = 2.0, failure: Exception | None = None) -> None:
        self.sites.note_failure(failure or ConnectionResetError(), *lease(site, since=seconds))

    def refuses(self, site: UUID, *held: UUID | None) -> bool:
        self.pool.in_use = lease(*held)
        return self.sites.refuses(site)


@pytest.fixture
def stalled() -> Stalled:
    return Stalled()


def test_a_site_is_stalled_by_what_takes_long_and_fails_until_it_is_answered(stalled: Stalled) -> None:
    site = uuid4()
    stalled.fail(site, seconds=0.5)
    stalled.fail(site, failure=RuntimeError("a fault"))
    assert not stalled.sites
    stalled.fail(site)
    assert stalled.pool.failed == [site]
    assert not stalled.refuses(site, site)
    assert stalled.refuses(site, site, site)
    with pytest.raises(DatabaseBusy):
        stalled.sites.check(site)
    stalled.sites.note_answer(site)
    assert not stalled.sites
    assert not stalled.refuses(site, site, site)


def test_all_stalled_sites_share_one_part(stalled: Stalled) -> None:
    one, two = uuid4(), uuid4()
    stalled.fail(one)
    stalled.fail(two)
    assert not stalled.refuses(one, two)
    assert stalled.refuses(one, two, two)


def test_meanwhile_sites_that_were_not_answered_share_a_half_and_the_others_are_free(stalled: Stalled) -> None:
    frozen, unknown, healthy = uuid4(), uuid4(), uuid4()
    assert not stalled.refuses(unknown, *[unknown] * 9)
    stalled.fail(frozen)
    stalled.sites.note_answer(healthy)
    assert not stalled.refuses(unknown, frozen, unknown, unknown, unknown, *[healthy] * 4)
    assert stalled.refuses(unknown, frozen, frozen, unknown, unknown, unknown)
    assert not stalled.refuses(healthy, frozen, frozen, unknown, unknown, unknown, *[healthy] * 4)
    stalled.fail(healthy)
    assert stalled.refuses(healthy, healthy, healthy)


def test_a_site_that_nobody_asks_for_is_forgotten(stalled: Stalled, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stalled_sites, "FORGET_SECONDS", -1.0)
    site = uuid4()
    stalled.fail(site)
    assert not stalled.refuses(site, site, site)
    assert not stalled.sites


def test_a_standstill_ends_with_the_part_that_stalled_sites_may_have(stalled: Stalled) -> None:
    sites = [uuid4() for _ in range(5)]
    held = lease(*sites, since=2.5)
    for moving in (lease(*sites, since=1.0), [*held, *lease(uuid4())], []):
        stalled.pool.in_use = moving
        stalled.sites.end_standstill()
    assert not stalled.sites
    stalled.pool.in_use = [*held, *lease(None, since=2.5)]
    stalled.sites.end_standstill()
    assert set(stalled.pool.failed) == set(sites)
    assert [connection.is_terminated for connection in stalled.pool.in_use].count(False) == 2
    assert stalled.refuses(sites[0], *sites[:2])


@pytest.fixture
async def database(create_database: Callable[[], str]) -> AsyncIterator[RecordingDatabase]:
    """A pool that works as on a cluster; a worker that is frozen is a statement that sleeps."""
    url = create_database()
    await migrate(url, row_security=False)
    database = RecordingDatabase(url, pool_size=LIMIT, row_security=False)
    database.is_distributed = True
    await database.open()
    yield database
    await database.close()


async def ask(database: RecordingDatabase, text: str, site_id: UUID) -> tuple[str, float]:
    """How a statement ends, and after how many seconds."""
    begin = time.monotonic()
    try:
        await database.read_rows(text, [], site_id)
    except ServiceError as error:
        return type(error).__name__, time.monotonic() - begin
    return "answered", time.monotonic() - begin


async def test_healthy_sites_go_on_after_two_seconds_and_stalled_ones_are_refused_at_once(
    database: RecordingDatabase,
) -> None:
    frozen, healthy = [uuid4() for _ in range(6)], [uuid4() for _ in range(3)]
    sleeping = [asyncio.create_task(ask(database, FROZEN, site)) for site in frozen for _ in range(3)]
    await wait_until(lambda: database.counts.size == LIMIT and not database.counts.idle)

    async def are_answered() -> bool:
        outcomes = await asyncio.gather(*(ask(database, QUICK, site) for site in healthy))
        return {outcome for outcome, _ in outcomes} == {"answered"}

    await wait_until(are_answered, within=4)  # FROZEN would take five.
    for _ in range(3):
        for outcome, seconds in await asyncio.gather(*(ask(database, QUICK, site) for site in healthy)):
            assert (outcome, seconds < 1.5) == ("answered", True)
        for outcome, seconds in await asyncio.gather(*(ask(database, FROZEN, site) for site in frozen[:2])):
            assert (outcome, seconds < 1.0) == (DatabaseBusy.__name__, True)
    for task in sleeping:
        task.cancel()
    await asyncio.gather(*sleeping, return_exceptions=True)


async def test_on_one_server_nothing_is_refused(database: RecordingDatabase) -> None:
    database.is_distributed = False
    frozen, site = uuid4(), uuid4()
    sleeping = [asyncio.create_task(ask(database, "SELECT pg_sleep(2.5)", frozen)) for _ in range(LIMIT - 2)]
    await asyncio.sleep(0.1)
    assert (await ask(database, QUICK, site))[0] == "answered"
    assert {outcome for outcome, _ in await asyncio.gather(*sleeping)} == {"answered"}
