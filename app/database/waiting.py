"""Which connections are lent, who waits for one, and who is next: connections are shared fairly between sites."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import UUID

from app.database.connection import SiteConnection

# One connection in five is kept for the other sites, so that they need not wait until a statement ends.
CONNECTIONS_A_RESERVED_ONE = 5


class Leases:
    """Which connections are in use; `held` counts them by their borrowers' sites, None for the service itself."""

    def __init__(self) -> None:
        self.in_use: set[SiteConnection] = set()
        self.held: dict[UUID | None, int] = {}
        self.total = 0

    def begin(self, connection: SiteConnection, site_id: UUID | None) -> None:
        connection.leased_to = site_id
        self.in_use.add(connection)
        self.held[site_id] = self.held.get(site_id, 0) + 1
        self.total += 1

    def end(self, connection: SiteConnection) -> None:
        """End the lease of a connection. One that is new, or that was released already, has none."""
        if connection not in self.in_use:
            return
        self.in_use.remove(connection)
        site_id = connection.leased_to
        held = self.held.pop(site_id) - 1
        if held:
            self.held[site_id] = held


class Waiter(NamedTuple):
    """A borrower that waits, the site that it is of, and until when (by the clock of the loop).

    The site is None for the service itself.
    """

    leased: "asyncio.Future[SiteConnection]"
    site_id: UUID | None
    until: float


class WaitingBorrowers:
    """Who waits for one of at most `limit` connections; `held` is how many of them each site holds.

    The next one is of the site that holds the fewest connections; of a site, whoever has waited longest. No site holds
    more than `most_of_a_site`. One timer is for all who wait, so that none of those who get a connection in time pays
    for one: `end_wait` is called with each of the others.
    """

    def __init__(self, limit: int, held: Mapping[UUID | None, int], end_wait: Callable[[Waiter], object]) -> None:
        self.most_of_a_site = limit - limit // CONNECTIONS_A_RESERVED_ONE
        self._held = held
        self._end_wait = end_wait
        self._queue: deque[Waiter] = deque()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._queue)

    def add(self, waiter: Waiter) -> None:
        self._queue.append(waiter)
        if self._timer is None or waiter.until < self._timer.when():
            self._set_timer(waiter.until)

    def _set_timer(self, until: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(until, self._end_waits, until)

    def _end_waits(self, until: float) -> None:
        """End the waits whose time is over, and set the timer for the next of the others."""
        self._timer = None
        now = max(until, asyncio.get_running_loop().time())
        late = [each for each in self._queue if each.until <= now]
        for each in late:
            self._queue.remove(each)
            if not each.leased.done():
                self._end_wait(each)
        if self._queue:
            self._set_timer(min([each.until for each in self._queue]))

    def discard(self, waiter: Waiter) -> None:
        """Remove a borrower that no longer waits, if it is still here."""
        if waiter in self._queue:
            self._queue.remove(waiter)

    def pop_next(self) -> Waiter | None:
        """Remove and return who is next; None when nobody may have a connection now."""
        held, chosen, fewest = self._held, None, self.most_of_a_site
        for waiter in self._queue:
            site = waiter.site_id
            holds = held.get(site, 0) if site is not None else -1
            if holds < fewest and not waiter.leased.done():
                chosen, fewest = waiter, holds
        if chosen is not None:
            self._queue.remove(chosen)
        return chosen

    def count_eligible(self) -> int:
        """How many connections the borrowers could have at once, if there were no other bound."""
        held, count = Counter(self._held), 0
        for waiter in self._queue:
            if not waiter.leased.done() and (waiter.site_id is None or held[waiter.site_id] < self.most_of_a_site):
                held[waiter.site_id] += 1
                count += 1
        return count

    def holds_most(self, site_id: UUID | None) -> bool:
        """Whether a site has as many connections as one site may have."""
        return site_id is not None and self._held.get(site_id, 0) >= self.most_of_a_site

    def fail(self, failure: Exception, site_id: UUID | None = None) -> None:
        """Raise a failure for all who wait, or for those of one site."""
        for waiter in [each for each in self._queue if site_id is None or each.site_id == site_id]:
            self._queue.remove(waiter)
            if not waiter.leased.done():
                waiter.leased.set_exception(failure)
