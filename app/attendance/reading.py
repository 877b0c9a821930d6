"""Reads attendance: renders a plan, fetches its rows, and builds pages, figures or records of them."""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Iterable, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any
from uuid import UUID

from app.attendance.bounded_reads import BoundedReads
from app.attendance.changes import ChangeBatch, build_batch
from app.attendance.statistics import QueryStatistics
from app.database.pool import ReadsRows, Row
from app.plan.absences import MISSED_SHARE, AbsencesPage
from app.plan.changes import ChangesPlan, ChangesPosition, plan_changes_cursors
from app.plan.cursor import plan_cursors
from app.plan.filter import Perspective
from app.plan.page import CursorSelection, PagePlan, find_key_positions
from app.plan.properties import Property, Value
from app.plan.summary import Aggregate, SummaryPlan
from app.sql.absences import ABSENCE_COUNT, render_absences
from app.sql.changes import render_changes
from app.sql.figures import render_summary
from app.sql.fragment import Statement
from app.sql.pages import HAS_AFTER, HAS_BEFORE, SITE_REVISION, render_connections, render_page
from app.sql.records import render_records

Figures = Mapping[str, int]


# A page: its rows in the asked order, whether records follow and precede them, and the cursor of its changes. What is
# not selected is False or None.
Page = tuple[Sequence[Row], bool, bool, str | None]
# What a connection is written from: its page, the figures over all that match, and the selected cursors of the page.
# A plain tuple, because a large response has one for each parent.
Frame = tuple[Sequence[Row], bool, bool, str | None, Figures, Sequence[str]]

ID = Property.ID.value
UNSELECTED, ENDS = CursorSelection.NONE, CursorSelection.ENDS
NO_FIGURES: Figures = {}
NO_AGGREGATES: frozenset[Aggregate] = frozenset()
NO_CURSORS: Sequence[str] = ()
EMPTY_FRAME: Frame = ([], False, False, None, NO_FIGURES, NO_CURSORS)


class AttendanceReader:
    """Reads the attendance of one site; a method runs the statements that it needs, or none if nothing can match."""

    __slots__ = ("_database", "_site_id", "_statistics")

    def __init__(self, database: ReadsRows, site_id: UUID, statistics: QueryStatistics) -> None:
        self._database = database
        self._site_id = site_id
        self._statistics = statistics

    def bound_statements(self) -> None:
        """Bound how many of the site's statements run at once, and how long all take: for a request that sends many."""
        if type(self._database) is not BoundedReads:
            self._database = BoundedReads(self._database, self._site_id)

    async def read_connection(self, plan: PagePlan | AbsencesPage, aggregates: frozenset[Aggregate]) -> Frame:
        """A connection without a parent."""
        if type(plan) is AbsencesPage:
            return await self.read_absences(plan, aggregates)
        assert type(plan) is PagePlan
        if aggregates:
            return await self.read_with_summary(plan, SummaryPlan(plan.perspective, plan.filter, aggregates))
        if not plan.needs_statement:
            return EMPTY_FRAME
        text, arguments = render_page(self._site_id, plan)
        self._statistics.statements += 1
        rows = await self._database.read_rows(text, arguments, self._site_id)
        self._statistics.rows += len(rows)
        page = build_page(plan, rows, plan.perspective)
        return *page, NO_FIGURES, encode_cursors(plan, page[0], plan.perspective)

    async def read_with_summary(self, plan: PagePlan, summary: SummaryPlan) -> Frame:
        """A connection with figures; where the page and they have a statement, both run at once."""
        if summary.needs_statement and plan.needs_statement:
            (*page, _, cursors), figures = await gather(
                self.read_connection(plan, NO_AGGREGATES), self.read_summary(summary)
            )
            return *page, figures, cursors
        *page, _, cursors = await self.read_connection(plan, NO_AGGREGATES)
        return *page, await self.read_summary(summary), cursors

    async def read_absences(self, plan: AbsencesPage, aggregates: frozenset[Aggregate]) -> Frame:
        """A connection of absences, with their number if `aggregates` has it, by one statement."""
        if not plan.needs_statement and not aggregates:
            return EMPTY_FRAME
        rows = await self._fetch(render_absences(self._site_id, plan, counts=bool(aggregates)))
        figures = dict.fromkeys(aggregates, rows[0][ABSENCE_COUNT]) if aggregates else NO_FIGURES
        page = build_page(plan, rows, None, MISSED_SHARE)
        return *page, figures, plan.encode_cursors(page[0])

    async def read_summary(self, plan: SummaryPlan) -> Figures:
        """The figures over all records that match."""
        if not plan.needs_statement:
            return dict.fromkeys(plan.aggregates, 0)
        [row] = await self._fetch(render_summary(self._site_id, plan))
        return dict(row.items())

    async def read_connections(
        self, of: Property, parents: Sequence[Value], plan: PagePlan, summary: SummaryPlan
    ) -> list[Frame]:
        """The same connection for each parent, in the parents' order.

        `of` says whether the parents are bookings or sessions. GUIDs are texts, unless cursors are selected.
        """
        if not plan.needs_statement and not summary.needs_statement:
            return [([], False, False, None, dict.fromkeys(summary.aggregates, 0), NO_CURSORS)] * len(parents)
        rows = await self._fetch(render_connections(self._site_id, of, parents, plan, summary))
        groups = group_rows(rows, len(plan.columns) if plan.row_limit > 0 else 0, len(parents), max(plan.row_limit, 1))
        return build_frames(plan, groups, build_figures(summary, groups), of, parents)

    async def read_records(self, ids: Sequence[str], columns: frozenset[Property]) -> dict[str, Row]:
        """The records with these ids, by id; ids that the site does not have are left out. GUIDs are texts."""
        rows = await self._fetch(render_records(self._site_id, ids, columns))
        return {row[ID]: row for row in rows}

    async def read_changes(self, plan: ChangesPlan, columns: tuple[Property, ...]) -> ChangeBatch:
        """A batch of changes, whose rows have these columns, which include the id. GUIDs are texts.

        Raises CursorExpired if deletions that the batch should have are no longer kept.
        """
        return build_batch(plan, await self._fetch(render_changes(self._site_id, plan, columns)))

    async def _fetch(self, statement: Statement) -> list[Row]:
        self._statistics.statements += 1
        rows = await self._database.read_rows(statement.text, statement.arguments, self._site_id)
        self._statistics.rows += len(rows)
        return rows


async def gather(*reads: Awaitable[Any]) -> list[Any]:
    """The results of all reads, which run at once. All have ended when the first failure is raised."""
    results = await asyncio.gather(*reads, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def group_rows(rows: Sequence[Row], column: int, parents: int, most: int) -> list[Sequence[Row]]:
    """The rows of each parent, whose position is in `column`: 1 to `most` rows for each, in the parents' order."""
    find_position = itemgetter(column)
    positions = range(1, parents + 1)
    if len(rows) == parents * most:
        firsts, lasts = map(find_position, rows[::most]), map(find_position, rows[most - 1 :: most])
        if list(firsts) == list(lasts) == list(positions):
            return [rows[start : start + most] for start in range(0, len(rows), most)]
    groups = []
    start, count = 0, len(rows)
    for position in positions:
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


def build_frames(
    plan: PagePlan, groups: Sequence[Sequence[Row]], figures: Iterable[Figures], of: Property, parents: Sequence[Value]
) -> list[Frame]:
    """What each parent's connection is written from. The first case is a fast path for pages with nothing but rows."""
    selected = plan.selected
    has_cursors = selected.cursors is not UNSELECTED
    has_flags = plan.row_limit != plan.size or plan.backward or plan.asks_before or plan.asks_after
    if not (has_flags or has_cursors or selected.revision) and plan.size > 0:
        return [
            (rows if len(rows) > 1 or rows[0][0] is not None else [], False, False, None, each, NO_CURSORS)
            for rows, each in zip(groups, figures, strict=False)
        ]
    owners: Iterable[Perspective | None] = repeat(None)
    if has_cursors or selected.revision:
        owners = [Perspective(of, parent) for parent in parents]
    frames: list[Frame] = []
    for rows, owner, each in zip(groups, owners, figures, strict=False):
        page = build_page(plan, rows, owner)
        frames.append((*page, each, encode_cursors(plan, page[0], owner)))
    return frames


def build_page(
    plan: PagePlan | AbsencesPage, rows: Sequence[Row], perspective: Perspective | None, column: int | str = 0
) -> Page:
    """The page of the rows of one connection, and the cursor of its perspective's changes, if that is selected.

    `column` is one that is null only if the page is empty.

    Follows "HasPreviousPage" and "HasNextPage" of the Relay Cursor Connections specification, with both flags exact.
    """
    size, selects_rows = plan.size, plan.selected.rows
    cursor = None
    if plan.selected.revision:
        cursor = plan_changes_cursors(perspective).encode(ChangesPosition(rows[0][SITE_REVISION]))
    has_before = plan.asks_before and bool(rows[0][HAS_BEFORE])
    has_after = plan.asks_after and bool(rows[0][HAS_AFTER])
    kept = rows if plan.row_limit > 0 and rows and rows[0][column] is not None else []
    goes_further = len(kept) > size
    if goes_further or not selects_rows:
        kept = kept[:size] if selects_rows else []
    if plan.backward:
        return kept[::-1], has_after, has_before or goes_further, cursor
    return kept, has_after or goes_further, has_before, cursor


def encode_cursors(plan: PagePlan, rows: Sequence[Row], perspective: Perspective | None) -> Sequence[str]:
    """The selected cursors of a page, which belong to the connection of one perspective."""
    selected = plan.selected.cursors
    if not rows or selected is UNSELECTED:
        return NO_CURSORS
    if selected is ENDS:
        rows = rows[0], rows[-1]
    codec = plan_cursors(plan.order, perspective, plan.filter)
    return codec.encode_rows(rows, find_key_positions(plan.selected.columns, plan.order))


def build_figures(plan: SummaryPlan, groups: Sequence[Sequence[Row]]) -> Iterable[Figures]:
    """The figures of each group of rows; all rows of a group have the same ones."""
    if not plan.aggregates:
        return repeat(NO_FIGURES)
    return [{aggregate: rows[0][aggregate] for aggregate in plan.aggregates} for rows in groups]
