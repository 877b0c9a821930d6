"""Large responses and batches are written one at a time, so that the memory of one is what they take."""

import asyncio


class LargeResponses:
    """The right to write a large response, as a context manager.

    It passes on two turns of the event loop after the writing has ended. By then the response has been given to its
    connection, and those have been closed that together leave more unread than they may.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()

    async def __aenter__(self) -> None:
        await self._lock.acquire()

    async def __aexit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        loop.call_soon(loop.call_soon, self._lock.release)
