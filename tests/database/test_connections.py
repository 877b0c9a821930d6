"""Connections are lent to one borrower at a time and none is ever lost, however borrowers and connections end."""

import asyncio
import random
from collections import Counter
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from app.database.connecting import Address, Connector, SiteConnection
from app.database.connections import Connections
from app.database.failures import NoFreeConnectionError
from app.database.migrations import SERVICE_ROLE

LIMIT = 4
SITES = [uuid4() for _ in range(3)]
SLEEP = "SELECT $1::int AS number, pg_sleep($2)"
COUNT_SLEEPERS = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep($2)'"
PAUSES = (0, 0, 0.0005, 0.002)


class Refused(OSError):
    """A connection that could not be made."""


class ModelConnection:
    """What connections know of a connection, without a server: it tells when two borrowers hold it at once."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.entered_site: UUID | None = None
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
            raise ConnectionError("it broke while it was mended")

    async def reset(self) -> None:
        assert not self.borrowed


class World:
    """A server that refuses connections, breaks them and is slow, all by a seed."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.open: set[ModelConnection] = set()
        self.most_open = 0
        self.refuses = 0.2
        self.address = Address()
        self.connections = Connections(self.connect, LIMIT)
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
        connection: Any = self.connections.take(site) or await self.connections.wait(0.003)
        assert not connection.borrowed
        assert not connection.ended
        connection.borrowed = True
        connection.entered_site = site
        try:
            await self.pause()
            chance = self.chance.random()
            if chance < 0.05:
                self.connections.expire()
            elif chance < 0.2:
                connection.terminate()
        except asyncio.CancelledError:
            connection.borrowed = False
            self.connections.mend(connection)
            raise
        connection.borrowed = False
        (self.connections.give_back if chance < 0.8 else self.connections.mend)(connection)

    async def run_borrower(self) -> None:
        borrower = asyncio.create_task(self.borrow())
        if self.chance.random() < 0.3:
            await self.pause()
            borrower.cancel()
        try:
            await borrower
            self.outcomes["served"] += 1
        except (asyncio.CancelledError, Refused, NoFreeConnectionError, TimeoutError) as ending:
            self.outcomes[type(ending).__name__] += 1

    async def run(self, rounds: int) -> None:
        for _ in range(rounds):
            await asyncio.gather(*(self.run_borrower() for _ in range(self.chance.randint(1, 3 * LIMIT))))


async def wait_until_idle(connections: Connections) -> None:
    async with asyncio.timeout(5):
        while connections.counts.size > connections.counts.idle:  # noqa: ASYNC110 (a mending task sets no event)
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("seed", range(20))
async def test_no_connection_is_lost_or_lent_twice_however_borrowers_end(seed: int) -> None:
    world = World(seed)
    await world.run(40)
    await wait_until_idle(world.connections)
    counts = world.connections.counts
    assert counts.waiting == 0
    assert world.most_open <= LIMIT
    assert {"served", "CancelledError"} <= world.outcomes.keys()
    assert counts.connect_failures > 0
    assert counts.timeouts >= world.outcomes["TimeoutError"] + world.outcomes["NoFreeConnectionError"]
    world.refuses = 0
    borrowed = [world.connections.take(None) or await world.connections.wait(1) for _ in range(LIMIT)]
    assert len(set(borrowed)) == len(world.open) == LIMIT
    for connection in borrowed:
        world.connections.give_back(connection)
    await world.connections.close()
    assert not world.open
    assert world.connections.counts.size == 0


async def test_who_waits_first_is_served_first() -> None:
    world = World(0)
    world.refuses = 0
    connections = world.connections
    lent = [await connections.wait(1) for _ in range(LIMIT)]
    served: list[int] = []

    async def borrow(number: int) -> None:
        connection = await connections.wait(1)
        served.append(number)
        connections.give_back(connection)

    waiting = [asyncio.create_task(borrow(number)) for number in range(3 * LIMIT)]
    await asyncio.sleep(0)
    assert connections.counts.waiting == 3 * LIMIT
    connections.give_back(lent.pop())
    await asyncio.gather(*waiting)
    assert served == list(range(3 * LIMIT))
    for connection in lent:
        connections.give_back(connection)
    await connections.close()


async def test_a_connection_that_has_entered_the_site_is_preferred_and_else_the_one_idle_for_longest() -> None:
    world = World(0)
    world.refuses = 0
    connections = world.connections
    lent = [await connections.wait(1) for _ in SITES]
    for connection, site in zip(lent, SITES, strict=True):
        connection.entered_site = site
        connections.give_back(connection)
    for site in reversed(SITES):
        connection = connections.take(site) or await connections.wait(1)
        assert connection.entered_site == site
        connections.give_back(connection)
    foreign = connections.take(uuid4())
    assert foreign is not None
    assert foreign.entered_site == SITES[-1]
    connections.give_back(foreign)
    await connections.close()


async def test_who_waits_while_all_are_lent_waits_on_though_no_more_can_be_made() -> None:
    world = World(0)
    world.refuses = 0
    connections = world.connections
    lent = await connections.wait(1)
    world.refuses = 1
    waiting = asyncio.create_task(connections.wait(1))
    await asyncio.sleep(0.02)
    assert connections.counts.connect_failures == 1
    assert not waiting.done()
    connections.give_back(lent)
    assert await waiting is lent
    lent.terminate()
    connections.give_back(lent)
    with pytest.raises(Refused):
        await connections.wait(1)
    await connections.close()


async def test_who_waits_gets_a_new_connection_in_place_of_a_broken_one() -> None:
    world = World(0)
    world.refuses = 0
    connections = world.connections
    lent = [await connections.wait(1) for _ in range(LIMIT)]
    waiting = asyncio.create_task(connections.wait(5))
    await asyncio.sleep(0)
    lent[0].terminate()
    connections.give_back(lent[0])
    assert await waiting not in lent
    for connection in (*lent[1:], waiting.result()):
        connections.give_back(connection)
    await connections.close()


async def test_after_an_expiry_no_connection_from_before_it_is_lent_again() -> None:
    world = World(0)
    world.refuses = 0
    connections = world.connections
    before = [await connections.wait(1) for _ in range(3)]
    connections.give_back(before[0])
    waiting = asyncio.create_task(connections.wait(1))
    connections.expire()
    assert before[0].is_closed()
    for connection in before[1:]:
        assert not connection.is_closed()
        connections.give_back(connection)
        assert connection.is_closed()
    assert await waiting not in before
    assert connections.counts.size == 1
    connections.give_back(waiting.result())
    await connections.close()


async def test_a_full_pool_is_told_from_a_server_that_makes_no_connection() -> None:
    world = World(0)
    world.refuses = 0
    connections = world.connections
    lent = [await connections.wait(1) for _ in range(LIMIT)]
    with pytest.raises(NoFreeConnectionError):
        await connections.wait(0.01)
    connections.give_back(lent[0])
    world.connections.expire()

    async def never() -> SiteConnection:
        await asyncio.sleep(60)
        raise Refused

    silent = Connections(never, LIMIT)
    with pytest.raises(TimeoutError):
        await silent.wait(0.01)
    assert silent.counts.timeouts == 1
    await silent.close()
    for connection in lent[1:]:
        connections.give_back(connection)
    await connections.close()


async def test_real_statements_that_are_cancelled_at_any_moment_leave_connections_that_answer_for_themselves(
    database_url: str, server: Any
) -> None:
    chance = random.Random(7)
    connections = Connections(Connector(database_url, role=SERVICE_ROLE, statement_seconds=60).connect, LIMIT)

    async def ask(number: int) -> None:
        connection = connections.take(None) or await connections.wait(5)
        try:
            [row] = await connection.fetch(SLEEP, number, chance.choice((0, 0, 0.002, 30)))
        except asyncio.CancelledError:
            connections.mend(connection)
            raise
        connections.give_back(connection)
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
    await wait_until_idle(connections)
    async with asyncio.timeout(5):
        while await server.fetchval(COUNT_SLEEPERS):  # noqa: ASYNC110 (another process sets no event)
            await asyncio.sleep(0.1)
    assert 1 <= connections.counts.size <= LIMIT
    await connections.close()
    assert connections.counts.size == 0
