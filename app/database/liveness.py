"""The liveness probe of the servers: a slow statement is left to run, a server that does not answer is not waited for.

A statement may take five seconds, and a server that is cut off or stopped sends nothing at all. When nobody has had
an answer from a server for a second, the probe opens one new connection on behalf of all who wait. If that gets no
answer either, all of them fail at once.
"""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

import asyncpg

from app.database.connection_pool import ConnectionPool
from app.database.connector import CONNECT_SECONDS, Connector
from app.database.failures import describe_failure
from app.database.hosts import Address
from app.timers import call_at_next

POLL_SECONDS = 0.2
SILENCE_SECONDS = 0.9
PROBE_SECONDS = 0.7
# For a server that is far away, the probe's timeout is this multiple of its fastest connect.
PROBE_CONNECT_FACTOR = 4
RETRY_PAUSE_SECONDS = 0.25

logger = logging.getLogger("attendance.database")


class LivenessProbe:
    """Watches the servers of a pool.

    While `is_unresponsive`, no server answers and waiting for a connection is useless; the servers are polled until
    one answers.
    """

    def __init__(self, connector: Connector, pool: ConnectionPool, log_prefix: str) -> None:
        self.is_unresponsive = False
        self._connector = connector
        self._pool = pool
        self._log_prefix = log_prefix
        self._last_answers: dict[Address, tuple[int, float]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None

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

    def poll(self) -> None:
        """Find servers that borrowers wait for and that have not answered anybody, and probe them. Again and again."""
        loop = asyncio.get_running_loop()
        self._timer = call_at_next(POLL_SECONDS, self.poll)
        now = loop.time()
        in_use = {connection.address for connection in self._pool.in_use}
        for address in self._connector.addresses:
            answers, answered_at = self._last_answers.get(address, (-1, now))
            is_silent = address in in_use and answers == address.answers
            if is_silent and now - answered_at > SILENCE_SECONDS:
                self._run(self._probe(address))
            if not is_silent or now - answered_at > SILENCE_SECONDS:
                self._last_answers[address] = address.answers, now

    async def _probe(self, address: Address) -> None:
        answers = address.answers
        timeout = min(max(PROBE_SECONDS, PROBE_CONNECT_FACTOR * address.fastest_connect), CONNECT_SECONDS)
        try:
            (await self._connector.connect_to(address, timeout)).terminate()
        except (OSError, asyncpg.PostgresConnectionError) as failure:
            if address.answers == answers:
                logger.warning("%sthe database does not answer: %s", self._log_prefix, describe_failure(failure))
                self._pool.terminate(address)
                self.report_timeout()
        except Exception as refusal:
            # A server that refuses the connection has answered, too.
            logger.debug("%sthe database answers: %s", self._log_prefix, describe_failure(refusal))

    def report_timeout(self) -> None:
        """Record that a server does not answer. If no connection is left, the servers are polled until one does."""
        if not self.is_unresponsive and self._pool.is_empty:
            self.is_unresponsive = True
            self._pool.fail_waiters(ConnectionError("the database does not answer"))
            self._run(self._poll_until_answered())

    async def _poll_until_answered(self) -> None:
        while self.is_unresponsive:
            try:
                self._pool.add(await self._connector.connect())
            except TimeoutError:
                await asyncio.sleep(RETRY_PAUSE_SECONDS)
                continue
            except Exception as refusal:
                logger.debug("%sthe database answers: %s", self._log_prefix, describe_failure(refusal))
            self.is_unresponsive = False
            logger.warning("%sthe database answers again", self._log_prefix)
