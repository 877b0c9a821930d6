"""What the resolvers of one operation share: reader, writer, and a batch for what fields of many parents ask for."""

import asyncio
from collections.abc import Awaitable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from strawberry.dataloader import DataLoader

from app.attendance.reading import AttendanceReader, Figures, Page
from app.attendance.writing import AttendanceWriter
from app.database.pool import Row
from app.plan.filter import Perspective
from app.plan.page import PagePlan
from app.plan.properties import Property
from app.plan.summary import SummaryPlan

ConnectionPlan = tuple[PagePlan, SummaryPlan]
Loaded = tuple[Page, Figures]
LoadedOfParents = tuple[list[Page], list[Figures]]


@dataclass(frozen=True, slots=True)
class RecordRequest:
    """A record by its id, and the properties wanted of it."""

    id: str
    columns: frozenset[Property]


class Context:
    """The state of one operation. Fields that ask for the same thing of several parents are read together.

    What one field reads may be what others wait for, so it goes on when that field is stopped, until nobody waits.
    """

    def __init__(self, reader: AttendanceReader, writer: AttendanceWriter, most_in_values: int) -> None:
        self.reader = reader
        self.writer = writer
        self.most_in_values = most_in_values
        self.selections: dict[Hashable, Any] = {}
        self._waiting = 0
        self._reading: set[asyncio.Task[Any]] = set()
        self._connections: DataLoader[ConnectionPlan, Loaded] = DataLoader(self._load_connections)
        self._records: DataLoader[RecordRequest, Row | None] = DataLoader(self._load_records)

    def load_connection(self, plan: PagePlan, summary: SummaryPlan) -> Awaitable[Loaded]:
        """The page and figures of one parent, which the plans' perspective names."""
        return self._wait_for(self._connections.load((plan, summary)))

    def load_record(self, record_id: str, columns: frozenset[Property]) -> Awaitable[Row | None]:
        """A record, or None where the site has none with this id."""
        return self._wait_for(self._records.load(RecordRequest(record_id, columns)))

    def load_records(self, ids: Sequence[str], columns: frozenset[Property]) -> Awaitable[list[Row | None]]:
        """Records in the order of their ids, with None for each that the site does not have."""
        return self._wait_for(self._records.load_many([RecordRequest(record_id, columns) for record_id in ids]))

    def forget_reads(self) -> None:
        """Read anew what was read before: a write has come between."""
        self._connections.clear_all()
        self._records.clear_all()
        self.reader.forget_failures()

    async def _wait_for(self, loading: Awaitable[Any]) -> Any:
        """Wait for what others may wait for, too. Where nobody is left who does, what is being read is not read on."""
        self._waiting += 1
        try:
            return await asyncio.shield(loading)
        finally:
            self._waiting -= 1
            if not self._waiting and self._reading:
                for reading in self._reading:
                    reading.cancel()
                self.forget_reads()

    @contextmanager
    def _read(self) -> Iterator[None]:
        """The task that loads a batch is one that can be stopped."""
        reading = asyncio.current_task()
        assert reading is not None
        self._reading.add(reading)
        try:
            yield
        finally:
            self._reading.discard(reading)

    async def _load_connections(self, plans: list[ConnectionPlan]) -> list[Loaded | BaseException]:
        """Plans that differ in their parent alone are read together; a failure is the result of its own plans."""
        groups: dict[tuple[Property, ConnectionPlan], list[int]] = {}
        for position, (page, summary) in enumerate(plans):
            shape = (page._replace(perspective=None), summary._replace(perspective=None))
            groups.setdefault((parent_of(page).of, shape), []).append(position)
        reads = [
            self.reader.read_connections(of, [parent_of(plans[position][0]).value for position in positions], *shape)
            for (of, shape), positions in groups.items()
        ]
        with self._read():
            outcomes = await gather_outcomes(reads)
        results: dict[int, Loaded | BaseException] = {}
        for positions, outcome in zip(groups.values(), outcomes, strict=True):
            many = [outcome] * len(positions) if isinstance(outcome, BaseException) else zip(*outcome, strict=True)
            results.update(zip(positions, many, strict=True))
        return [results[position] for position in range(len(plans))]

    async def _load_records(self, requests: list[RecordRequest]) -> list[Row | None]:
        columns = frozenset[Property]().union(*(request.columns for request in requests))
        with self._read():
            records = await self.reader.read_records(list({request.id for request in requests}), columns)
        return [records.get(request.id) for request in requests]


async def gather_outcomes(reads: Sequence[Awaitable[LoadedOfParents]]) -> list[LoadedOfParents | BaseException]:
    return await asyncio.gather(*reads, return_exceptions=True)


def parent_of(plan: PagePlan) -> Perspective:
    assert plan.perspective is not None
    return plan.perspective
