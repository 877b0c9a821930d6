"""Bounds on the statements of requests that send many: how many of a site run at once, and how long one's take."""

import asyncio
from collections.abc import Sequence
from time import perf_counter
from uuid import UUID
from weakref import WeakValueDictionary

from app.database.pool import ReadsRows, Row
from app.errors import OperationTimeout

MOST_STATEMENTS_AT_ONCE = 4
# Two statements may take as long as this without a bound of their own: each is stopped after five seconds.
MOST_STATEMENT_SECONDS = 10.0

# By site, as long as a request of it runs.
slots_of_sites: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()


class BoundedReads:
    """Sends the statements of one request, which wait while `MOST_STATEMENTS_AT_ONCE` of such requests of its site run.

    What a figure costs depends on the records that it counts, which only Postgres knows, so the time of statements is
    bounded: once they have taken `MOST_STATEMENT_SECONDS` together, no other one is sent.
    """

    def __init__(self, database: ReadsRows, site_id: UUID) -> None:
        self._database = database
        self._slots = slots_of_sites.setdefault(site_id, asyncio.Semaphore(MOST_STATEMENTS_AT_ONCE))
        self._seconds = 0.0

    async def read_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        """The rows of a statement. Raises OperationTimeout when the request's statements have had their time."""
        async with self._slots:
            if self._seconds >= MOST_STATEMENT_SECONDS:
                raise OperationTimeout("The operation's statements took too long together; ask for less, or try again.")
            begin = perf_counter()
            try:
                return await self._database.read_rows(text, arguments, site_id)
            finally:
                self._seconds += perf_counter() - begin
