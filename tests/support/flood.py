"""Load from a process of its own, so that whoever measures does not take the time of what is measured.

`python -m tests.support.flood` reads the crowds as JSON and prints the latencies of each by status.
"""

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import uvloop

from tests.support.wire import Wire, connect, write_post

ROOT = Path(__file__).parents[2]
REFUSED = 503
PATIENCE_SECONDS = 0.05
Latencies = dict[int, list[float]]


@dataclass(frozen=True, slots=True)
class Crowd:
    """Callers who ask the same again and again: over so many connections in turn, or `rate` times a second."""

    url: str
    query: str
    token: str
    seconds: float
    connections: int = 0
    rate: float = 0


async def ask(wire: Wire, request: bytes, latencies: Latencies) -> int:
    started = time.perf_counter()
    answer = await wire.ask(request)
    latencies[answer.status].append(time.perf_counter() - started)
    return answer.status


async def ask_in_turn(crowd: Crowd, request: bytes, latencies: Latencies) -> None:
    """One connection's requests, one after the other; a refused one is sent again after a pause."""
    deadline = time.perf_counter() + crowd.seconds
    async with connect(crowd.url) as wire:
        while time.perf_counter() < deadline:
            if await ask(wire, request, latencies) == REFUSED:
                await asyncio.sleep(PATIENCE_SECONDS)


async def ask_at_rate(crowd: Crowd, request: bytes, latencies: Latencies) -> None:
    """Requests at their times, however slowly they are answered, each over a connection that is free."""
    free: list[Wire] = []
    started = time.perf_counter()
    async with AsyncExitStack() as connections, asyncio.TaskGroup() as asking:

        async def ask_once() -> None:
            wire = free.pop() if free else await connections.enter_async_context(connect(crowd.url))
            await ask(wire, request, latencies)
            free.append(wire)

        for number in range(int(crowd.rate * crowd.seconds)):
            await asyncio.sleep(started + number / crowd.rate - time.perf_counter())
            asking.create_task(ask_once())


async def run_crowd(crowd: Crowd) -> Latencies:
    latencies: Latencies = defaultdict(list)
    request = write_post(crowd.query, crowd.token)
    if crowd.rate:
        await ask_at_rate(crowd, request, latencies)
    else:
        await asyncio.gather(*(ask_in_turn(crowd, request, latencies) for _ in range(crowd.connections)))
    return latencies


async def flood(*crowds: Crowd) -> list[Latencies]:
    """The latencies of crowds that ask at the same time, in seconds, by the status of their answers."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.flood", stdin=-1, stdout=-1, cwd=ROOT
    )
    output, _ = await process.communicate(orjson.dumps([asdict(crowd) for crowd in crowds]))
    assert process.returncode == 0
    return [{int(status): each for status, each in crowd.items()} for crowd in orjson.loads(output)]


async def run_crowds(given: Sequence[Any]) -> list[Latencies]:
    return await asyncio.gather(*(run_crowd(Crowd(**each)) for each in given))


if __name__ == "__main__":
    result = uvloop.run(run_crowds(orjson.loads(sys.stdin.buffer.read())))
    sys.stdout.buffer.write(orjson.dumps(result, option=orjson.OPT_NON_STR_KEYS))
