"""The values that statements are sent with, as in a process that has rendered nothing yet."""

from uuid import UUID

import pytest

from app.plan.filter import Filter, Operator
from app.plan.order import DEFAULT_ORDER, Order, OrderKey, plan_order
from app.plan.page import PageArguments, PagePlan, PageWants, plan_page
from app.plan.properties import Property, Value
from app.sql.pages import render_page

SITE, ID = UUID(int=1), UUID(int=2)
ATTENDEES = Property.NUMBER_OF_ATTENDEES
DOWN = plan_order([OrderKey(ATTENDEES, descending=True)])
WANTS = PageWants(rows=True, columns=frozenset({Property.ID}), has_next=True, has_previous=True)


def plan(condition: Filter | None, order: Order = DEFAULT_ORDER, arguments: PageArguments | None = None) -> PagePlan:
    return plan_page(None, condition, order, arguments or PageArguments(), WANTS)


def find_values(of: PagePlan) -> list[object]:
    """What is sent beside the site."""
    site, *values = render_page(SITE, of).arguments
    assert site == SITE
    return values


@pytest.mark.parametrize("operator", [Operator.NE, Operator.LT, Operator.LE, Operator.GT, Operator.GE])
def test_a_filters_value_is_sent_as_its_column_holds_it(operator: Operator) -> None:
    condition = Filter(ATTENDEES, operator, 7)
    assert find_values(plan(condition)) == [7]
    assert find_values(plan(condition, DOWN)) == [-7]


@pytest.mark.parametrize(
    ("of", "values"),
    [(Property.STATUS, ("ATTENDED", "NOT_SET")), (Property.SESSION_ID, ("a", "b", "c")), (Property.ID, (ID, SITE))],
)
def test_a_list_is_sent_whole(of: Property, values: tuple[Value, ...]) -> None:
    assert find_values(plan(Filter(of, Operator.IN, values))) == [list(values)]


def test_a_list_of_numbers_is_sent_as_its_column_holds_it() -> None:
    condition = Filter(ATTENDEES, Operator.IN, (0, 5, 9))
    assert find_values(plan(condition)) == [[0, 5, 9]]
    assert find_values(plan(condition, DOWN)) == [[0, -5, -9]]


@pytest.mark.parametrize("end", ["after", "before"])
def test_the_values_of_a_cursor_are_sent_in_their_order(end: str) -> None:
    order = plan_order([OrderKey(ATTENDEES, descending=True), OrderKey(Property.SESSION_ID)])
    cursor = plan(None, order).cursors.encode((4, "s", ID))
    arguments = PageArguments(first=5, **{end: cursor})
    statement = render_page(SITE, plan(None, order, arguments))
    assert find_values(plan(None, order, arguments)) == [-4, "s", ID]
    assert (
        "(${}, ${}, ${})".format(*[statement.arguments.index(value) + 1 for value in (-4, "s", ID)]) in statement.text
    )
