"""From a connection field's arguments and selection to its page and figures.

Planning is done at once, and only reading is awaited: what an argument is refused for ends an operation at the first
field that has it, before the same field of other parents has begun.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import FieldNode

from app.attendance.reading import Figures, Page
from app.database.pool import Row
from app.plan.filter import Perspective
from app.plan.page import CursorsWanted, PagePlan, PageWants, plan_page
from app.plan.summary import Aggregate, SummaryPlan
from app.schema.arguments import ConnectionRequest
from app.schema.context import Context
from app.schema.selection import ResolveInfo, Selections, select_aggregates, select_page, selections_of


@dataclass(frozen=True, slots=True)
class Wants:
    """What is selected of a connection."""

    page: PageWants
    aggregates: frozenset[Aggregate]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a connection's fields are resolved from."""

    plan: PagePlan
    page: Page
    figures: Figures

    def write_cursors(self, rows: Sequence[Row]) -> list[str]:
        """The cursors of rows; an empty text for each where no cursor is selected."""
        is_wanted = self.plan.wants.cursors is not CursorsWanted.NONE
        return self.plan.cursors.encode_rows(rows, self.plan.key_places) if is_wanted else [""] * len(rows)


def read_connection(
    info: ResolveInfo, perspective: Perspective | None, request: ConnectionRequest
) -> Coroutine[Any, Any, Loaded]:
    """A connection at the root, by a statement for its page and one for its figures. Raises like `plan_connection`."""
    context: Context = info.context
    plan, summary = plan_connection(info, perspective, request)

    async def load() -> Loaded:
        page, figures = await asyncio.gather(context.reader.read_page(plan), context.reader.read_summary(summary))
        return Loaded(plan, page, figures)

    return load()


def read_connection_of_parent(
    info: ResolveInfo, perspective: Perspective, request: ConnectionRequest
) -> Coroutine[Any, Any, Loaded]:
    """A connection below a record, by one statement for it and the same connection of its siblings.

    Raises like `plan_connection`.
    """
    context: Context = info.context
    plan, summary = plan_connection(info, perspective, request)

    async def load() -> Loaded:
        page, figures = await context.load_connection(plan, summary)
        return Loaded(plan, page, figures)

    return load()


def plan_connection(
    info: ResolveInfo, perspective: Perspective | None, request: ConnectionRequest
) -> tuple[PagePlan, SummaryPlan]:
    """Plan a connection's page and figures. Raises BadUserInput, CursorInvalid or CursorMismatch."""
    wants = select_wants(info)
    page = plan_page(perspective, request.condition, request.order, request.page, wants.page)
    return page, SummaryPlan(perspective, request.condition, wants.aggregates)


def select_wants(info: ResolveInfo) -> Wants:
    """What is selected of the connection; the same for each parent of a field, so it is worked out once."""
    known: dict[Any, Wants] = info.context.selections
    key = tuple(map(id, info.raw.field_nodes))
    if key not in known:
        known[key] = select_connection(selections_of(info.raw), info.raw.field_nodes)
    return known[key]


def select_connection(selections: Selections, nodes: Sequence[FieldNode]) -> Wants:
    """What is selected below the nodes of a connection field."""
    connection = selections.group_by_name(nodes)
    return Wants(select_page(selections, connection), select_aggregates(selections, connection))
