"""Waiting for what happens in another process, which sets no event."""

import asyncio
import time
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.02


async def wait_until(is_so: Callable[[], Awaitable[object]], *, within: float) -> float:
    """Wait until it is so; gives the seconds that took. Raises TimeoutError when it isn't within so many of them."""
    begin = time.monotonic()
    async with asyncio.timeout(within):
        while True:
            if await is_so():
                return time.monotonic() - begin
            await asyncio.sleep(PAUSE_SECONDS)
