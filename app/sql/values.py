"""What a read is bound to: all of a plan that is not in the text of its statement."""

from collections.abc import Hashable, Sequence
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from app.plan.cursor import Position
from app.plan.filter import Filter, Perspective
from app.plan.page import PagePlan
from app.plan.properties import Value
from app.plan.summary import SummaryPlan
from app.sql.fragment import Parameter


class Values(NamedTuple):
    """The values of one read; `many` are the ids of its records, or of the parents of its pages."""

    site: UUID
    perspective: Value | None = None
    condition: Value | tuple[Value, ...] | None = None
    after: Position | None = None
    before: Position | None = None
    many: Sequence[Value] = ()


SITE_VALUE = Parameter(attrgetter("site"))
MANY_VALUES = Parameter(lambda values: list(values.many))


def values_of(site_id: UUID, plan: PagePlan, many: Sequence[Value] = ()) -> Values:
    perspective = None if plan.perspective is None else plan.perspective.value
    condition = None if plan.condition is None else plan.condition.value
    return Values(site_id, perspective, condition, plan.after, plan.before, many)


def values_of_summary(site_id: UUID, plan: SummaryPlan) -> Values:
    perspective = None if plan.perspective is None else plan.perspective.value
    return Values(site_id, perspective, None if plan.condition is None else plan.condition.value)


def shape_page(plan: PagePlan) -> Hashable:
    """What plans of one statement text have in common: everything but their values."""
    return (
        shape_perspective(plan.perspective),
        shape_filter(plan.condition),
        plan.order,
        plan.size,
        plan.backward,
        plan.after is None,
        plan.before is None,
        plan.wants,
    )


def shape_summary(plan: SummaryPlan) -> Hashable:
    return shape_perspective(plan.perspective), shape_filter(plan.condition), plan.aggregates


def shape_perspective(perspective: Perspective | None) -> Hashable:
    return None if perspective is None else perspective.of


def shape_filter(condition: Filter | None) -> Hashable:
    return None if condition is None else (condition.of, condition.operator)
