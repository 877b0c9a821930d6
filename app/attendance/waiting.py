"""The followers of one site's changes that wait for the next one, by what they look at."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID

from app.database.pool import Row
from app.plan.filter import Perspective
from app.plan.properties import Property
from app.sql.changes import PRUNED, SITE_REVISION

BOOKING, SESSION, CHANGED_AT = Property.BOOKING_ID, Property.SESSION_ID, Property.UPDATED_AT


class Wake(NamedTuple):
    """What a follower is told: nothing that it looks at has changed up to this revision, and something has since.

    `changed_at` is about when, as Unix time.
    """

    revision: int
    changed_at: float


Waiter = asyncio.Future[Wake | None]


class SiteWatch:
    """A site that has followers, the revision up to which they have been woken, and those of them that wait.

    `unchanged_at` is the last time at which the site is known to have had no later revision, as Unix time. `is_due`
    says that it may have one now; `looking` is the task that finds out, which began last at `looked_at`.
    """

    __slots__ = (
        "followers",
        "is_due",
        "looked_at",
        "looking",
        "name",
        "revision",
        "site_id",
        "unchanged_at",
        "waiting",
    )

    def __init__(self, site_id: UUID, revision: int) -> None:
        self.site_id = site_id
        self.name = str(site_id)
        self.revision = revision
        self.followers = 0
        self.waiting: dict[Perspective | None, set[Waiter]] = {}
        self.is_due = False
        self.looking: asyncio.Task[None] | None = None
        self.looked_at = 0.0
        self.unchanged_at = time.time()

    def add(self, perspective: Perspective | None, waiter: Waiter) -> None:
        """Have a follower wait. It must know all changes up to `revision`."""
        self.waiting.setdefault(perspective, set()).add(waiter)

    def discard(self, perspective: Perspective | None, waiter: Waiter) -> bool:
        """End the wait of a follower. Whether it was still waiting, so that it knows all changes up to `revision`."""
        waiters = self.waiting.get(perspective)
        if waiters is None or waiter not in waiters:
            return False
        waiters.discard(waiter)
        if not waiters:
            del self.waiting[perspective]
        return True

    def wake_touched(self, rows: Sequence[Row], *, is_whole: bool, begun: float) -> None:
        """Wake the followers of what has changed; of all, unless the rows are all of the changes.

        `begun` is when the rows were asked for. A revision that has gone back wakes all: the database was restored. So
        do deletions that are no longer kept and that no follower knows, as when the site was erased, and one without a
        session: see DELETE in `app/sql/writes.py`.
        """
        known, now = self.revision, rows[0][SITE_REVISION]
        touched = [row for row in rows if row[SESSION] is not None]
        latest = max([row[CHANGED_AT].timestamp() for row in touched], default=begun)
        wake = Wake(known, min(max(latest, self.unchanged_at), time.time()))
        self.revision, self.unchanged_at = now, begun
        is_for_all = rows[0][PRUNED] > known or any(row[SESSION] == "" for row in touched)
        if not is_whole or now < known or is_for_all:
            self._wake(list(self.waiting), wake)
        elif touched:
            bookings = {Perspective(BOOKING, row[BOOKING]) for row in touched}
            self._wake({None, *bookings, *(Perspective(SESSION, row[SESSION]) for row in touched)}, wake)

    def _wake(self, perspectives: Iterable[Perspective | None], wake: Wake) -> None:
        for perspective in perspectives:
            for waiter in self.waiting.pop(perspective, ()):
                if not waiter.done():
                    waiter.set_result(wake)
