"""Reads below records that several fields of an operation ask for alike: those of one moment are one statement."""

import asyncio
from collections.abc import Sequence

from app.attendance.reading import AttendanceReader, Figures, Page
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

    _batches: dict[Question, Batch] | None = None

    def share(self) -> None:
        self._batches = {}

    async def read_connections(
        self, of: Property, parents: Sequence[Value], plan: PagePlan, summary: SummaryPlan
    ) -> tuple[list[Page], list[Figures]]:
        batches = self._batches
        if batches is None:
            return await super().read_connections(of, parents, plan, summary)
        question = (of, plan, summary)
        batch = batches.get(question)
        if batch is None:
            batch = batches[question] = Batch()
            batch.task = asyncio.create_task(self._ask(question, batches))
        batch.parents.update(dict.fromkeys(parents))
        try:
            found = await batch.answer
        except asyncio.CancelledError:
            if batch.task is not None:
                batch.task.cancel()
            raise
        return [found[parent][0] for parent in parents], [found[parent][1] for parent in parents]

    async def _ask(self, question: Question, batches: dict[Question, Batch]) -> None:
        of, plan, summary = question
        batch = batches.pop(question)
        parents = list(batch.parents)
        try:
            pages, figures = await super().read_connections(of, parents, plan, summary)
        except Exception as failure:
            if not batch.answer.done():
                batch.answer.set_exception(failure)
        else:
            if not batch.answer.done():
                batch.answer.set_result(dict(zip(parents, zip(pages, figures, strict=True), strict=True)))
