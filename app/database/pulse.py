"""Whether Postgres answers those who wait for it: a slow statement is left alone, a dead server is not waited for.

A statement may take five seconds, and a server that is cut off or stopped says nothing at all. When nobody has heard
from a server for a second, one new connection asks it, for all who wait. If that isn't answered either, they are told.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import asyncpg

from app.database.connecting import CONNECT_SECONDS, Address, Connector
from app.database.connections import Connections
from app.database.failures import describe_failure

BEAT_SECONDS = 0.2
SILENCE_SECONDS = 0.9
PROBE_SECONDS = 0.7
# For a server that is far away, the probe waits for as many times what its fastest connection took.
PROBE_PATIENCE = 4
RETURN_PAUSE_SECONDS = 0.25

logger = logging.getLogger("attendance.database")


class Pulse:
    """Watches the servers of some connections.

    While `is_silent`, no server can be heard, and there is no use in waiting for a connection; they are asked again
    until one answers.
    """

    def __init__(self, connector: Connector, connections: Connections) -> None:
        self.is_silent = False
        self._connector = connector
        self._connections = connections
        self._heard: dict[Address, tuple[int, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._beat()

    async def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _beat(self) -> None:
        """Look for servers that somebody waits for and nobody has heard from, and ask them."""
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(BEAT_SECONDS, self._beat)
        now = loop.time()
        awaited = self._connections.find_awaited()
        for address in self._connector.addresses:
            answers, heard_at = self._heard.get(address, (-1, now))
            is_quiet = address in awaited and answers == address.answers
            if is_quiet and now - heard_at > SILENCE_SECONDS:
                self._run(self._probe(address))
            if not is_quiet or now - heard_at > SILENCE_SECONDS:
                self._heard[address] = address.answers, now

    async def _probe(self, address: Address) -> None:
        answers = address.answers
        patience = min(max(PROBE_SECONDS, PROBE_PATIENCE * address.fastest_connect), CONNECT_SECONDS)
        try:
            (await self._connector.connect_to(address, patience)).terminate()
        except (OSError, asyncpg.PostgresConnectionError) as failure:
            if address.answers == answers:
                logger.warning("the database does not answer: %s", describe_failure(failure))
                self._connections.abandon(address)
                self.note_silence()
        except Exception as refusal:
            # Also a server that refuses the connection has answered.
            logger.debug("the database answers: %s", describe_failure(refusal))

    def note_silence(self) -> None:
        """Take note that a server does not answer: where no connection is left, it is waited for its return."""
        if not self.is_silent and self._connections.is_empty:
            self.is_silent = True
            self._connections.refuse(ConnectionError("the database does not answer"))
            self._run(self._await_return())

    async def _await_return(self) -> None:
        while self.is_silent:
            try:
                self._connections.add(await self._connector.connect())
            except TimeoutError:
                await asyncio.sleep(RETURN_PAUSE_SECONDS)
                continue
            except Exception as refusal:
                logger.debug("the database answers: %s", describe_failure(refusal))
            self.is_silent = False
            logger.warning("the database answers again")
