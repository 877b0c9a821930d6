"""How long a change takes to reach streams: from the sending of a set to its event, in the clients' process.

One set after another, at random moments, so that the poll of another process is met at any time of its turn.
"""

import asyncio
import re
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from random import Random
from statistics import median, quantiles
from typing import Self

import orjson
import uvloop

from app.settings import Settings
from benchmarks.processes import SERVICE, run_server, write_environment

SETS = 100
LONGEST_PAUSE_SECONDS = 0.4
WAIT_SECONDS = 10.0
CROWD = 1000
OPENED_AT_ONCE = 50
SESSION = "the session of the streams"
BOOKING = "11111111-2222-4333-8444-555555555555"
HEAD = "POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nAuthorization: Bearer {}\r\n"
STREAM = """subscription($of: AttendancePerspective) {
  attendanceChanges(perspective: $of) { cursor changes { kind attendance { id status numberOfAttendees } } }
}"""
SET = "mutation($input: AttendanceInput!) { setAttendance(input: $input) { attendance { id } } }"
TABLE = """
## Delivery of changes

Milliseconds from the sending of a set until the event with it has arrived, over Server-Sent Events on this machine.
These are times, so they depend on what else the machine does.

| arrived at | median | 95 of 100 | largest | goal of the median |
|---|---|---|---|---|
"""
NUMBER = re.compile(rb'"numberOfAttendees":(\d+)')


@dataclass(frozen=True, slots=True)
class DeliveryLine:
    """Milliseconds from the sending of each set until the last of the streams had its event."""

    title: str
    milliseconds: Sequence[float]
    goal: float

    @property
    def median(self) -> float:
        return median(self.milliseconds)

    @property
    def p95(self) -> float:
        return quantiles(self.milliseconds, n=20, method="inclusive")[18]


class Connection:
    """An HTTP connection of one caller."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader = reader
        self._writer = writer
        self._head = HEAD.format(token)

    @classmethod
    async def open(cls, port: int, token: str) -> Self:
        return cls(*await asyncio.open_connection("127.0.0.1", port), token)

    def close(self) -> None:
        self._writer.close()

    def _send(self, query: str, variables: object, accept: str) -> None:
        body = orjson.dumps({"query": query, "variables": variables})
        self._writer.write(f"{self._head}Accept: {accept}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    async def set(self, number: int, booking: str = BOOKING) -> None:
        """Set the number of a booking's record of the session. Raises RuntimeError if it is refused."""
        given = {"bookingId": booking, "sessionId": SESSION, "status": "ATTENDED", "numberOfAttendees": number}
        self._send(SET, {"input": given}, "application/json")
        head = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"content-length:"))
        body = await self._reader.readexactly(length)
        if not body.startswith(b'{"data"'):
            raise RuntimeError(body.decode())

    async def subscribe(self) -> None:
        """Begin to follow the session; gives back control when the first event is here."""
        self._send(STREAM, {"of": {"sessionId": SESSION}}, "text/event-stream")
        head = await self._reader.readuntil(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(head.decode())
        while b"event: next" not in await self._reader.readuntil(b"\n\n"):
            pass

    async def wait_for(self, number: int) -> float:
        """The moment at which the event with the number is here."""
        while (found := NUMBER.search(await self._reader.readuntil(b"\n\n"))) is None or int(found[1]) != number:
            pass
        return time.perf_counter()


def measure_delivery(settings: Settings, token: str) -> list[DeliveryLine]:
    """Deliveries by the process that is written to, by another one, and to a crowd of streams."""
    with ExitStack() as stack:
        own, other = (
            stack.enter_context(
                run_server(name, SERVICE, write_environment(settings), settings.data_dir / f"{name}.log")
            )
            for name in ("writing", "delivering")
        )
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            return [
                DeliveryLine(title, runner.run(measure_streams(own.port, port, token, count, sets)), goal)
                for title, port, count, sets, goal in (
                    ("one stream of the process that is written to", own.port, 1, SETS, 50),
                    ("one stream of another process", other.port, 1, SETS, 400),
                    (f"all of {CROWD:,} streams of the session, on the same process", own.port, CROWD, SETS // 5, 1000),
                    (f"all of {CROWD:,} streams of the session, on another", other.port, CROWD, SETS // 5, 1000),
                )
            ]


async def measure_streams(writer_port: int, stream_port: int, token: str, count: int, sets: int) -> list[float]:
    """Milliseconds until the last of so many streams has its event, for each set after a first one."""
    chance, writer = Random(count), await Connection.open(writer_port, token)  # noqa: S311 (moments, no secrets)
    streams = await open_streams(stream_port, token, count)
    measured = []
    for number in range(sets + 1):
        await asyncio.sleep(LONGEST_PAUSE_SECONDS * chance.random())
        began = time.perf_counter()
        async with asyncio.timeout(WAIT_SECONDS):
            *moments, _ = await asyncio.gather(*(stream.wait_for(number) for stream in streams), writer.set(number))
        measured.append((max(moments) - began) * 1000)
    for connection in (writer, *streams):
        connection.close()
    await asyncio.sleep(LONGEST_PAUSE_SECONDS)  # until the service has seen that they are gone
    return measured[1:]


async def open_streams(port: int, token: str, count: int) -> list[Connection]:
    slots = asyncio.Semaphore(OPENED_AT_ONCE)

    async def open_one() -> Connection:
        async with slots:
            stream = await Connection.open(port, token)
            await stream.subscribe()
            return stream

    return await asyncio.gather(*(open_one() for _ in range(count)))


def render_delivery(lines: Sequence[DeliveryLine]) -> str:
    """The section of the report; nothing if nothing was measured."""
    rows = [
        f"| {line.title} | **{line.median:.0f}** | {line.p95:.0f} | {max(line.milliseconds):.0f} | {line.goal:.0f} |\n"
        for line in lines
    ]
    return TABLE + "".join(rows) if rows else ""
