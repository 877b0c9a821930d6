"""Writers who hang up while their mutations run: they take no more than others may, and nobody else notices."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import asyncpg

from tests.support.commands import start_service
from tests.support.mutations import make_input
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, make_token
from tests.support.wire import connect, write_get, write_post

BULK = "bulkSetAttendance(input: $input) { totalSuccesses }"
THIRTY_BULKS = f"mutation($input: [AttendanceInput!]!) {{ {' '.join(f'm{n}: {BULK}' for n in range(30))} }}"
ONE_RECORD = "{ attendances(first: 1) { nodes { id } } }"
WRITERS = 3
SECONDS_TO_HANG_UP = 0.15
SECONDS = 3.0
GAUGES = ("attendance_requests_running", "attendance_requests_running_limit", "attendance_pool_waiting")


async def write_and_hang_up(url: str, token: str, is_over: Callable[[], bool]) -> None:
    while not is_over():
        request = write_post(THIRTY_BULKS, token, input=[make_input() for _ in range(100)])
        async with connect(url) as wire:
            await wire.send(request)
            await asyncio.sleep(SECONDS_TO_HANG_UP)


@asynccontextmanager
async def hold_writes(database_url: str) -> AsyncIterator[None]:
    """Let no write end, whatever the speed of the machine; reads go on."""
    owner = await asyncpg.connect(database_url)
    try:
        async with owner.transaction():
            await owner.execute("LOCK TABLE attendance IN EXCLUSIVE MODE")
            yield
    finally:
        await owner.close()


async def read_gauges(url: str) -> list[float]:
    async with connect(url) as wire:
        text = (await wire.ask(write_get("/metrics"))).body.decode()
    found = [re.search(rf"^{name}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE) for name in GAUGES]
    return [float(match[1]) for match in found if match]


async def test_writers_who_hang_up_hold_their_slots_and_leave_some_to_others(tmp_path: Path, database_url: str) -> None:
    writer, reader = make_token(uuid4(), READ_SCOPE, WRITE_SCOPE), make_token(uuid4(), READ_SCOPE)
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        async with hold_writes(database_url):
            end = time.monotonic() + SECONDS
            writing = [
                asyncio.create_task(write_and_hang_up(service.url, writer, lambda: time.monotonic() > end))
                for _ in range(WRITERS)
            ]
            statuses, gauges = set(), []
            while not all(task.done() for task in writing):
                async with connect(service.url) as wire:
                    statuses.add((await wire.ask(write_post(ONE_RECORD, reader))).status)
                gauges.append(await read_gauges(service.url))
                await asyncio.sleep(0.05)
            await asyncio.gather(*writing)
    assert statuses == {200}
    assert max(running for running, _, _ in gauges) > WRITERS
    assert all(waiting <= running <= limit * 0.8 + 1 for running, limit, waiting in gauges)
