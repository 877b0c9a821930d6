"""Joins sets of one site that wait for each other into one statement.

Statements that write to one site follow each other in Postgres, because each locks the site's counter. So while one of
them runs, further sets of the site wait in this process, and then go together: as one statement, with one connection
and one commit, instead of one each. A set that finds nothing running is sent at once, by its caller.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from uuid import UUID

from app.database.pool import Row
from app.errors import OperationTimeout, ServiceUnavailable
from app.plan.properties import Property
from app.plan.write import MOST_ITEMS, WriteColumns, join_columns

# A set that waits from one check to the next is behind one that has stalled. It is sent beside that, so that each has
# its own time.
CHECK_SECONDS = 0.125
# Larger calls are sent by themselves: measured, those of 100 cost more if each waits for the one before it.
MOST_ITEMS_TO_JOIN = 20

SendSet = Callable[[WriteColumns, tuple[Property, ...]], Awaitable[list[Row]]]


@dataclass(slots=True, eq=False)
class WaitingSet:
    """A set that waits: its writes, their keys, the columns to return, how it is sent, and its caller's context.

    `rows` is set when the set has been sent; or to None, with `is_alone`, when its caller is to send it alone.
    """

    writes: WriteColumns
    keys: frozenset[tuple[str, str]]
    columns: tuple[Property, ...]
    send: SendSet
    context: Context
    rows: "asyncio.Future[list[Row] | None]"
    is_alone: bool = False

    def succeed(self, rows: list[Row] | None) -> None:
        if not self.rows.done():
            self.rows.set_result(rows)

    def fail(self, failure: Exception) -> None:
        if not self.rows.done():
            self.rows.set_exception(failure)


class SiteQueue:
    """The sets of one site that wait, and how many of its statements run: one, unless it has stalled.

    `on_idle` is called when nothing runs any more; then nothing waits.
    """

    __slots__ = ("_first_at_check", "_on_idle", "_running", "_tasks", "_timer", "_waiting")

    def __init__(self, on_idle: Callable[[], object]) -> None:
        self._on_idle = on_idle
        self._running = 1
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting: list[WaitingSet] = []
        self._first_at_check: WaitingSet | None = None

    async def join(self, writes: WriteColumns, columns: tuple[Property, ...], send: SendSet) -> list[Row]:
        """Wait for what runs, then for the statement that has these writes; return their rows."""
        loop = asyncio.get_running_loop()
        keys = frozenset(zip(writes.booking_ids, writes.session_ids, strict=True))
        waiting = WaitingSet(writes, keys, columns, send, copy_context(), loop.create_future())
        self._waiting.append(waiting)
        if self._timer is None:
            self._timer = loop.call_later(CHECK_SECONDS, self._check)
        try:
            rows = await waiting.rows
            return await send(writes, columns) if rows is None else rows
        finally:
            if waiting.is_alone:
                self.end_one()

    def end_one(self) -> None:
        """Note that a statement has ended, and send the next one."""
        self._running -= 1
        if self._waiting:
            self._send_next()
        if not self._running:
            if self._timer is not None:
                self._timer.cancel()
            self._on_idle()

    def _check(self) -> None:
        """Send all that wait, though something runs, if one of them waited at the last check already."""
        if self._waiting and self._waiting[0] is self._first_at_check:
            while self._waiting:
                self._send_next()
        self._first_at_check = self._waiting[0] if self._waiting else None
        self._timer = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._check)

    def _send_next(self) -> None:
        """Send what goes together; what goes alone is sent by its own caller, which spares a task."""
        together, self._waiting = take_together(self._waiting)
        if not together:
            return
        self._running += 1
        first = together[0]
        if len(together) == 1:
            first.is_alone = True
            first.succeed(None)
            return
        task = asyncio.get_running_loop().create_task(self._send(together), context=first.context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(self, together: Sequence[WaitingSet]) -> None:
        try:
            await send_together(together)
        finally:
            self.end_one()


class JoinedSets:
    """The sets of all sites, shared by all requests of a process; `sites` are those of which a set runs."""

    def __init__(self) -> None:
        self.sites: dict[UUID, SiteQueue] = {}

    async def run(self, site_id: UUID, writes: WriteColumns, columns: tuple[Property, ...], send: SendSet) -> list[Row]:
        """Set what the writes say, maybe together with others; return the rows with these columns, in their order.

        The keys of the writes differ. `send` sends one statement for any number of writes, and returns their rows in
        their order; it may be called for others, too. Writes of one key are sent in the order in which they came. A
        caller that is cancelled does not stop a statement that it shares.
        """
        queue = self.sites.get(site_id)
        if queue is not None:
            return await queue.join(writes, columns, send)
        queue = self.sites[site_id] = SiteQueue(lambda: self.sites.pop(site_id))
        try:
            return await send(writes, columns)
        finally:
            queue.end_one()


def take_together(waiting: Sequence[WaitingSet]) -> tuple[list[WaitingSet], list[WaitingSet]]:
    """Those that go in one statement, and those that wait on; a cancelled one is among neither.

    They return the same columns. A statement cannot touch a record twice, so of two with the same key the later one
    waits on.
    """
    together: list[WaitingSet] = []
    left: list[WaitingSet] = []
    keys: set[tuple[str, str]] = set()
    count = 0
    for each in waiting:
        if each.rows.done():
            continue
        fits = count + len(each.keys) <= MOST_ITEMS and keys.isdisjoint(each.keys)
        if fits and (not together or each.columns == together[0].columns):
            together.append(each)
            count += len(each.keys)
        else:
            left.append(each)
        keys |= each.keys
    return together, left


async def send_together(together: Sequence[WaitingSet]) -> None:
    """Send sets as one statement, and give each its rows or the failure; raises only if it is cancelled.

    A failure that the values of one may have caused is not that of the others: then each is sent alone. This is safe
    whatever has been stored, because a repeated set changes nothing.
    """
    try:
        rows = await together[0].send(join_columns([each.writes for each in together]), together[0].columns)
    except (ServiceUnavailable, OperationTimeout) as failure:
        for each in together:
            each.fail(failure)
    except Exception:
        await asyncio.gather(*map(send_alone, together))
    else:
        begin = 0
        for each in together:
            end = begin + len(each.keys)
            each.succeed(rows[begin:end])
            begin = end
    finally:
        for each in together:
            each.rows.cancel()  # Does nothing to one that has ended.


async def send_alone(waiting: WaitingSet) -> None:
    """Send one set of several that have failed together."""
    try:
        waiting.succeed(await waiting.send(waiting.writes, waiting.columns))
    except Exception as failure:
        waiting.fail(failure)
