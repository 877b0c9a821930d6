"""Reading attendance: a plan is rendered, fetched and made into pages, figures or records."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from operator import itemgetter
from typing import NamedTuple, Protocol
from uuid import UUID

from app.attendance.tally import Tally
from app.database.pool import Row
from app.plan.page import PagePlan
from app.plan.properties import Property, Value
from app.plan.summary import Aggregate, SummaryPlan
from app.sql.figures import render_summary
from app.sql.fragment import Statement
from app.sql.pages import HAS_AFTER, HAS_BEFORE, render_connections, render_page
from app.sql.records import render_records

Figures = dict[Aggregate, int]


class Page(NamedTuple):
    """The rows of one page in the asked order, and whether records precede and follow them.

    A flag that the plan does not want is False.
    """

    rows: Sequence[Row]
    has_next: bool
    has_previous: bool


ID = Property.ID.value
NO_FIGURES: Figures = {}
# As cheap as a tuple: there is one for each parent of a large answer.
make_page: Callable[[tuple[Sequence[Row], bool, bool]], Page] = partial(tuple.__new__, Page)
EMPTY_PAGE = Page([], has_next=False, has_previous=False)


class ReadsRows(Protocol):
    """What sends statements that read: the database, or what stands before it."""

    async def read_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, may_lag: bool = False
    ) -> list[Row]: ...


class AttendanceReader:
    """Reads the attendance of one site; every method sends one statement, or none where nothing can match.

    What is read may lag behind what was written last, if `may_lag` says so and there is a replica.
    """

    def __init__(
        self, database: ReadsRows, site_id: UUID, tally: Tally | None = None, *, may_lag: bool = False
    ) -> None:
        self._database = database
        self._site_id = site_id
        self._tally = tally or Tally()
        self._may_lag = may_lag
        self._failures: list[tuple[Statement, Exception]] = []

    def forget_failures(self) -> None:
        """Send again what has failed before: a write has come between."""
        self._failures.clear()

    async def read_page(self, plan: PagePlan) -> Page:
        if not plan.needs_statement:
            return EMPTY_PAGE
        return build_page(plan, await self._fetch(render_page(self._site_id, plan)))

    async def read_summary(self, plan: SummaryPlan) -> Figures:
        if not plan.needs_statement:
            return dict.fromkeys(plan.aggregates, 0)
        rows = await self._fetch(render_summary(self._site_id, plan))
        return build_figures(plan, [rows])[0]

    async def read_connections(
        self, of: Property, parents: Sequence[Value], plan: PagePlan, summary: SummaryPlan
    ) -> tuple[list[Page], list[Figures]]:
        """The same page and figures for each parent, in the parents' order; `of` says what the parents are.

        Where no cursors are wanted, GUIDs are texts.
        """
        if not plan.needs_statement and not summary.needs_statement:
            return [EMPTY_PAGE] * len(parents), [dict.fromkeys(summary.aggregates, 0)] * len(parents)
        rows = await self._fetch(render_connections(self._site_id, of, parents, plan, summary))
        groups = group_rows(rows, len(plan.columns) if plan.row_limit > 0 else 0, len(parents), max(plan.row_limit, 1))
        return build_pages(plan, groups), build_figures(summary, groups)

    async def read_records(self, ids: Sequence[str], columns: frozenset[Property]) -> dict[str, Row]:
        """The records with these ids by their id; ids that the site does not have are left out. GUIDs are texts."""
        rows = await self._fetch(render_records(self._site_id, ids, columns))
        return {row[ID]: row for row in rows}

    async def _fetch(self, statement: Statement) -> list[Row]:
        """The rows of a statement. One that has failed fails again without being sent, whichever path asks for it."""
        for failed, error in self._failures:
            if failed == statement:
                raise error
        self._tally.statements += 1
        try:
            rows = await self._database.read_rows(
                statement.text, statement.arguments, self._site_id, may_lag=self._may_lag
            )
        except Exception as error:
            self._failures.append((statement, error))
            raise
        self._tally.rows += len(rows)
        return rows


def group_rows(rows: Sequence[Row], column: int, parents: int, most: int) -> list[Sequence[Row]]:
    """The rows of each parent, whose position is in a column: 1 to `most` of each, in the order of the parents."""
    find_position = itemgetter(column)
    groups = []
    start, count = 0, len(rows)
    for position in range(1, parents + 1):
        end = start + most
        if end > count or find_position(rows[end - 1]) != position:
            end = bisect_right(rows, position, start, min(end, count), key=find_position)
        group = rows[start:end]
        if not group or find_position(group[0]) != position:
            raise RuntimeError("rows that are not in the order of their parents")
        groups.append(group)
        start = end
    if start != count:
        raise RuntimeError("rows beyond those of the last parent")
    return groups


def build_pages(plan: PagePlan, groups: Sequence[Sequence[Row]]) -> list[Page]:
    """A page from each group of rows: those of one connection. Nearly nothing is to be done where no flag is asked."""
    if plan.row_limit == plan.size > 0 and not (plan.backward or plan.asks_before or plan.asks_after):
        return [make_page((rows if rows[0][0] is not None else [], False, False)) for rows in groups]
    return [build_page(plan, rows) for rows in groups]


def build_page(plan: PagePlan, rows: Sequence[Row]) -> Page:
    """The page of the rows of one connection.

    Follows "HasPreviousPage" and "HasNextPage" of the Relay Cursor Connections specification, with both flags exact.
    """
    size, wants_rows = plan.size, plan.wants.rows
    has_before = plan.asks_before and bool(rows[0][HAS_BEFORE])
    has_after = plan.asks_after and bool(rows[0][HAS_AFTER])
    kept = rows if plan.row_limit > 0 and rows and rows[0][0] is not None else []
    goes_further = len(kept) > size
    if goes_further or not wants_rows:
        kept = kept[:size] if wants_rows else []
    if plan.backward:
        return make_page((kept[::-1], has_after, has_before or goes_further))
    return make_page((kept, has_after or goes_further, has_before))


def build_figures(plan: SummaryPlan, groups: Sequence[Sequence[Row]]) -> list[Figures]:
    """The figures of each group of rows, which all of its rows have."""
    if not plan.aggregates:
        return [NO_FIGURES] * len(groups)
    return [{aggregate: rows[0][aggregate] for aggregate in plan.aggregates} for rows in groups]
