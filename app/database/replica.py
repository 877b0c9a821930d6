"""A replica: reads go there while it can serve them, and it is asked again once a second while it cannot."""

import asyncio
import logging

from app.database.server import Server

RETURN_SECONDS = 1.0

logger = logging.getLogger("attendance.database")


class Replica(Server):
    """A server that may be missing. Until it has been found ready, and after it has failed, `is_usable` is False."""

    is_usable = False
    _asking: asyncio.Task[None] | None = None

    async def open(self) -> None:
        await super().open()
        self._asking = asyncio.create_task(self._await_readiness())

    async def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await super().close()

    def put_aside(self) -> None:
        """Use the replica no more until it is ready again."""
        if self.is_usable:
            logger.warning("reads go to the primary: the replica has failed")
            self.is_usable = False
            self._asking = asyncio.create_task(self._await_readiness())

    async def _await_readiness(self) -> None:
        while not self.is_usable:
            await asyncio.sleep(RETURN_SECONDS)
            self.is_usable = await self.explain_unreadiness() is None
        logger.info("reads go to the replica")
