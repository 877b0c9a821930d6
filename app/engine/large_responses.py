"""Large responses and batches are written one at a time, so that the memory of one is what they take."""

import asyncio
from time import perf_counter

TIMES_TO_REST = 2


class LargeResponses:
    """The right to write what may be large, as a context manager.

    It passes on two turns of the event loop after the writing has ended. By then the response has been given to its
    connection, and those have been closed that together leave more unread than they may.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._began = self._rest = 0.0

    async def __aenter__(self) -> None:
        await self._lock.acquire()
        self._began, self._rest = perf_counter(), 0.0

    def rest(self) -> None:
        """Have the next one wait twice as long as this one takes: it is large indeed, and others need the loop."""
        self._rest = TIMES_TO_REST * (perf_counter() - self._began)

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        loop.call_later(self._rest, loop.call_soon, self._lock.release)
