"""The endpoint in this process with short deadlines and few slots, and a lock that makes statements wait."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace

import asyncpg
import pytest

from app.settings import load_settings
from app.web.application import build_application
from app.web.endpoint import GraphQLEndpoint
from app.web.load.admission import Admission
from app.web.load.in_flight_requests import InFlightRequests
from tests.support.service import SECRET, RecordingDatabase
from tests.support.waiting import wait_until

BuildEndpoint = Callable[..., GraphQLEndpoint]
Lock = Callable[[], AbstractAsyncContextManager[asyncpg.Connection]]
WAITING = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND application_name = 'attendance' AND wait_event_type = 'Lock'
"""


@pytest.fixture
def build_endpoint(database: RecordingDatabase) -> BuildEndpoint:
    """An endpoint on the service's own database; `receive` and `run` are seconds."""

    def build(*, receive: float = 10, run: float = 10, max_running: int = 20, max_queued: int = 80) -> GraphQLEndpoint:
        return replace(
            build_application(load_settings({"ATTENDANCE_JWT_SECRET": SECRET}), database).endpoint,
            admission=Admission(max_running, max_queued, site_share=50),
            in_flight=InFlightRequests(receive_seconds=receive, run_seconds=run),
        )

    return build


@pytest.fixture
def lock(database_url: str) -> Lock:
    """Inside the block nobody reads or writes records; gives a connection that sees who waits."""

    @asynccontextmanager
    async def hold() -> AsyncIterator[asyncpg.Connection]:
        owner, watcher = [await asyncpg.connect(database_url) for _ in range(2)]
        try:
            async with owner.transaction():
                await owner.execute("LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE")
                yield watcher
        finally:
            await watcher.close()
            await owner.close()

    return hold


async def wait_for_waiting(watcher: asyncpg.Connection, count: int, seconds: float = 5.0) -> None:
    """Wait until so many of the service's connections wait for a lock."""

    async def holds() -> bool:
        waiting: int = await watcher.fetchval(WAITING)
        return waiting == count

    await wait_until(holds, within=seconds)
