"""Plans of pages for tests that need no schema."""

from app.plan.filter import Filter, Perspective
from app.plan.order import Order
from app.plan.page import PageArguments, PagePlan, PageSelection, plan_connection


def plan_page(
    perspective: Perspective | None,
    filter_: Filter | None,
    order: Order,
    arguments: PageArguments,
    selection: PageSelection,
) -> PagePlan:
    """The page that arguments ask for, of which a selection is read."""
    return plan_connection(perspective, filter_, order, arguments).select(selection)
