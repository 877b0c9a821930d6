"""How far the primary had written its log, and when: with it, a replica's position tells how far behind it is."""

import math
from bisect import bisect_right
from dataclasses import dataclass
from operator import attrgetter

# A standby tells how far it has replayed, any other server how far a commit that somebody has seen may be.
READ_POSITION = """
SELECT pg_is_in_recovery() AS is_standby,
    (
        CASE
            WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()
            WHEN current_setting('synchronous_commit') = 'off' THEN pg_current_wal_insert_lsn()
            ELSE pg_current_wal_flush_lsn()
        END - '0/0'::pg_lsn
    )::bigint AS position
"""
MOST_SAMPLES = 600


@dataclass(slots=True)
class Sample:
    """A position of the primary, and when it was found there, in seconds of the monotonic clock."""

    position: int
    first_seen: float
    last_seen: float


class PrimaryPositions:
    """Where the primary was in the last minutes. The clocks of the servers do not matter, and an idle one is no lag."""

    def __init__(self) -> None:
        self._samples: list[Sample] = []

    def note(self, position: int, begun: float) -> None:
        """Add what a statement that began at a time has found. A primary that is behind another one has replaced it."""
        samples = self._samples
        if samples and samples[-1].position == position:
            samples[-1].last_seen = begun
            return
        if samples and samples[-1].position > position:
            samples.clear()
        samples.append(Sample(position, begun, begun))
        if len(samples) > MOST_SAMPLES:
            del samples[1]  # The oldest one tells how far behind the last replica is.

    def measure_lag(self, position: int, now: float) -> float:
        """For how many seconds the primary was beyond a position when it answered last; 0 if it was not.

        A primary that is gone writes no more, so no replica falls further behind it.
        """
        beyond = self._find_beyond(position)
        if beyond == len(self._samples):
            return 0.0
        return max(0.0, min(now, self._samples[-1].last_seen) - self._samples[beyond].first_seen)

    def find_time(self, position: int) -> float:
        """The last time at which all that had been written then lay before a position."""
        beyond = self._find_beyond(position)
        return self._samples[beyond - 1].last_seen if beyond else -math.inf

    def _find_beyond(self, position: int) -> int:
        return bisect_right(self._samples, position, key=attrgetter("position"))
