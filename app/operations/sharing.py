"""Reads below records that several fields of an operation ask for alike: those of one moment are one statement."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

from app.attendance.reading import AttendanceReader, Figures, Page, ReadsRows
from app.attendance.tally import Tally
from app.plan.page import PagePlan
from app.plan.properties import Property, Value
from app.plan.summary import SummaryPlan

Question = tuple[Property, PagePlan, SummaryPlan]
Found = dict[Value, tuple[Page, Figures]]


class Batch:
    """The parents of one question, until it is asked; `task` asks it."""

    def __init__(self) -> None:
        self.parents: dict[Value, None] = {}
        self.answer: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        self.task: asyncio.Task[None] | None = None


class SharingReader(AttendanceReader):
    """Reads connections below records for several fields together, once it is told that there are several.

    Fields that begin to read within one turn of the loop, and ask the same of other parents, share a statement.
    """

    def __init__(
        self, database: ReadsRows, site_id: UUID, tally: Tally | None = None, *, may_lag: bool = False
    ) -> None:
        super().__init__(database, site_id, tally, may_lag=may_lag)
        self._shares = False
        self._batches: dict[Question, Batch] = {}

    def share(self) -> None:
        self._shares = True

    async def read_connections(
        self, of: Property, parents: Sequence[Value], plan: PagePlan, summary: SummaryPlan
    ) -> tuple[list[Page], list[Figures]]:
        if not self._shares:
            return await super().read_connections(of, parents, plan, summary)
        question = (of, plan, summary)
        batch = self._batches.get(question)
        if batch is None:
            batch = self._batches[question] = Batch()
            batch.task = asyncio.create_task(self._ask(question, batch))
        batch.parents.update(dict.fromkeys(parents))
        try:
            found = await batch.answer
        except asyncio.CancelledError:
            if batch.task is not None:
                batch.task.cancel()
            raise
        return [found[parent][0] for parent in parents], [found[parent][1] for parent in parents]

    async def _ask(self, question: Question, batch: Batch) -> None:
        of, plan, summary = question
        del self._batches[question]
        parents = list(batch.parents)
        try:
            pages, figures = await super().read_connections(of, parents, plan, summary)
        except Exception as failure:
            if not batch.answer.done():
                batch.answer.set_exception(failure)
        else:
            if not batch.answer.done():
                batch.answer.set_result(dict(zip(parents, zip(pages, figures, strict=True), strict=True)))
