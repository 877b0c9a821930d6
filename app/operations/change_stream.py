"""An open stream: a position in a site's changes, whose next event is read when its client asks for it."""

import asyncio
import time
from typing import Any
from uuid import UUID

from app.attendance.waiting import SiteWatch, Wake
from app.database.pool import Database
from app.documents.errors import refuse
from app.errors import ServiceUnavailable
from app.operations.events import StreamEvent, StreamQuery
from app.operations.record import OperationRecord
from app.operations.response import Outcome, Response
from app.operations.streams import ChangeStreams, EndReason
from app.plan.changes import BEGINNING, ChangesPosition

ENDED_EARLY = "The stream was ended before it began; try again shortly."


class ChangeStream:
    """An asynchronous iterator of the bodies of responses. It holds a position, and no event but the first.

    A slow client gets fewer, larger and newer batches. While a stream waits, it has one future, and neither a timer nor
    a task of its own. A wait that is cancelled loses nothing. Whoever opens a stream closes it.

    `batches` and `changes` are what its client has been given, `ends_at` is when its token expires, as Unix time, and
    `record` is that of the request that has opened it.
    """

    __slots__ = (
        "_changed_at",
        "_database",
        "_event",
        "_is_counted",
        "_may_have_more",
        "_position",
        "_query",
        "_site",
        "_streams",
        "_waiter",
        "batches",
        "begun_at",
        "changes",
        "end_reason",
        "ends_at",
        "has_begun",
        "record",
        "transport",
    )

    def __init__(
        self,
        query: StreamQuery,
        streams: ChangeStreams,
        database: Database,
        record: OperationRecord,
        transport: str,
        ends_at: float | None,
    ) -> None:
        self.record = record
        self.transport = transport
        self.ends_at = ends_at
        self.end_reason: EndReason | None = None
        self.has_begun = False
        self.begun_at = time.time()
        self.batches = self.changes = 0
        self._query = query
        self._streams = streams
        self._database = database
        self._position = query.plan.after or BEGINNING
        self._may_have_more = True
        self._changed_at: float | None = None
        self._event: StreamEvent | None = None
        self._site: SiteWatch | None = None
        self._waiter: asyncio.Future[Any] | None = None
        self._is_counted = False

    @property
    def site_id(self) -> UUID:
        return self._query.site_id

    async def begin(self) -> "Response | ChangeStream":
        """Read the first event: the stream, or the response of an event that leaves no data.

        Raises RequestRefused if there are too many streams.
        """
        try:
            self._streams.add(self)
        except ServiceUnavailable as error:
            raise refuse(error) from error
        self._is_counted = True
        event = await self._run(self._query.plan.after)
        if event is None or event.batch is None or event.response.outcome is not Outcome.EXECUTED:
            return self._refuse(event)
        self._advance(event)
        self._event = event
        watch = self._streams.watch(self._database)
        self._site = watch.follow(self.site_id, event.batch.site_revision)
        self.has_begun = True
        for observer in self._streams.observers:
            observer.note_begin(self)
        return self

    def __aiter__(self) -> "ChangeStream":
        return self

    async def __anext__(self) -> bytes:
        event, self._event = self._event, None
        while event is None and self.end_reason is None:
            event = await self._read_next()
        if event is None:
            raise StopAsyncIteration
        self._note(event)
        return event.response.body

    def close(self, reason: EndReason = EndReason.CLIENT_GONE) -> None:
        """End the stream and free what it holds. Whoever waits for its next event is told that there is none."""
        if self.end_reason is not None:
            return
        self.end_reason = reason
        self._event = None
        if self._is_counted:
            self._streams.remove(self)
        if self._site is not None:
            self._streams.watch(self._database).leave(self._site)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
        if self.has_begun:
            for observer in self._streams.observers:
                observer.note_end(self)

    async def _read_next(self) -> StreamEvent | None:
        """The next event; None if there is none yet: the stream has waited, or nothing that it looks at has changed.

        While the database is out of reach, the stream waits for it.
        """
        assert self._site is not None
        if not self._may_have_more and self._position.revision >= self._site.revision:
            await self._wait_for_change(self._site)
            return None
        event = await self._run(self._position)
        if event is None:
            return None
        if event.response.outcome is Outcome.UNAVAILABLE:
            await self._wait_for_database()
            return None
        if event.batch is None:
            self.close(EndReason.FAILED)
            return event
        self._advance(event)
        return event if event.batch.rows else None

    async def _run(self, after: ChangesPosition | None) -> StreamEvent | None:
        """The event after a position; None if the stream is closed meanwhile."""
        waiter = self._create_waiter()
        self._streams.events.start(self._query, after, self._database, waiter)
        event: StreamEvent | None = await self._wait_for(waiter)
        return event

    async def _wait_for_change(self, site: SiteWatch) -> None:
        """Wait until something has changed that the stream looks at: up to there, it knows all changes."""
        perspective, waiter = self._query.plan.perspective, self._create_waiter()
        site.add(perspective, waiter)
        try:
            wake: Wake | None = await self._wait_for(waiter)
        finally:
            if site.discard(perspective, waiter):
                self._skip_to(site.revision)
        if wake is not None:
            self._skip_to(wake.revision)
            self._may_have_more = True
            self._changed_at = wake.changed_at

    async def _wait_for_database(self) -> None:
        waiter = self._create_waiter()
        self._streams.watch(self._database).add_unserved(waiter)
        await self._wait_for(waiter)

    def _create_waiter(self) -> asyncio.Future[Any]:
        return asyncio.get_running_loop().create_future()

    async def _wait_for(self, waiter: asyncio.Future[Any]) -> Any:
        """What a future is set to; None when the stream is closed."""
        self._waiter = waiter
        try:
            return await waiter
        finally:
            self._waiter = None

    def _advance(self, event: StreamEvent) -> None:
        assert event.batch is not None
        self._position, self._may_have_more = event.batch.position, event.batch.has_more

    def _skip_to(self, revision: int) -> None:
        if revision > self._position.revision:
            self._position = ChangesPosition(revision)

    def _note(self, event: StreamEvent) -> None:
        """Count an event that the client is about to be given, and how long ago its last change was made."""
        changes = len(event.batch.rows) if event.batch is not None else 0
        self.batches += 1
        self.changes += changes
        lag = None if self._changed_at is None else max(0.0, time.time() - self._changed_at)
        if not self._may_have_more:
            self._changed_at = None
        for observer in self._streams.observers:
            observer.note_event(self, changes, lag)

    def _refuse(self, event: StreamEvent | None) -> Response:
        """The response to a stream that does not begin. Raises RequestRefused if it was closed before."""
        if event is None:
            raise refuse(ServiceUnavailable(ENDED_EARLY))
        self.record.outcome, self.record.error_id = event.record.outcome, event.record.error_id
        self.record.limit = event.record.limit
        return event.response
