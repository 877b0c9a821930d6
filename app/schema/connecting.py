"""From a connection field's arguments and selection to its page and figures."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from app.attendance.reading import Figures, Page
from app.plan.cursor import CursorCodec
from app.plan.filter import Filter, Perspective
from app.plan.order import Order
from app.plan.page import PageArguments, PagePlan, PageWants, plan_page
from app.plan.summary import Aggregate, SummaryPlan
from app.schema.context import Context
from app.schema.inputs import AttendanceFilter, AttendanceOrder, to_filter, to_order
from app.schema.selection import ResolveInfo, select_aggregates, select_page, select_subfields


@dataclass(frozen=True, slots=True)
class ConnectionRequest:
    """The arguments that all connection fields share, as they came."""

    filter: AttendanceFilter | None
    order_by: Sequence[AttendanceOrder]
    page: PageArguments


@dataclass(frozen=True, slots=True)
class Wants:
    """What is selected of a connection."""

    page: PageWants
    aggregates: frozenset[Aggregate]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a connection's fields are resolved from."""

    plan: PagePlan
    cursors: CursorCodec
    page: Page
    figures: Figures


async def read_connection(info: ResolveInfo, perspective: Perspective | None, request: ConnectionRequest) -> Loaded:
    """A connection at the root, by a statement for its page and one for its figures."""
    context: Context = info.context
    plan, summary = plan_connection(info, perspective, request)
    page, figures = await asyncio.gather(context.reader.read_page(plan), context.reader.read_summary(summary))
    return Loaded(plan, plan.cursors, page, figures)


async def read_connection_of_parent(info: ResolveInfo, perspective: Perspective, request: ConnectionRequest) -> Loaded:
    """A connection below a record, by one statement for it and the same connection of its siblings."""
    context: Context = info.context
    plan, summary = plan_connection(info, perspective, request)
    page, figures = await context.load_connection(plan, summary)
    return Loaded(plan, plan.cursors, page, figures)


def plan_connection(
    info: ResolveInfo, perspective: Perspective | None, request: ConnectionRequest
) -> tuple[PagePlan, SummaryPlan]:
    """Plan a connection's page and figures. Raises BadUserInput, CursorInvalid or CursorMismatch."""
    condition: Filter | None = to_filter(request.filter)
    order: Order = to_order(request.order_by)
    wants = select_wants(info)
    page = plan_page(perspective, condition, order, request.page, wants.page)
    return page, SummaryPlan(perspective, condition, wants.aggregates)


def select_wants(info: ResolveInfo) -> Wants:
    """What is selected of the connection; the same for each parent of a field, so it is worked out once."""
    selections: dict[Any, Wants] = info.context.selections
    key = tuple(map(id, info.raw.field_nodes))
    if key not in selections:
        connection = select_subfields(info.raw, info.raw.field_nodes)
        selections[key] = Wants(select_page(info.raw, connection), select_aggregates(info.raw, connection))
    return selections[key]
