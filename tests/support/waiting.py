"""Waiting for what happens elsewhere."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable


async def wait_until(holds: Callable[[], bool | Awaitable[bool]], seconds: float = 5.0) -> None:
    """Wait until something holds; fails when it does not within so many seconds."""
    async with asyncio.timeout(seconds):
        while not (await outcome if inspect.isawaitable(outcome := holds()) else outcome):  # noqa: ASYNC110 (it happens elsewhere)
            await asyncio.sleep(0.01)
