"""Connections beside the service's own, that hold locks and watch who waits for them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
LOCK = "SELECT FROM attendance WHERE id = $1 FOR UPDATE"
TOUCH = "UPDATE attendance SET number_of_attendees = 1000 WHERE id = $1"
FIND_UNLOCKED = "SELECT id FROM attendance WHERE site_id = $1 FOR UPDATE SKIP LOCKED"


@asynccontextmanager
async def connect(url: str, site_id: UUID) -> AsyncIterator[Any]:
    """A connection of the owner's who sees the site, even where row security binds owners."""
    connection = await asyncpg.connect(url, server_settings={"attendance.site_id": str(site_id)})
    try:
        yield connection
    finally:
        await connection.close(timeout=5)


async def wait_for_waiters(connection: Any, count: int) -> None:
    """Wait until so many others wait for locks."""
    async with asyncio.timeout(5):
        while await connection.fetchval(WAITING) < count:  # noqa: ASYNC110 (another server's event)
            await asyncio.sleep(0.01)
