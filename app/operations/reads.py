"""What compiled operations read: connections, records and entities, each planned, fetched and written.

Plans come before statements, so that bad input is found before anything is sent. What lies below records is read for
all of them together, level by level.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from app.attendance.reading import NO_FIGURES, AttendanceReader, Figures, Page
from app.database.pool import Row
from app.operations.arguments import ArgumentReader
from app.operations.coercing import Unusual, Variables
from app.plan.cursor import CursorCodec, plan_cursors
from app.plan.filter import Perspective
from app.plan.page import CursorsWanted, PagePlan, plan_page
from app.plan.properties import Property, Value
from app.plan.summary import NO_SUMMARY, SummaryPlan
from app.schema.arguments import ConnectionRequest, build_connection_request
from app.schema.connecting import Wants

Written = Any
Write = Callable[..., Written]
Below = list[dict[Value, Written]]


@dataclass(frozen=True, slots=True)
class ConnectionRead:
    """A connection at the root, or below the records and stubs whose property `of` it belongs to.

    `key` is its name in the response. `write` takes pages, each with its figures and cursors, and what each of `below`
    has written for the pages' records.
    """

    key: str
    of: Property | None
    arguments: ArgumentReader
    wants: Wants
    below: "tuple[ConnectionRead | Constant, ...]"
    write: Write

    @property
    def is_constant(self) -> bool:
        return self.arguments.is_constant and all(each.is_constant for each in self.below)

    def plan(self, variables: Variables) -> "PlannedConnection":
        """Plan the connection and all below it. Raises what bad input raises."""
        given = self.arguments.read(variables)
        request = build_connection_request(given)
        below = tuple([each.plan(variables) for each in self.below]) if self.below else ()
        if self.of is None:
            perspective, wants = given.get("perspective"), self.wants
            has_cursors = wants.page.cursors is not CursorsWanted.NONE
            cursors = plan_cursors(request.order, perspective, request.condition) if has_cursors else None
            plans: Plans | None = plan_request(perspective, request, wants, cursors)
        elif request.page.after is not None or request.page.before is not None:
            plans = None
        else:
            plans = plan_request(None, request, self.wants)
        return PlannedConnection(self, request, plans, below)


class Plans(NamedTuple):
    """The plans of a connection, and the codec of its cursors where it is at the root and any are wanted."""

    page: PagePlan
    summary: SummaryPlan
    cursors: CursorCodec | None = None


@dataclass(frozen=True, slots=True)
class Constant:
    """A read whose plan depends on no variable: it is planned once."""

    planned: Any
    is_constant: ClassVar[bool] = True

    def plan(self, _variables: Variables) -> Any:
        return self.planned


class PlannedConnection(NamedTuple):
    """A connection with its arguments read. `plans` is None where a cursor waits for the parent that it belongs to."""

    read: ConnectionRead
    request: ConnectionRequest
    plans: Plans | None
    below: "tuple[PlannedConnection, ...]"

    async def answer(self, reader: AttendanceReader) -> dict[str, Written]:
        """The connection at the root, written, by its key."""
        plans = self.plans
        assert plans is not None
        if plans.summary.aggregates:
            page, figures = await fetch_with_figures(reader, plans.page, plans.summary)
        else:
            page, figures = await reader.read_page(plans.page), NO_FIGURES
        below = await read_below(self.below, page.rows, reader) if self.below else ()
        connections = [(page, figures, self.write_cursors(plans.cursors, plans.page.key_places, page))]
        return {self.read.key: self.read.write(connections, *below)[0]}

    async def answer_parents(self, parents: Sequence[Value], reader: AttendanceReader) -> dict[Value, Written]:
        """The connection below each of the parents, written, by one statement."""
        if not parents:
            return {}
        of = self.read.of
        assert of is not None
        plans = self.plans or self.plan_below(of, parents)
        pages, figures = await reader.read_connections(of, parents, plans.page, plans.summary)
        below: Sequence[Any] = ()
        if self.below:
            below = await read_below(self.below, [row for page in pages for row in page.rows], reader)
        cursors = self.write_all_cursors(of, parents, plans, pages)
        written = self.read.write(zip(pages, figures, cursors, strict=True), *below)
        return dict(zip(parents, written, strict=True))

    def write_all_cursors(
        self, of: Property, parents: Sequence[Value], plans: Plans, pages: Sequence[Page]
    ) -> Iterable[Sequence[str]]:
        """The cursors of each parent's page, which are of its connection alone."""
        if self.read.wants.page.cursors is CursorsWanted.NONE:
            return [()] * len(parents)
        order, condition = plans.page.order, plans.page.condition
        codecs = [plan_cursors(order, Perspective(of, parent), condition) for parent in parents]
        places = plans.page.key_places
        return [self.write_cursors(codec, places, page) for codec, page in zip(codecs, pages, strict=True)]

    def plan_below(self, of: Property, parents: Sequence[Value]) -> Plans:
        """The plans of a page that begins at a cursor, which is one parent's own."""
        if len(parents) > 1:
            raise Unusual("cursor of several connections")
        return plan_request(Perspective(of, parents[0]), self.request, self.read.wants)

    def write_cursors(self, codec: CursorCodec | None, key_places: Sequence[int], page: Page) -> Sequence[str]:
        """The cursors that are wanted of a page: of all its records, of its ends, or of none."""
        if codec is None or not page.rows:
            return ()
        rows = page.rows if self.read.wants.page.cursors is CursorsWanted.ALL else (page.rows[0], page.rows[-1])
        return codec.encode_rows(rows, key_places)


def plan_request(
    perspective: Perspective | None, request: ConnectionRequest, wants: Wants, cursors: CursorCodec | None = None
) -> Plans:
    page = plan_page(perspective, request.condition, request.order, request.page, wants.page, cursors)
    if not wants.aggregates:
        return Plans(page, NO_SUMMARY, cursors)
    return Plans(page, SummaryPlan(perspective, request.condition, wants.aggregates), cursors)


async def fetch_with_figures(reader: AttendanceReader, plan: PagePlan, summary: SummaryPlan) -> tuple[Page, Figures]:
    """A page and its figures; where both have a statement, at once."""
    if summary.needs_statement and plan.needs_statement:
        page, figures = await gather([reader.read_page(plan), reader.read_summary(summary)])
        return page, figures
    return await reader.read_page(plan), await reader.read_summary(summary)


async def read_below(
    below: Sequence[PlannedConnection], rows: Sequence[Row], reader: AttendanceReader
) -> Sequence[dict[Value, Written]]:
    """What the connections below records have written, by the bookings or sessions of the records."""
    return await gather([each.answer_parents(list_parents(each.read, rows), reader) for each in below])


def list_parents(read: ConnectionRead, rows: Iterable[Row]) -> list[Value]:
    """The bookings or sessions of rows, each once, in the order of the rows."""
    of = read.of
    assert of is not None
    return list(dict.fromkeys([row[of] for row in rows]))


async def gather(reads: Sequence[Awaitable[Any]]) -> list[Any]:
    """The results of all reads, which run at once. All have ended when the first failure is raised."""
    if len(reads) == 1:
        return [await reads[0]]
    results = await asyncio.gather(*reads, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return results


def plan_constant(read: Any) -> Any:
    """A read whose arguments are constant is planned at once. Raises what bad input raises."""
    return Constant(read.plan({})) if read.is_constant else read
