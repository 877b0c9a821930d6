"""Writers beside each other: how long a set of one site takes beside many writers of another, whose counter is locked.

Beside as many writers of as many other sites nobody waits for a counter, so the difference is what the counter costs.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from uuid import UUID, uuid5

import uvloop

from app.settings import Settings
from benchmarks.delivery import Connection
from benchmarks.processes import SERVICE, run_server, write_environment

WRITERS = 8
TURNS = 20
TURN_SECONDS = 1.0
RECORDS = 50
BOOKINGS = UUID("3f6d54c5-0b5e-4b3c-9d57-5c1d7f0f6a11")
TABLE = """
## Writers beside each other

Milliseconds of a single set of one site, at the median, while 8 other clients send sets, too. All take turns on one
service. These are times, so they depend on what else the machine does.

| beside | a set of another site | sets a second of the 8 | goal |
|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class WritersLine:
    """A set's milliseconds, the median of each turn, and how many sets a second the others had stored."""

    title: str
    milliseconds: Sequence[float]
    rates: Sequence[float]
    goal: str


def measure_writers(settings: Settings, tokens: Sequence[str]) -> list[WritersLine]:
    """One writer alone, beside writers of a site each, and beside as many of one site.

    The first of the tokens is of the one writer's site, the others are of a site each.
    """
    own, others = tokens[0], tokens[1 : WRITERS + 1]
    crowds: dict[str, Sequence[str]] = {
        "nobody": [],
        "8 writers of a site each": others,
        "8 writers of one site": others[:1] * WRITERS,
    }
    goals = {"8 writers of one site": "at least 300 sets a second"}
    log = settings.data_dir / "writers.log"
    with (
        run_server("writers", SERVICE, write_environment(settings), log) as server,
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        turns = [[runner.run(write_beside(server.port, own, crowd)) for crowd in crowds.values()] for _ in range(TURNS)]
    return [
        WritersLine(title, [each[0] for each in line], [each[1] for each in line], goals.get(title, ""))
        for title, line in zip(crowds, zip(*turns, strict=True), strict=True)
    ]


async def write_beside(port: int, own: str, crowd: Sequence[str]) -> tuple[float, float]:
    """The median of the milliseconds of one writer's sets, and the sets a second of the crowd meanwhile."""
    end = time.perf_counter() + TURN_SECONDS
    taken, *others = await asyncio.gather(
        *(write_until(end, port, token, number) for number, token in enumerate((own, *crowd)))
    )
    return median(taken) * 1000, sum(map(len, others)) / TURN_SECONDS


async def write_until(end: float, port: int, token: str, writer: int) -> list[float]:
    """Set one record of the writer's own after another, and return the seconds that each took."""
    connection, taken = await Connection.open(port, token), []
    while (begin := time.perf_counter()) < end:
        number = len(taken)
        await connection.set(number, str(uuid5(BOOKINGS, f"{writer} {number % RECORDS}")))
        taken.append(time.perf_counter() - begin)
    connection.close()
    return taken


def render_writers(lines: Sequence[WritersLine]) -> str:
    """The section of the report; nothing if nothing was measured."""
    rows = [
        f"| {line.title} | **{median(line.milliseconds):.1f}** | {median(line.rates):,.0f} | {line.goal} |\n"
        for line in lines
    ]
    return TABLE + "".join(rows) if rows else ""
