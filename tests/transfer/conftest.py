"""What the tests of import and export share: a site of their own, and connections that row security binds to it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.clusters import unsecured_urls

Connect = Callable[[UUID], Awaitable[Any]]


@pytest.fixture
def site_id() -> UUID:
    return uuid4()


@pytest.fixture
async def connect(database_url: str) -> AsyncIterator[Connect]:
    """Opens connections in the service's role that have entered a site; they are closed after the test."""
    async with AsyncExitStack() as stack:

        async def open_connection(site_id: UUID) -> Any:
            connection = await asyncpg.connect(database_url)
            stack.push_async_callback(connection.close)
            if database_url not in unsecured_urls:
                await connection.execute("SET ROLE attendance_service")
                await connection.fetchval("SELECT set_config('attendance.site_id', $1, false)", str(site_id))
            return connection

        yield open_connection


@pytest.fixture
async def connection(connect: Connect, site_id: UUID) -> Any:
    return await connect(site_id)
