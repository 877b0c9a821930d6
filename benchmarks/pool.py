"""What it costs to lease a connection: this process's processor time for one statement, by asyncpg's pool and by ours.

The statement is as short as one can be, and one caller sends it again and again, so the rest is the same.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from statistics import median

import asyncpg
import uvloop

from app.database.connection_pool import ConnectionPool
from app.database.pool import STATEMENT_SECONDS, build_connector
from benchmarks.baseline import KEEP_CONNECTIONS, LeanConnection
from benchmarks.data import SITES

STATEMENT = "SELECT 1"
STATEMENTS_A_TURN = 300
TURNS_A_ROUND = 30
BARE = "the driver's `fetch` on one connection"

Fetch = Callable[[], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class PoolLine:
    """Microseconds of processor time for one statement: the least turn of each round, for others disturb the rest."""

    title: str
    microseconds: Sequence[float]

    @property
    def median(self) -> float:
        return median(self.microseconds)


def measure_pools(url: str, rounds: int) -> list[PoolLine]:
    """Each way to send the statement, in the same rounds, after one that is not counted."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure_ways(url, rounds))


async def measure_ways(url: str, rounds: int) -> list[PoolLine]:
    async with AsyncExitStack() as stack:
        ways = await open_ways(url, stack)
        measured: dict[str, list[float]] = {title: [] for title in ways}
        for number in range(rounds + 1):
            turns = [{title: await use(fetch) for title, fetch in ways.items()} for _ in range(TURNS_A_ROUND)]
            for title, least in measured.items():
                least += [min(turn[title] for turn in turns) / 1000 / STATEMENTS_A_TURN] if number else []
    return [PoolLine(title, microseconds) for title, microseconds in measured.items()]


async def use(fetch: Fetch) -> int:
    """The nanoseconds of one turn."""
    begin = time.process_time_ns()
    for _ in range(STATEMENTS_A_TURN):
        await fetch()
    return time.process_time_ns() - begin


async def open_ways(url: str, stack: AsyncExitStack) -> dict[str, Fetch]:
    options = {"command_timeout": STATEMENT_SECONDS + 1}
    bare = await asyncpg.connect(url, **options)
    stack.push_async_callback(bare.close)
    default = await stack.enter_async_context(asyncpg.create_pool(url, **options, **KEEP_CONNECTIONS))
    lean = await stack.enter_async_context(
        asyncpg.create_pool(url, **options, **KEEP_CONNECTIONS, connection_class=LeanConnection)
    )
    connector = build_connector(url, row_security=False)
    ours = ConnectionPool(connector.connect, 10)
    stack.push_async_callback(ours.close)
    prepared = await connector.connect()
    stack.push_async_callback(prepared.close)
    ours.release(await ours.acquire(5, SITES[0]))

    async def keep() -> object:
        return await prepared.run(STATEMENT, ())

    async def lease() -> object:
        connection = ours.acquire_idle(SITES[0])
        assert connection is not None
        rows = await connection.run(STATEMENT, ())
        ours.release(connection)
        return rows

    return {
        BARE: lambda: bare.fetch(STATEMENT),
        "asyncpg's pool": lambda: default.fetch(STATEMENT),
        "asyncpg's pool, without the round trip that resets a connection": lambda: lean.fetch(STATEMENT),
        "the statement that a connection keeps (`SiteConnection.run`)": keep,
        "the same, leased from `ConnectionPool`": lease,
    }
