"""Health: whether the process lives, and whether the service can answer requests, which is logged and a metric, too."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import orjson
from starlette.requests import Request
from starlette.responses import Response

from app.database.pool import Database
from app.database.replicas import IN_USE
from app.database.server import UNREACHABLE
from app.web.load.in_flight_requests import InFlightRequests

CHECK_SECONDS = 2.0
UNCHECKED, UNKNOWN = "the service has not been checked yet", "the readiness cannot be checked: see the log"
STOPPING = "the service is being stopped"

logger = logging.getLogger("attendance.readiness")


@dataclass(slots=True)
class Readiness:
    """Why the service is not ready, as it was found last: by `/readyz`, or by the check every `CHECK_SECONDS`.

    The process that `leads` checks it, of all processes of the service.
    """

    database: Database
    in_flight: InFlightRequests
    reason: str | None = UNCHECKED
    leads: Callable[[], bool] | None = None

    async def check(self) -> str | None:
        """Why operations cannot run now; None when they can."""
        if self.in_flight.is_shutting_down:
            self.reason = STOPPING
            return STOPPING
        try:
            self.reason = await self.database.explain_unreadiness()
        except Exception as failure:
            logger.error("the readiness cannot be checked", exc_info=failure)
            self.reason = UNKNOWN
        return self.reason

    @property
    def is_ready(self) -> bool:
        return self.reason is None and not self.in_flight.is_shutting_down

    @property
    def is_ready_for_reads(self) -> bool:
        """Whether queries can run, by a replica if the primary is gone.

        A process that a primary makes unready while it answers, as by a newer migration, leaves the rotation.
        """
        replicas = self.database.replicas
        has_replica = self.reason == UNREACHABLE and replicas is not None and replicas.is_usable
        return self.is_ready or (has_replica and not self.in_flight.is_shutting_down)

    @asynccontextmanager
    async def watch(self, prepare: Callable[[], None]) -> AsyncIterator[None]:
        """Check inside the block. While this process leads, log trouble once at the start, and at each change.

        A process that leads from the start calls `prepare` once. Without `leads`, readiness is only checked on demand.
        """
        if self.leads is None:
            yield
            return
        if self.leads():
            prepare()
        watching = asyncio.create_task(self._check_periodically(self.leads))
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _check_periodically(self, leads: Callable[[], bool]) -> None:
        logged: str | None = None
        is_first = True
        while not self.in_flight.is_shutting_down:
            reason = await self.check()
            trouble = None if reason is None else f"not ready: {reason}"
            if reason is None and not is_first:  # A replica counts as out of reach until it has been asked once.
                trouble = explain_replica(self.database)
            if trouble != logged and reason != STOPPING and leads():
                logger.warning(trouble or "ready again")
                logged = trouble
            is_first = False
            await asyncio.sleep(CHECK_SECONDS)


def explain_replica(database: Database) -> str | None:
    """What is wrong with the replicas; None if all are in use, or there are none."""
    replica = database.explain_replica()
    return None if replica in (None, IN_USE) else f"the replica is {replica}"


def write_status(http_status: int, **content: str) -> Response:
    return Response(orjson.dumps(content), http_status, {"Cache-Control": "no-store"}, "application/json")


async def report_alive(_request: Request) -> Response:
    """Liveness: 200 while the process responds."""
    return write_status(200, status="alive")


async def report_ready(request: Request) -> Response:
    """Readiness: 200 when the database is reachable and its migrations are current, else 503 with the reason.

    A process that is shutting down is not ready. A replica that is not used is reported but does not make the service
    unready, because reads use the primary then. With `?reads=1`, a replica in use is enough: then queries run, and
    mutations are refused.
    """
    readiness: Readiness = request.app.state.readiness
    reason = await readiness.check()
    replica = readiness.database.explain_replica()
    state = {} if replica is None else {"replica": replica}
    if reason is None:
        return write_status(200, status="ready", **state)
    if request.query_params.get("reads") == "1" and readiness.is_ready_for_reads:
        return write_status(200, status="ready for reads", reason=reason, **state)
    return write_status(503, status="not ready", reason=reason)
