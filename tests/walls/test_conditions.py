"""Each condition and order of a statement, word for word, and that no statement can do without its site."""

import pytest

from app.plan.filter import Filter, Operator
from app.plan.order import DEFAULT_ORDER, Order, OrderKey
from app.plan.properties import Property
from app.sql.conditions import (
    Bound,
    all_of,
    order_by,
    order_outputs_by,
    order_value,
    row_of,
    sort_by,
    where_beyond,
    where_filter,
    where_from,
    where_short_of,
)
from app.sql.fragment import Fragment, sql

ATTENDEES = Property.NUMBER_OF_ATTENDEES
UP: Order = (OrderKey(ATTENDEES), OrderKey(Property.ID))
DOWN: Order = (OrderKey(ATTENDEES, descending=True), OrderKey(Property.ID))
BOUND = Bound(sql("(a, b)"), sql("(c, d)"), sql("(1, 2)"))


def read(fragment: Fragment) -> str:
    """The text of a fragment, with a question mark for each value."""
    return "".join([part if isinstance(part, str) else "?" for part in fragment.parts])


def read_one(fragments: tuple[Fragment, ...]) -> str:
    [fragment] = fragments
    return read(fragment)


@pytest.mark.parametrize(
    ("operator", "ascending", "descending"),
    [
        (Operator.EQ, "= ?", "= ?"),
        (Operator.NE, "<> ?", "<> ?"),
        (Operator.LT, "< ?", "> ?"),
        (Operator.LE, "<= ?", ">= ?"),
        (Operator.GT, "> ?", "< ?"),
        (Operator.GE, ">= ?", "<= ?"),
    ],
)
def test_a_comparison_is_mirrored_on_the_column_of_a_descending_order(
    operator: Operator, ascending: str, descending: str
) -> None:
    condition = Filter(ATTENDEES, operator, 3)
    assert read_one(where_filter(condition)) == f'"number_of_attendees" {ascending}'
    assert read_one(where_filter(condition, UP)) == f'"number_of_attendees" {ascending}'
    assert read_one(where_filter(condition, DOWN)) == f'"number_of_attendees_descending" {descending}'


@pytest.mark.parametrize(
    ("of", "column", "kind"),
    [
        (Property.ID, "id", "uuid"),
        (Property.BOOKING_ID, "booking_id", "uuid"),
        (Property.SESSION_ID, "session_id", "text"),
        (Property.STATUS, "status", "text"),
        (ATTENDEES, "number_of_attendees", "integer"),
    ],
)
def test_a_list_is_one_parameter_of_its_columns_type(of: Property, column: str, kind: str) -> None:
    several, one = Filter(of, Operator.IN, ("x", "y")), Filter(of, Operator.EQ, "x")
    for order in (DEFAULT_ORDER, (OrderKey(Property.STATUS), OrderKey(Property.ID))):
        assert read_one(where_filter(several, order)) == f'"{column}" = ANY((SELECT ?::text::{kind}[])::{kind}[])'
        assert read_one(where_filter(one, order)) == f'"{column}" = ?'
    assert len([part for part in where_filter(several)[0].parts if not isinstance(part, str)]) == 1


def test_a_list_is_looked_for_in_the_column_of_the_order() -> None:
    condition = Filter(ATTENDEES, Operator.IN, (1, 2))
    expected = '"number_of_attendees_descending" = ANY((SELECT ?::text::integer[])::integer[])'
    assert read_one(where_filter(condition, DOWN)) == expected


def test_no_filter_is_no_condition() -> None:
    assert where_filter(None) == ()
    assert where_beyond(None, backward=False) == where_beyond(None, backward=True) == ()


def test_a_bound_is_passed_in_the_direction_of_reading() -> None:
    assert read_one(where_beyond(BOUND, backward=False)) == "(a, b) > (1, 2)"
    assert read_one(where_beyond(BOUND, backward=True)) == "(a, b) < (1, 2)"
    assert read_one(where_from(BOUND, backward=False)) == "(a, b) >= (1, 2)"
    assert read_one(where_from(BOUND, backward=True)) == "(a, b) <= (1, 2)"
    assert read(where_short_of(BOUND, backward=False)) == "(c, d) < (1, 2)"
    assert read(where_short_of(BOUND, backward=True)) == "(c, d) > (1, 2)"


def test_an_order_is_that_of_an_index_or_its_reverse() -> None:
    assert read(order_by(DOWN, backward=False)) == '"number_of_attendees_descending", "id"'
    assert read(order_by(DOWN, backward=True)) == '"number_of_attendees_descending" DESC, "id" DESC'
    outputs = read(order_outputs_by(DOWN, backward=False))
    assert read(order_outputs_by(DOWN, backward=True)) == ", ".join(f"{each} DESC" for each in outputs.split(", "))
    assert read(sort_by([sql("x")], backward=True)) == "x DESC"


def test_conditions_and_rows_are_joined() -> None:
    assert read(all_of([sql("a"), sql("b"), sql("c")])) == "a\n  AND b\n  AND c"
    assert read(row_of([sql("a")])) == "a"
    assert read(row_of([sql("a"), sql("b")])) == "(a, b)"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        (UP[0], 5, 5),
        (DOWN[0], 5, -5),
        (DOWN[0], 0, 0),
        (DOWN[0], -(2**31), 2**31 - 1),
        (DOWN[0], 2**31 - 1, -(2**31) + 1),
        (OrderKey(Property.STATUS, descending=True), "ATTENDED", "ATTENDED"),
    ],
)
def test_a_value_is_what_the_orders_column_holds(key: OrderKey, value: int | str, expected: int | str) -> None:
    assert order_value(key, value) == expected


@pytest.mark.parametrize(("template", "count"), [("a {} b", 0), ("a {} b", 2), ("a", 1), ("{}{}", 1)])
def test_a_template_takes_as_many_values_as_it_has_places(template: str, count: int) -> None:
    with pytest.raises(AssertionError, match=template.replace("{", r"\{")):
        sql(template, *[sql("x")] * count)
