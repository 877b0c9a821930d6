"""A read replica: it is asked once a second whether it still is one, and how far behind the primary it is."""

import asyncio
import logging
import math
import time
from uuid import UUID

from app.bounded_cache import BoundedCache
from app.database.connector import Connector
from app.database.failures import CONNECT_ERRORS, PoolExhaustedError, describe_failure
from app.database.positions import READ_POSITION, PrimaryPositions
from app.database.revisions import READ_REVISION
from app.database.server import UNREACHABLE, UNUSABLE, PostgresServer
from app.errors import ServiceError

CHECK_INTERVAL_SECONDS = 1.0
CHECK_SECONDS = 2.0
ASK_SECONDS = 0.5
# A site of which the replica lacks a revision is not asked for more often than this.
ASK_AGAIN_SECONDS = 0.05
MOST_SITES = 10_000
OUT_OF_REACH = "out of reach"
PROMOTED = "promoted, so that it takes writes"
TOO_FAR_BEHIND = "too far behind"

logger = logging.getLogger("attendance.database")


class Replica(PostgresServer):
    """A server that may be missing, promoted or late. `trouble` says why it is not used, None while it is.

    `lag_seconds` is how far it was behind when it was asked last; without an answer, how far it is since. Whatever was
    written up to `fresh_as_of`, in seconds of the monotonic clock, it has.
    """

    def __init__(self, connector: Connector, positions: PrimaryPositions, *, pool_size: int, max_lag: float) -> None:
        self.name = connector.addresses[0].name
        super().__init__(connector, pool_size=pool_size, log_prefix=f"the replica {self.name}: ")
        self.trouble: str | None = OUT_OF_REACH
        self.lag_seconds: float | None = None
        self.fresh_as_of = -math.inf
        self._positions = positions
        self._position: int | None = None
        self._max_lag = max_lag
        self._is_verified = False
        self._unreadiness: str | None = None
        self._revisions: BoundedCache[UUID, tuple[int, float]] = BoundedCache(MOST_SITES)

    def suspend(self) -> None:
        """Stop using the replica until it is found ready again."""
        self._is_verified = False
        self._note_trouble(OUT_OF_REACH)

    async def has_revision(self, site_id: UUID, revision: int) -> bool:
        """Whether the replica has a revision of a site. It is asked, unless that is known."""
        known, asked_at = self._revisions.get(site_id) or (-1, -math.inf)
        now = time.monotonic()
        if known < revision and now - asked_at > ASK_AGAIN_SECONDS:
            try:
                async with asyncio.timeout(ASK_SECONDS):
                    rows = await self.fetch_rows(READ_REVISION, (site_id,), site_id)
            except (ServiceError, TimeoutError):
                return False
            known = rows[0]["revision"] if rows else 0
            self._revisions.put(site_id, (known, now))
        return known >= revision

    async def check(self) -> None:
        """Find out whether the replica can be used, and what it has."""
        try:
            trouble = await self._find_trouble()
        except PoolExhaustedError:
            return  # It is busy, and no less a replica than before.
        except CONNECT_ERRORS as failure:
            logger.debug("the replica %s cannot be checked: %s", self.name, describe_failure(failure))
            trouble = OUT_OF_REACH
        if trouble == OUT_OF_REACH:
            self._is_verified = False
            self._measure(time.monotonic())
        self._note_trouble(trouble)

    async def _find_trouble(self) -> str | None:
        if not self._is_verified:
            unreadiness = await self.explain_unreadiness()
            self._log_unreadiness(unreadiness)
            if unreadiness is not None:
                return OUT_OF_REACH
            self._is_verified = True
            self._revisions = BoundedCache(MOST_SITES)
        begun = time.monotonic()
        async with asyncio.timeout(CHECK_SECONDS):
            [found] = await self.fetch_without_site(READ_POSITION)
        if not found["is_standby"]:
            self._measure(begun)
            return PROMOTED
        self._position = found["position"]
        self._measure(begun)
        return TOO_FAR_BEHIND if self.lag_seconds is None or self.lag_seconds > self._max_lag else None

    def _log_unreadiness(self, reason: str | None) -> None:
        """Log why the replica cannot be used, once, and again when it changes. Failures to connect have a line."""
        if reason not in (None, UNREACHABLE, self._last_failure, self._unreadiness):
            logger.warning("%s%s: %s", self._log_prefix, UNUSABLE, reason)
        self._unreadiness = reason

    def _measure(self, now: float) -> None:
        if self._position is not None:
            self.lag_seconds = self._positions.measure_lag(self._position, now)
            self.fresh_as_of = self._positions.find_time(self._position)

    def _note_trouble(self, trouble: str | None) -> None:
        if trouble == self.trouble:
            return
        self.trouble = trouble
        if trouble is None:
            logger.info("reads go to the replica %s", self.name)
        else:
            logger.warning("reads do not go to the replica %s: it is %s", self.name, trouble)
