"""Who may run now, who waits, and who is turned away: bounded numbers of both, and no site before all others.

Nothing here waits or knows the time; whoever does tells `Admission` what has happened.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum


class Reason(Enum):
    """Why a request is turned away."""

    QUEUE_FULL = "queue_full"
    PUSHED_OUT = "pushed_out"
    WAITED_TOO_LONG = "waited_too_long"


@dataclass(slots=True, eq=False)
class Waiter:
    """A request of a site that waits for a slot; `wake` is called once, when it has one or is turned away."""

    site: str
    wake: Callable[[], object]
    is_admitted: bool = False
    is_refused: bool = False


@dataclass(slots=True)
class Admission:
    """Slots that requests run in, and a queue before them, in which a site cannot hold the others up.

    While anybody waits, all slots are taken. One that falls free goes to whoever has waited longest among the sites
    that hold less than `site_share` percent of the slots, and only if there is none such to a site that holds more. A
    full queue makes room for a newcomer by turning away the last of the site that has most waiters, if those are more
    than the site's share of the queue.
    """

    most_running: int
    most_queued: int
    site_share: int
    running: int = 0
    waited: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    _running_by_site: dict[str, int] = field(default_factory=dict)
    _queue: list[Waiter] = field(default_factory=list)

    @property
    def queued(self) -> int:
        return len(self._queue)

    def enter(self, site: str) -> bool:
        """Take a slot, if one is free."""
        if self.running >= self.most_running:
            return False
        self.running += 1
        self._running_by_site[site] = self._running_by_site.get(site, 0) + 1
        return True

    def leave(self, site: str) -> None:
        """Give a slot back; the next in the queue has it at once."""
        self.running -= 1
        left = self._running_by_site[site] - 1
        if left:
            self._running_by_site[site] = left
        else:
            del self._running_by_site[site]
        if self._queue:
            waiter = self._queue.pop(self._find_next())
            self.enter(waiter.site)
            waiter.is_admitted = True
            waiter.wake()

    def turn_away(self, site: str) -> bool:
        """Whether a request of the site has to be refused at once: it would find neither a slot nor a place to wait."""
        if self.running < self.most_running or len(self._queue) < self.most_queued:
            return False
        if self._find_crowding(site) is not None:
            return False
        self.refused[Reason.QUEUE_FULL] += 1
        return True

    def wait(self, site: str, wake: Callable[[], object]) -> Waiter:
        """Queue a request for which there is no slot. The waiter may be turned away already when it is returned."""
        waiter = Waiter(site, wake)
        if len(self._queue) >= self.most_queued:
            crowding = self._find_crowding(site)
            if crowding is None:
                self._refuse(waiter, Reason.QUEUE_FULL)
                return waiter
            self._refuse(self._queue.pop(crowding), Reason.PUSHED_OUT)
        self._queue.append(waiter)
        self.waited += 1
        return waiter

    def give_up(self, waiter: Waiter) -> None:
        """Turn a waiter away that has waited too long; without effect on one that waits no more."""
        if waiter in self._queue:
            self._queue.remove(waiter)
            self._refuse(waiter, Reason.WAITED_TOO_LONG)

    def withdraw(self, waiter: Waiter) -> None:
        """Forget a waiter whose client has left, and give back the slot that it may have been given meanwhile."""
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif waiter.is_admitted:
            self.leave(waiter.site)

    def _refuse(self, waiter: Waiter, reason: Reason) -> None:
        self.refused[reason] += 1
        waiter.is_refused = True
        waiter.wake()

    def _find_next(self) -> int:
        """The place in the queue of whoever has the next slot."""
        share = share_of(self.most_running, self.site_share)
        running = self._running_by_site
        return next((place for place, waiter in enumerate(self._queue) if running.get(waiter.site, 0) < share), 0)

    def _find_crowding(self, site: str) -> int | None:
        """The place in a full queue of whoever makes room for a newcomer of a site; None when nobody has to."""
        waiters = Counter(waiter.site for waiter in self._queue)
        if not waiters:
            return None
        crowd, most = waiters.most_common(1)[0]
        is_crowding = most > share_of(self.most_queued, self.site_share) and most > waiters[site] + 1
        return max(place for place, waiter in enumerate(self._queue) if waiter.site == crowd) if is_crowding else None


def share_of(places: int, percent: int) -> int:
    """A site's share of so many places, at least one."""
    return max(1, places * percent // 100)
