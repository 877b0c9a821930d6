"""The open streams of a process: how many there may be, whose they are, when they end, and who is told of it."""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING
from uuid import UUID

from app.attendance.watching import ChangeWatch, ReadsRevisions
from app.errors import ServiceUnavailable
from app.operations.events import EventRunner
from app.settings import DEFAULTS

if TYPE_CHECKING:
    from app.operations.change_stream import ChangeStream

SITE_SHARE_PERCENT = 50
TICK_SECONDS = 0.25
STOPPING = "The service is being stopped; try again shortly."
TOO_MANY = "The service has as many streams as it can keep at the moment; try again shortly."


class EndReason(Enum):
    """Why a stream has ended."""

    CLIENT_GONE = "client gone"
    TOKEN_EXPIRED = "token expired"  # noqa: S105
    SHUT_DOWN = "shut down"
    PUSHED_OUT = "pushed out"
    FAILED = "failed"


class StreamObserver:
    """What logs or counts streams. `lag_seconds` is the time from the write of a change to the event that has it."""

    def note_begin(self, stream: "ChangeStream") -> None:
        """Note a stream whose first event has been read."""

    def note_event(self, stream: "ChangeStream", changes: int, lag_seconds: float | None) -> None:
        """Note an event that the client is about to be given."""

    def note_end(self, stream: "ChangeStream") -> None:
        """Note a stream that had begun."""


class ChangeStreams:
    """At most `most` streams of all sites. While there are fewer, a site may have as many as it wants.

    When there are no more, a site that has more than its share gives up its newest stream for a site that has less than
    its own. No stream has a timer: one task ends those whose tokens have expired.
    """

    def __init__(self, most: int = DEFAULTS["max_streams"], observers: Sequence[StreamObserver] = ()) -> None:
        self.most = most
        self.observers = list(observers)
        self.by_transport: Counter[str] = Counter()
        self.refused = 0
        self.events = EventRunner()
        self._is_shut_down = False
        self._by_site: dict[UUID, dict[ChangeStream, None]] = {}
        self._expiring: defaultdict[int, set[ChangeStream]] = defaultdict(set)
        self._expirer: asyncio.Task[None] | None = None
        self._watch: ChangeWatch | None = None

    @property
    def count(self) -> int:
        return self.by_transport.total()

    def watch(self, database: ReadsRevisions) -> ChangeWatch:
        """What tells streams of changes in the database, which is the same one at each call."""
        self._watch = self._watch or ChangeWatch(database)
        return self._watch

    def wake(self, site_id: UUID) -> None:
        """Tell the streams of a site that this process has written to it."""
        if self._watch is not None:
            self._watch.wake(site_id)

    def add(self, stream: "ChangeStream") -> None:
        """Add a stream, which must be removed at its end. Raises ServiceUnavailable if there is no place for it."""
        if self._is_shut_down:
            raise ServiceUnavailable(STOPPING)
        own = self._by_site.get(stream.site_id, {})
        if self.count >= self.most:
            share = max(1, self.most * SITE_SHARE_PERCENT // 100)
            largest = max(self._by_site.values(), key=len)
            if len(own) >= share or len(largest) <= share:
                self.refused += 1
                raise ServiceUnavailable(TOO_MANY)
            next(reversed(largest)).close(EndReason.PUSHED_OUT)
        self._by_site.setdefault(stream.site_id, {})[stream] = None
        self.by_transport[stream.transport] += 1
        if stream.ends_at is not None:
            self._expiring[to_tick(stream.ends_at)].add(stream)
            self._expirer = self._expirer or asyncio.create_task(self._end_expired())

    def remove(self, stream: "ChangeStream") -> None:
        """Remove a stream that `add` has accepted."""
        own = self._by_site[stream.site_id]
        del own[stream]
        if not own:
            del self._by_site[stream.site_id]
        self.by_transport[stream.transport] -= 1
        if stream.ends_at is not None:
            tick = to_tick(stream.ends_at)
            self._expiring[tick].discard(stream)
            if not self._expiring[tick]:
                del self._expiring[tick]

    def shut_down(self) -> None:
        """End all streams and accept no more, because the process must exit."""
        self._is_shut_down = True
        self.end_all()

    def end_all(self) -> None:
        for stream in [stream for own in self._by_site.values() for stream in own]:
            stream.close(EndReason.SHUT_DOWN)

    async def _end_expired(self) -> None:
        """End streams whose tokens have expired, as long as there are any that will."""
        while self._expiring:
            await asyncio.sleep(TICK_SECONDS)
            tick = to_tick(time.time())
            for expired in [self._expiring[each] for each in self._expiring if each < tick]:
                for stream in list(expired):
                    stream.close(EndReason.TOKEN_EXPIRED)
        self._expirer = None


def to_tick(seconds: float) -> int:
    """The tick of a Unix time, in which all that expires then is ended together."""
    return int(seconds / TICK_SECONDS)
