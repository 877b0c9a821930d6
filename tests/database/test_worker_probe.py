"""A worker that does not answer costs its own sites only: the coordinator tells which these are."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database import worker_probe
from app.database.distributed_poll import NO_SITE
from app.database.failures import DatabaseBusy
from app.database.migrations import migrate
from app.database.stalled_sites import StalledSites
from app.database.worker_probe import MOST_SITES, WorkerProbe
from tests.database.test_stalled_sites import FROZEN, LIMIT, QUICK, Pool, ask, lease
from tests.support.service import RecordingDatabase
from tests.support.waiting import wait_until

FROZEN_PORT, HEALTHY_PORT = 1, 2


@dataclass
class Coordinator:
    """A connector, and each of its connections, to a coordinator that knows the ports of sites."""

    ports: dict[UUID, int] = field(default_factory=dict)
    frozen: set[int] = field(default_factory=set)
    asked: list[int] = field(default_factory=list)
    is_lost: bool = False
    may_ask: bool = True
    sites: list[str] = field(default_factory=list)
    meanwhile: Callable[[], None] = lambda: None

    async def connect(self) -> Any:
        if self.is_lost:
            raise ConnectionRefusedError
        return self

    async def fetch(self, _: str, sites: str) -> list[tuple[str, str, int]]:
        self.sites = sites.strip("{}").split(",")
        return [(site, "worker", self.ports[UUID(site)]) for site in self.sites]

    async def execute(self, _: str) -> None: ...

    async def fetchval(self, _: str, _host: str, port: int) -> bool:
        if not self.may_ask:
            raise asyncpg.InsufficientPrivilegeError
        self.asked.append(port)
        self.meanwhile()
        if port in self.frozen:
            await asyncio.Event().wait()
        return False

    def terminate(self) -> None: ...


class Cluster:
    """A coordinator, and what a service knows of its workers."""

    def __init__(self) -> None:
        self.coordinator = Coordinator(frozen={FROZEN_PORT})
        self.pool = Pool()
        self.probe = WorkerProbe(self.coordinator)
        self.sites = StalledSites(self.pool, LIMIT, self.probe)

    def add_sites(self, port: int, count: int) -> list[UUID]:
        sites = [uuid4() for _ in range(count)]
        self.coordinator.ports |= dict.fromkeys(sites, port)
        for site in sites:
            self.sites.check(site)
        return sites

    def hold(self, *sites: UUID, since: float = 0.5) -> None:
        self.pool.in_use = lease(*sites, since=since)

    async def poll(self) -> None:
        """Poll once, and wait for what that starts."""
        self.sites.poll()
        await wait_until(lambda: not self.sites.is_looking)

    def is_refused(self, site: UUID) -> bool:
        try:
            self.sites.check(site)
        except DatabaseBusy:
            return True
        return False


@pytest.fixture
async def cluster(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    monkeypatch.setattr(worker_probe, "ANSWER_SECONDS", 0.01)
    cluster = Cluster()
    yield cluster
    await cluster.sites.stop()


async def test_sites_of_a_worker_that_does_not_answer_share_a_fifth_and_those_of_others_are_free(
    cluster: Cluster,
) -> None:
    frozen, healthy = cluster.add_sites(FROZEN_PORT, 9), cluster.add_sites(HEALTHY_PORT, 3)
    cluster.hold(*frozen[:8], *healthy[:2])
    await cluster.poll()
    closed = [connection.leased_to for connection in cluster.pool.in_use if connection.is_terminated]
    assert len(closed) == 6
    assert set(closed) < set(frozen)
    assert set(cluster.pool.failed) == set(frozen)
    cluster.hold(*frozen[:2])
    assert [cluster.is_refused(site) for site in (*frozen, *healthy)] == [True] * 9 + [False] * 3
    cluster.hold(frozen[0], *healthy * 3)
    assert not cluster.is_refused(frozen[8])


async def test_slow_statements_are_left_alone_where_all_workers_answer(cluster: Cluster) -> None:
    cluster.coordinator.frozen.clear()
    slow = cluster.add_sites(HEALTHY_PORT, LIMIT)
    cluster.hold(*slow, since=4.0)
    await cluster.poll()
    cluster.sites.end_standstill()
    assert cluster.coordinator.asked == [HEALTHY_PORT]
    assert not any(connection.is_terminated for connection in cluster.pool.in_use)
    assert not any(map(cluster.is_refused, slow))
    await cluster.poll()
    assert cluster.coordinator.asked == [HEALTHY_PORT]  # Not again at once.


async def test_workers_are_asked_when_more_than_half_of_the_connections_are_slow_or_one_for_a_second(
    cluster: Cluster,
) -> None:
    frozen = cluster.add_sites(FROZEN_PORT, LIMIT)
    cluster.hold(*frozen[: LIMIT // 2])
    cluster.pool.in_use += lease(*frozen[LIMIT // 2 :])
    await cluster.poll()
    assert not cluster.coordinator.asked
    cluster.hold(frozen[0], since=1.1)
    await cluster.poll()
    assert cluster.coordinator.asked == [FROZEN_PORT]


async def test_a_site_that_has_stalled_has_its_worker_asked(cluster: Cluster) -> None:
    frozen, unknown = cluster.add_sites(FROZEN_PORT, 3), cluster.add_sites(HEALTHY_PORT, 1)
    cluster.hold(*frozen)
    cluster.sites.note_failure(ConnectionResetError(), *lease(frozen[0], since=2.0))
    await cluster.poll()
    assert cluster.is_refused(frozen[0])
    cluster.hold(*unknown * 6)  # Of sites that were not answered since, that would be more than their half.
    assert not cluster.is_refused(unknown[0])


async def test_an_answer_to_the_coordinator_or_to_a_site_frees_all_sites_of_a_worker(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.database.stalled_sites.LOOK_PAUSE_SECONDS", 0.0)
    frozen = cluster.add_sites(FROZEN_PORT, LIMIT)
    for is_answered_to_a_site in (True, False):
        cluster.coordinator.frozen = {FROZEN_PORT}
        cluster.hold(*frozen)
        await cluster.poll()
        assert all(map(cluster.is_refused, frozen))
        if is_answered_to_a_site:
            cluster.sites.note_answer(frozen[5])
        else:
            cluster.coordinator.frozen = set()
            await cluster.poll()
        assert not any(map(cluster.is_refused, frozen))


async def test_a_worker_answers_whose_sites_do_while_it_is_asked(cluster: Cluster) -> None:
    slow = cluster.add_sites(FROZEN_PORT, LIMIT)
    cluster.hold(*slow)
    cluster.coordinator.meanwhile = lambda: cluster.sites.note_answer(slow[0])
    await cluster.poll()
    assert cluster.coordinator.asked == [FROZEN_PORT]
    assert not any(connection.is_terminated for connection in cluster.pool.in_use)


async def test_a_new_site_is_looked_up_at_once_while_a_worker_does_not_answer(cluster: Cluster) -> None:
    cluster.hold(*cluster.add_sites(FROZEN_PORT, LIMIT))
    await cluster.poll()
    [later] = cluster.add_sites(FROZEN_PORT, 1)
    assert not cluster.is_refused(later)
    await cluster.poll()
    assert cluster.is_refused(later)


async def test_without_the_coordinator_only_failures_count(cluster: Cluster) -> None:
    cluster.coordinator.is_lost = True
    frozen = cluster.add_sites(FROZEN_PORT, LIMIT)
    cluster.hold(*frozen, since=2.5)
    await cluster.poll()
    assert not cluster.sites
    cluster.sites.end_standstill()
    assert all(map(cluster.is_refused, frozen))


async def test_where_the_workers_may_not_be_asked_only_failures_count(cluster: Cluster) -> None:
    cluster.coordinator.may_ask = False
    frozen = cluster.add_sites(FROZEN_PORT, LIMIT)
    cluster.hold(*frozen, since=2.5)
    await cluster.poll()
    cluster.sites.end_standstill()
    assert all(map(cluster.is_refused, frozen))


async def test_sites_that_are_remembered_are_bounded_and_the_service_itself_is_none(cluster: Cluster) -> None:
    cluster.probe.note_site(NO_SITE)
    sites = cluster.add_sites(HEALTHY_PORT, MOST_SITES + 5)
    cluster.hold(*sites[-LIMIT:])
    await cluster.poll()
    assert cluster.coordinator.sites == [str(site) for site in sites[5:]]


CATALOGUE = """
CREATE TABLE pg_dist_node (groupid integer, nodename text, nodeport integer, noderole text);
CREATE TABLE pg_dist_placement (shardid bigint, groupid integer);
INSERT INTO pg_dist_node VALUES (1, 'worker', 1, 'primary'), (2, 'worker', 2, 'primary');
INSERT INTO pg_dist_placement VALUES (101, 1), (102, 2);
CREATE FUNCTION get_shard_id_for_distribution_column(regclass, uuid) RETURNS bigint LANGUAGE sql
    RETURN CASE WHEN $2::text LIKE '0%' THEN 101 ELSE 102 END;
CREATE FUNCTION citus_check_connection_to_node(text, integer) RETURNS boolean LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep(CASE $2 WHEN 1 THEN 3 ELSE 0 END); RETURN true; END';
"""


@pytest.fixture
async def database(create_database: Callable[[], str]) -> AsyncIterator[RecordingDatabase]:
    """A pool that works as on a cluster, with what of Citus tells about workers; the first of two is frozen."""
    url = create_database()
    await migrate(url, row_security=False)
    database = RecordingDatabase(url, pool_size=LIMIT, row_security=False)
    async with database.connection(NO_SITE) as connection:
        await connection.execute(CATALOGUE)
    database.is_distributed = True
    await database.open()
    yield database
    await database.close()


async def test_no_statement_of_another_worker_fails_when_one_freezes(database: RecordingDatabase) -> None:
    frozen, healthy = [UUID(int=number) for number in range(1, 15)], [UUID(int=number << 124) for number in range(1, 5)]
    sleeping = [asyncio.create_task(ask(database, FROZEN, site)) for site in frozen]
    begin = time.monotonic()
    while time.monotonic() < begin + 2.5:
        for outcome, seconds in await asyncio.gather(*(ask(database, QUICK, site) for site in healthy)):
            assert (outcome, seconds < 1.5) == ("answered", True)
    outcomes = [task.result()[0] for task in sleeping if task.done()]
    assert len(outcomes) == len(frozen) - LIMIT // 5
    assert "answered" not in outcomes
    for task in sleeping:
        task.cancel()
    await asyncio.gather(*sleeping, return_exceptions=True)
