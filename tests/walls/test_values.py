"""The values that statements are sent with, as in a process that has rendered nothing yet."""

from uuid import UUID

import pytest

from app.plan.filter import Filter, Operator, Perspective
from app.plan.order import DEFAULT_ORDER, Order, OrderKey, plan_order
from app.plan.page import PageArguments, PagePlan, PageSelection
from app.plan.properties import Property, Value
from app.plan.summary import Aggregate, SummaryPlan
from app.sql.arrays import write_array
from app.sql.figures import render_summary
from app.sql.pages import render_connections, render_page
from app.sql.records import render_records
from tests.support.plans import plan_page

SITE, ID = UUID(int=1), UUID(int=2)
ATTENDEES = Property.NUMBER_OF_ATTENDEES
DOWN = plan_order([OrderKey(ATTENDEES, descending=True)])
WANTS = PageSelection(rows=True, columns=frozenset({Property.ID}), has_next=True, has_previous=True)


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
    assert find_values(plan(Filter(of, Operator.IN, values))) == [write_array(values)]


def test_a_list_of_numbers_is_sent_as_its_column_holds_it() -> None:
    condition = Filter(ATTENDEES, Operator.IN, (0, 5, 9))
    assert find_values(plan(condition)) == ['{"0","5","9"}']
    assert find_values(plan(condition, DOWN)) == ['{"0","-5","-9"}']


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


IN_BOOKING, IN_SESSION = Perspective(Property.BOOKING_ID, ID), Perspective(Property.SESSION_ID, "s")
OF_STATUS = Filter(Property.STATUS, Operator.EQ, "ATTENDED")
TOTAL = frozenset({Aggregate.TOTAL})
CURSOR = plan(None).cursors.encode((ID,))
PAGES: dict[str, tuple[PagePlan, list[object]]] = {
    "the site": (plan(None), []),
    "a booking": (plan_page(IN_BOOKING, None, DEFAULT_ORDER, PageArguments(), WANTS), [ID]),
    "a session": (plan_page(IN_SESSION, None, DEFAULT_ORDER, PageArguments(), WANTS), ["s"]),
    "a status": (plan(OF_STATUS), ["ATTENDED"]),
    "a status of a booking": (
        plan_page(IN_BOOKING, OF_STATUS, DEFAULT_ORDER, PageArguments(), WANTS),
        [ID, "ATTENDED"],
    ),
    "another operator": (plan(Filter(ATTENDEES, Operator.LT, 4)), [4]),
    "the same of another kind": (plan(Filter(ATTENDEES, Operator.GT, 4)), [4]),
    "after a cursor": (plan(None, arguments=PageArguments(after=CURSOR)), [ID]),
    "before a cursor": (plan(None, arguments=PageArguments(before=CURSOR)), [ID]),
    "another size": (plan(None, arguments=PageArguments(first=7)), []),
    "from the end": (plan(None, arguments=PageArguments(last=7)), []),
    "another order": (plan(None, DOWN), []),
    "no flags": (plan_page(None, None, DEFAULT_ORDER, PageArguments(), PageSelection(rows=True)), []),
}
SUMMARIES: dict[str, tuple[SummaryPlan, list[object]]] = {
    "the site": (SummaryPlan(None, None, TOTAL), []),
    "other figures": (SummaryPlan(None, None, frozenset({Aggregate.ATTENDEES})), []),
    "a booking": (SummaryPlan(IN_BOOKING, None, TOTAL), [ID]),
    "a session": (SummaryPlan(IN_SESSION, None, TOTAL), ["s"]),
    "a status": (SummaryPlan(None, OF_STATUS, TOTAL), ["ATTENDED"]),
    "a status of a session": (SummaryPlan(IN_SESSION, OF_STATUS, TOTAL), ["s", "ATTENDED"]),
    "a number": (SummaryPlan(None, Filter(ATTENDEES, Operator.GE, 3), TOTAL), [3]),
}


def test_each_page_has_a_statement_of_its_own_and_its_own_values() -> None:
    rendered = [render_page(SITE, page) for page, _ in PAGES.values()]
    assert [list(statement.arguments) for statement in rendered] == [[SITE, *values] for _, values in PAGES.values()]
    assert len({statement.text for statement in rendered}) == len(PAGES)
    assert [render_page(SITE, page) for page, _ in PAGES.values()] == rendered


def test_figures_have_a_statement_of_their_own_and_their_own_values() -> None:
    rendered = [render_summary(SITE, summary) for summary, _ in SUMMARIES.values()]
    expected = [[SITE, *values] for _, values in SUMMARIES.values()]
    assert [list(statement.arguments) for statement in rendered] == expected
    assert len({statement.text for statement in rendered}) == len(SUMMARIES)


def test_another_site_and_other_values_have_the_same_text() -> None:
    page, summary = PAGES["a status of a booking"][0], SUMMARIES["a status of a session"][0]
    other = Filter(Property.STATUS, Operator.EQ, "NOT_SET")
    pages = [page, plan_page(Perspective(Property.BOOKING_ID, SITE), other, DEFAULT_ORDER, PageArguments(), WANTS)]
    summaries = [summary, SummaryPlan(Perspective(Property.SESSION_ID, "t"), other, TOTAL)]
    one, two = render_page(SITE, pages[0]), render_page(ID, pages[1])
    assert (one.text, two.arguments) == (two.text, (ID, SITE, "NOT_SET"))
    one, two = render_summary(SITE, summaries[0]), render_summary(ID, summaries[1])
    assert (one.text, two.arguments) == (two.text, (ID, "t", "NOT_SET"))


def test_many_are_sent_as_one_list() -> None:
    parents = (ID, SITE)
    connections = render_connections(SITE, Property.BOOKING_ID, parents, PAGES["the site"][0], SUMMARIES["the site"][0])
    assert connections.arguments == (SITE, write_array([ID, SITE]))
    records = render_records(SITE, parents, frozenset({Property.STATUS}))
    assert records.arguments == (SITE, write_array([ID, SITE]))
    for statement in (connections, records):
        assert '"site_id" = $1' in statement.text
