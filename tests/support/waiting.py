"""Waiting for what happens elsewhere, which sets no event."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.02


async def wait_until(holds: Callable[[], object | Awaitable[object]], *, within: float = 5.0) -> float:
    """Wait until it holds; gives the seconds that took. Raises TimeoutError when it doesn't within so many of them."""
    begin = time.monotonic()
    async with asyncio.timeout(within):
        while True:
            outcome = holds()
            if await outcome if inspect.isawaitable(outcome) else outcome:
                return time.monotonic() - begin
            await asyncio.sleep(PAUSE_SECONDS)
