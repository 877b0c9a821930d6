"""Each connection is leased to one borrower at a time, and none is lost, however borrowers and connections end."""

import asyncio
import random
from collections import Counter
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from app.database.connection import SiteConnection
from app.database.connection_pool import ConnectionPool
from app.database.connector import Connector
from app.database.failures import PoolExhaustedError
from app.database.hosts import Address
from app.database.migrations import SERVICE_ROLE

LIMIT = 4
SITES = [uuid4() for _ in range(3)]
SLEEP = "SELECT $1::int AS number, pg_sleep($2)"
COUNT_SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep($2)'"
PAUSES = (0, 0, 0.0005, 0.002)


class Refused(OSError):
    """A connection that could not be made."""


class ModelConnection:
    """What a pool uses of a connection, without a server: it notices when two borrowers hold it at once."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.entered_site: UUID | None = None
        self.leased_to: UUID | None = None
        self.address = world.address
        self.generation = 0
        self.ended = False
        self.borrowed = False

    def is_closed(self) -> bool:
        return self.ended

    def is_in_transaction(self) -> bool:
        return False

    def terminate(self) -> None:
        self.ended = True
        self.world.open.discard(self)

    async def close(self, **_options: float) -> None:
        self.terminate()

    async def execute(self, _text: str) -> None:
        assert not self.borrowed
        await self.world.pause()
        if self.world.chance.random() < 0.2:
            raise ConnectionError("it broke while it was recovered")

    async def reset(self) -> None:
        assert not self.borrowed


class World:
    """A server that refuses connections, breaks them and is slow, all by a seed."""

    def __init__(self, seed: int, limit: int = LIMIT) -> None:
        self.chance = random.Random(seed)
        self.open: set[ModelConnection] = set()
        self.most_open = 0
        self.most_of_a_site = 0
        self.refuses = 0.2
        self.address = Address()
        self.pool = ConnectionPool(self.connect, limit)
        self.outcomes: Counter[str] = Counter()

    async def pause(self) -> None:
        await asyncio.sleep(self.chance.choice(PAUSES))

    async def connect(self) -> SiteConnection:
        await self.pause()
        if self.chance.random() < self.refuses:
            raise Refused
        connection = ModelConnection(self)
        self.open.add(connection)
        self.most_open = max(self.most_open, len(self.open))
        return cast(SiteConnection, connection)

    async def borrow(self) -> None:
        """Take a connection, use it, and leave it in one of the ways that there are."""
        site = self.chance.choice(SITES)
        connection: Any = self.pool.acquire_idle(site) or await self.pool.acquire(0.003, site)
        assert not connection.borrowed
        assert not connection.ended
        connection.borrowed = True
        held = Counter(each.leased_to for each in self.open if each.borrowed)
        self.most_of_a_site = max(self.most_of_a_site, *held.values())
        connection.entered_site = site
        try:
            await self.pause()
            chance = self.chance.random()
            if chance < 0.05:
                self.pool.expire()
            elif chance < 0.2:
                connection.terminate()
        except asyncio.CancelledError:
            connection.borrowed = False
            self.pool.recover(connection)
            raise
        connection.borrowed = False
        (self.pool.release if chance < 0.8 else self.pool.recover)(connection)

    async def run_borrower(self) -> None:
        borrower = asyncio.create_task(self.borrow())
        if self.chance.random() < 0.3:
            await self.pause()
            borrower.cancel()
        try:
            await borrower
            self.outcomes["served"] += 1
        except (asyncio.CancelledError, Refused, PoolExhaustedError, TimeoutError) as ending:
            self.outcomes[type(ending).__name__] += 1

    async def run(self, rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.gather(*(self.run_borrower() for _ in range(self.chance.randint(1, 3 * LIMIT))))


async def wait_until_idle(pool: ConnectionPool) -> None:
    async with asyncio.timeout(5):
        while pool.counts.size > pool.counts.idle:  # noqa: ASYNC110 (a recovering task sets no event)
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("limit", "most_of_a_site"), [(LIMIT, LIMIT), (5, 4), (10, 8)])
@pytest.mark.parametrize("seed", range(20))
async def test_no_connection_is_lost_or_leased_twice_however_borrowers_end(
    seed: int, limit: int, most_of_a_site: int
) -> None:
    world = World(seed, limit)
    await world.run(40)
    await wait_until_idle(world.pool)
    counts = world.pool.counts
    assert counts.waiting == 0
    assert world.most_open <= limit
    assert world.most_of_a_site <= most_of_a_site
    assert {"served", "CancelledError"} <= world.outcomes.keys()
    assert counts.connect_failures > 0
    assert counts.timeouts >= world.outcomes["TimeoutError"] + world.outcomes["PoolExhaustedError"]
    world.refuses = 0
    borrowed = [world.pool.acquire_idle(None) or await world.pool.acquire(1) for _ in range(limit)]
    assert len(set(borrowed)) == len(world.open) == limit
    for connection in borrowed:
        world.pool.release(connection)
    await world.pool.close()
    assert not world.open
    assert world.pool.counts.size == 0


async def test_who_waits_first_is_served_first() -> None:
    world = World(0)
    world.refuses = 0
    pool = world.pool
    leased = [await pool.acquire(1) for _ in range(LIMIT)]
    served: list[int] = []

    async def borrow(number: int) -> None:
        connection = await pool.acquire(1)
        served.append(number)
        pool.release(connection)

    waiting = [asyncio.create_task(borrow(number)) for number in range(3 * LIMIT)]
    await asyncio.sleep(0)
    assert pool.counts.waiting == 3 * LIMIT
    pool.release(leased.pop())
    await asyncio.gather(*waiting)
    assert served == list(range(3 * LIMIT))
    for connection in leased:
        pool.release(connection)
    await pool.close()


async def test_a_released_connection_goes_to_the_site_that_has_the_fewest() -> None:
    greedy, modest, other = SITES
    world = World(0, limit=10)
    world.refuses = 0
    pool = world.pool
    held = [pool.acquire_idle(greedy) or await pool.acquire(1, greedy) for _ in range(8)]
    held += [pool.acquire_idle(modest) or await pool.acquire(1, modest) for _ in range(2)]
    served: list[UUID] = []

    async def borrow(site: UUID) -> None:
        connection = pool.acquire_idle(site) or await pool.acquire(1, site)
        served.append(site)
        held.append(connection)

    waiting = [asyncio.create_task(borrow(site)) for site in (greedy, greedy, modest, other, other)]
    await asyncio.sleep(0)
    for connection in held[:5]:
        pool.release(connection)
    await asyncio.gather(*waiting)
    assert served == [other, other, modest, greedy, greedy]
    for connection in held[5:]:
        pool.release(connection)
    await pool.close()


async def test_one_site_leaves_a_connection_in_five_to_the_others() -> None:
    world = World(0, limit=10)
    world.refuses = 0
    pool = world.pool
    site, other = SITES[:2]
    held = [pool.acquire_idle(site) or await pool.acquire(1, site) for _ in range(8)]
    waiting = asyncio.create_task(pool.acquire(1, site))
    for connection in [await pool.acquire(1, other) for _ in range(2)]:
        pool.release(connection)
    assert pool.acquire_idle(site) is None
    assert pool.counts.idle == 2
    assert not waiting.done()
    with pytest.raises(PoolExhaustedError):
        await pool.acquire(0.01, site)
    of_the_service = pool.acquire_idle(None)
    assert of_the_service is not None
    pool.release(held[0])
    assert await waiting is held[0]
    for connection in (of_the_service, *held):
        pool.release(connection)
    await pool.close()


async def test_a_connection_that_has_entered_the_site_is_preferred_and_else_the_one_idle_for_longest() -> None:
    world = World(0)
    world.refuses = 0
    pool = world.pool
    leased = [await pool.acquire(1) for _ in SITES]
    for connection, site in zip(leased, SITES, strict=True):
        connection.entered_site = site
        pool.release(connection)
    for site in reversed(SITES):
        connection = pool.acquire_idle(site) or await pool.acquire(1)
        assert connection.entered_site == site
        pool.release(connection)
    foreign = pool.acquire_idle(uuid4())
    assert foreign is not None
    assert foreign.entered_site == SITES[-1]
    pool.release(foreign)
    await pool.close()


async def test_who_waits_while_all_are_in_use_waits_on_though_no_more_can_be_made() -> None:
    world = World(0)
    world.refuses = 0
    pool = world.pool
    leased = await pool.acquire(1)
    world.refuses = 1
    waiting = asyncio.create_task(pool.acquire(1))
    await asyncio.sleep(0.02)
    assert pool.counts.connect_failures == 1
    assert not waiting.done()
    pool.release(leased)
    assert await waiting is leased
    leased.terminate()
    pool.release(leased)
    with pytest.raises(Refused):
        await pool.acquire(1)
    await pool.close()


async def test_who_waits_gets_a_new_connection_in_place_of_a_broken_one() -> None:
    world = World(0)
    world.refuses = 0
    pool = world.pool
    leased = [await pool.acquire(1) for _ in range(LIMIT)]
    waiting = asyncio.create_task(pool.acquire(5))
    await asyncio.sleep(0)
    leased[0].terminate()
    pool.release(leased[0])
    assert await waiting not in leased
    for connection in (*leased[1:], waiting.result()):
        pool.release(connection)
    await pool.close()


async def test_after_an_expiry_no_connection_from_before_it_is_leased_again() -> None:
    world = World(0)
    world.refuses = 0
    pool = world.pool
    before = [await pool.acquire(1) for _ in range(3)]
    pool.release(before[0])
    waiting = asyncio.create_task(pool.acquire(1))
    pool.expire()
    assert before[0].is_closed()
    for connection in before[1:]:
        assert not connection.is_closed()
        pool.release(connection)
        assert connection.is_closed()
    assert await waiting not in before
    assert pool.counts.size == 1
    pool.release(waiting.result())
    await pool.close()


async def test_a_full_pool_is_told_from_a_server_that_makes_no_connection() -> None:
    world = World(0)
    world.refuses = 0
    pool = world.pool
    leased = [await pool.acquire(1) for _ in range(LIMIT)]
    with pytest.raises(PoolExhaustedError):
        await pool.acquire(0.01)
    pool.release(leased[0])
    world.pool.expire()

    async def never() -> SiteConnection:
        await asyncio.sleep(60)
        raise Refused

    sileased = ConnectionPool(never, LIMIT)
    with pytest.raises(TimeoutError):
        await sileased.acquire(0.01)
    assert sileased.counts.timeouts == 1
    await sileased.close()
    for connection in leased[1:]:
        pool.release(connection)
    await pool.close()


async def test_real_statements_that_are_cancelled_at_any_moment_leave_usable_connections(
    database_url: str, server: Any
) -> None:
    chance = random.Random(7)
    pool = ConnectionPool(Connector(database_url, role=SERVICE_ROLE, statement_seconds=60).connect, LIMIT)

    async def ask(number: int) -> None:
        connection = pool.acquire_idle(None) or await pool.acquire(5)
        try:
            [row] = await connection.fetch(SLEEP, number, chance.choice((0, 0, 0.002, 30)))
        except asyncio.CancelledError:
            pool.recover(connection)
            raise
        pool.release(connection)
        assert row["number"] == number

    for first in range(0, 400, 20):
        asking = [asyncio.create_task(ask(number)) for number in range(first, first + 20)]
        for task in asking:
            await asyncio.sleep(chance.choice(PAUSES))
            if chance.random() < 0.7:
                task.cancel()
        await asyncio.sleep(0.05)
        for task in asking:
            task.cancel()
        outcomes = await asyncio.gather(*asking, return_exceptions=True)
        assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError}
    await wait_until_idle(pool)
    async with asyncio.timeout(5):
        while await server.fetchval(COUNT_SLEEPERS):  # noqa: ASYNC110 (another process sets no event)
            await asyncio.sleep(0.1)
    assert 1 <= pool.counts.size <= LIMIT
    await pool.close()
    assert pool.counts.size == 0
