"""Reading attendance: a plan is rendered, fetched and made into pages, figures or records."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from app.database.pool import Database, Row
from app.plan.page import PagePlan
from app.plan.properties import Property, Value
from app.plan.summary import Aggregate, SummaryPlan
from app.sql.figures import render_summary
from app.sql.fragment import Statement
from app.sql.pages import HAS_AFTER, HAS_BEFORE, PARENT_POSITION, render_connections, render_page
from app.sql.records import render_records

Figures = dict[Aggregate, int]


@dataclass(frozen=True, slots=True)
class Page:
    """The rows of one page in the asked order, and whether records precede and follow them.

    A flag that the plan does not want is False.
    """

    rows: list[Row]
    has_next: bool
    has_previous: bool


EMPTY_PAGE = Page([], has_next=False, has_previous=False)


class AttendanceReader:
    """Reads the attendance of one site; every method sends one statement, or none where nothing can match.

    What is read may lag behind what was written last, if `may_lag` says so and there is a replica.
    """

    def __init__(self, database: Database, site_id: UUID, *, may_lag: bool = False) -> None:
        self._database = database
        self._site_id = site_id
        self._may_lag = may_lag

    async def read_page(self, plan: PagePlan) -> Page:
        if not plan.needs_statement:
            return EMPTY_PAGE
        return build_page(plan, await self._fetch(render_page(self._site_id, plan)))

    async def read_summary(self, plan: SummaryPlan) -> Figures:
        if not plan.needs_statement:
            return dict.fromkeys(plan.aggregates, 0)
        rows = await self._fetch(render_summary(self._site_id, plan))
        return build_figures(plan, rows[0])

    async def read_connections(
        self, of: Property, parents: Sequence[Value], plan: PagePlan, summary: SummaryPlan
    ) -> list[tuple[Page, Figures]]:
        """The same page and figures for each parent, in the parents' order; `of` says what the parents are."""
        if not plan.needs_statement and not summary.needs_statement:
            return [(EMPTY_PAGE, dict.fromkeys(summary.aggregates, 0)) for _ in parents]
        rows = await self._fetch(render_connections(self._site_id, of, parents, plan, summary))
        groups: list[list[Row]] = [[] for _ in parents]
        for row in rows:
            groups[row[PARENT_POSITION] - 1].append(row)
        return [(build_page(plan, group), build_figures(summary, group[0])) for group in groups]

    async def read_records(self, ids: Sequence[UUID], columns: Iterable[Property]) -> dict[UUID, Row]:
        """The records with these ids by their id; ids that the site does not have are left out."""
        rows = await self._fetch(render_records(self._site_id, ids, columns))
        return {row[Property.ID]: row for row in rows}

    async def _fetch(self, statement: Statement) -> list[Row]:
        return await self._database.read_rows(statement.text, statement.arguments, self._site_id, may_lag=self._may_lag)


def build_page(plan: PagePlan, rows: list[Row]) -> Page:
    """A page from the rows of its statement.

    Follows "HasPreviousPage" and "HasNextPage" of the Relay Cursor Connections specification, with both flags exact.
    """
    has_before = plan.asks_before and bool(rows[0][HAS_BEFORE])
    has_after = plan.asks_after and bool(rows[0][HAS_AFTER])
    records = [row for row in rows if row[Property.ID] is not None] if plan.row_limit > 0 else []
    goes_further = len(records) > plan.size
    kept = records[: plan.size] if plan.wants.rows else []
    if plan.backward:
        return Page(kept[::-1], has_next=has_after, has_previous=has_before or goes_further)
    return Page(kept, has_next=has_after or goes_further, has_previous=has_before)


def build_figures(plan: SummaryPlan, row: Row) -> Figures:
    return {aggregate: row[aggregate] for aggregate in plan.aggregates}
