"""The sites that this process has written to lately, so that their next reads see what was written."""

import math
import time
from uuid import UUID

MOST_SITES = 10_000


class RecentWrites:
    """The revision of each site after its last write, in the order of the writes, until all replicas in use have it.

    The number of sites is bounded. `untracked_at` is the time of the last write that is not, or no longer, in here: a
    replica must have all that was written up to then.
    """

    def __init__(self, most: int = MOST_SITES) -> None:
        self.untracked_at = -math.inf
        self._most = most
        self._sites: dict[UUID, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._sites)

    def note(self, site_id: UUID, revision: int) -> None:
        """Note that a site has a revision, by a write that has ended."""
        now = time.monotonic()
        known, _ = self._sites.pop(site_id, (0, 0.0))
        if known or len(self._sites) < self._most:
            self._sites[site_id] = max(known, revision), now
        else:
            self.untracked_at = now

    def find_revision(self, site_id: UUID) -> int:
        """The revision that a replica must have to be read from; 0 if there was no write lately."""
        found = self._sites.get(site_id)
        return 0 if found is None else found[0]

    def forget_through(self, seconds: float) -> None:
        """Forget the writes up to a time, because all replicas in use have them."""
        while self._sites:
            site_id = next(iter(self._sites))
            written_at = self._sites[site_id][1]
            if written_at > seconds:
                return
            del self._sites[site_id]
            self.untracked_at = max(self.untracked_at, written_at)
