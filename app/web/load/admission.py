"""Admission control: which requests run now, which wait, and which are rejected, with a fair share for each site.

This module does not wait and does not read the clock. Its callers report each event to `Admission`.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

SITE_SHARE_PERCENT = 50
RESERVED_PERCENT = 20


class RejectionReason(Enum):
    """Why a request is rejected."""

    QUEUE_FULL = "queue_full"
    PUSHED_OUT = "pushed_out"
    WAITED_TOO_LONG = "waited_too_long"
    KEYS_PENDING = "keys_pending"


@dataclass(slots=True, eq=False)
class Waiter:
    """A queued request of a site. `wake` is called once, when the request gets a slot or is rejected."""

    site: str
    wake: Callable[[], object]
    is_admitted: bool = False
    is_rejected: bool = False


@dataclass(slots=True)
class Admission:
    """Slots that requests run in, and a bounded queue for them, which no site can occupy alone.

    The last `reserved` slots are for sites that hold less than `site_share` percent of all slots, so a site that takes
    all it can get does not keep the others waiting. A released slot goes to the request that has waited longest among
    such sites; if there is none, to the one that has waited longest of all, unless only reserved slots are free. A full
    queue evicts the newest request of the site with the most queued requests in favour of a new
    request, if that site exceeds its share of the queue.
    """

    max_running: int
    max_queued: int
    site_share: int
    reserved: int = 0
    running: int = 0
    waited: int = 0
    rejected: Counter[RejectionReason] = field(default_factory=Counter)
    _running_by_site: dict[str, int] = field(default_factory=dict)
    _queue: list[Waiter] = field(default_factory=list)

    @property
    def queued(self) -> int:
        return len(self._queue)

    def acquire(self, site: str) -> bool:
        """Acquire a slot without waiting. False when none is free for the site."""
        if self.running >= self.max_running - self.reserved and not self._may_use_reserved(site):
            return False
        self.running += 1
        self._running_by_site[site] = self._running_by_site.get(site, 0) + 1
        return True

    def release(self, site: str) -> None:
        """Release a slot. The next queued request acquires it at once."""
        self.running -= 1
        remaining = self._running_by_site[site] - 1
        if remaining:
            self._running_by_site[site] = remaining
        else:
            del self._running_by_site[site]
        position = self._find_next() if self._queue else None
        if position is not None:
            waiter = self._queue.pop(position)
            self.acquire(waiter.site)
            waiter.is_admitted = True
            waiter.wake()

    def reject(self, site: str) -> bool:
        """Reject a new request of the site if it would find neither a slot nor a place in the queue.

        Returns whether the request is rejected.
        """
        if len(self._queue) < self.max_queued or self.running < self.max_running - self.reserved:
            return False
        if self._may_use_reserved(site):
            return False
        if self._find_evictable(site) is not None:
            return False
        self.rejected[RejectionReason.QUEUE_FULL] += 1
        return True

    def enqueue(self, site: str, wake: Callable[[], object]) -> Waiter:
        """Queue a request that found no slot. The returned waiter may be rejected already."""
        waiter = Waiter(site, wake)
        if len(self._queue) >= self.max_queued:
            position = self._find_evictable(site)
            if position is None:
                self._reject_waiter(waiter, RejectionReason.QUEUE_FULL)
                return waiter
            self._reject_waiter(self._queue.pop(position), RejectionReason.PUSHED_OUT)
        self._queue.append(waiter)
        self.waited += 1
        return waiter

    def time_out(self, waiter: Waiter) -> None:
        """Reject a request that has waited too long. Does nothing once it has left the queue."""
        if waiter in self._queue:
            self._queue.remove(waiter)
            self._reject_waiter(waiter, RejectionReason.WAITED_TOO_LONG)

    def cancel(self, waiter: Waiter) -> None:
        """Remove a request whose client has disconnected, and release the slot that it may have acquired meanwhile."""
        if waiter in self._queue:
            self._queue.remove(waiter)
        elif waiter.is_admitted:
            self.release(waiter.site)

    def _reject_waiter(self, waiter: Waiter, reason: RejectionReason) -> None:
        self.rejected[reason] += 1
        waiter.is_rejected = True
        waiter.wake()

    def _may_use_reserved(self, site: str) -> bool:
        """Whether a slot is free, also if only reserved ones are."""
        share = compute_share(self.max_running, self.site_share)
        return self.running < self.max_running and (not self.reserved or self._running_by_site.get(site, 0) < share)

    def _find_next(self) -> int | None:
        """The queue position of the request that gets the next slot; None if what is free is reserved for others."""
        share = compute_share(self.max_running, self.site_share)
        running = self._running_by_site
        first = 0 if self.running < self.max_running - self.reserved else None
        return next((index for index, waiter in enumerate(self._queue) if running.get(waiter.site, 0) < share), first)

    def _find_evictable(self, site: str) -> int | None:
        """The position in a full queue of the request to evict for a new one of `site`; None when there is none."""
        waiters = Counter(waiter.site for waiter in self._queue)
        if not waiters:
            return None
        largest, count = waiters.most_common(1)[0]
        is_evictable = count > compute_share(self.max_queued, self.site_share) and count > waiters[site] + 1
        return (
            max(index for index, waiter in enumerate(self._queue) if waiter.site == largest) if is_evictable else None
        )


def compute_share(capacity: int, percent: int) -> int:
    """A site's share of a number of slots or queue positions, at least one."""
    return max(1, capacity * percent // 100)
