"""The conditions of a statement's WHERE, and the order of its rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from app.plan.cursor import Position
from app.plan.filter import Filter, Operator
from app.plan.order import DEFAULT_ORDER, Order, OrderKey
from app.plan.properties import LARGEST_INTEGER, Value
from app.sql.arrays import cast_array, write_array
from app.sql.catalogue import COLUMN_TYPES, SITE, name_order_column, name_order_output
from app.sql.fragment import Fragment, Parameter, join, sql

COMPARISONS = {
    Operator.EQ: "{} = {}",
    Operator.NE: "{} <> {}",
    Operator.IN: "{} = ANY((SELECT {})::{}[])",
    Operator.LT: "{} < {}",
    Operator.LE: "{} <= {}",
    Operator.GT: "{} > {}",
    Operator.GE: "{} >= {}",
}
MIRRORED = {
    Operator.LT: Operator.GT,
    Operator.LE: Operator.GE,
    Operator.GT: Operator.LT,
    Operator.GE: Operator.LE,
}
NO_CONDITION: tuple[Fragment, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range in an order: the order's columns, the same keys over output columns, and the values."""

    columns: Fragment
    outputs: Fragment
    values: Fragment


def where_site(site: Parameter) -> Fragment:
    """The condition that every statement has: it is for one site."""
    return sql("{} = {}", SITE, site)


def where_filter(filter_: Filter | None, order: Order = DEFAULT_ORDER) -> tuple[Fragment, ...]:
    """The condition of a filter. If the order begins with the filter's property, it uses the column of that order."""
    if filter_ is None:
        return NO_CONDITION
    key = order[0] if order[0].of is filter_.of else OrderKey(filter_.of)
    column = name_order_column(key)
    if isinstance(filter_.value, tuple):
        each = Parameter(lambda values: write_array([order_value(key, value) for value in values.filter]))
        of = filter_.of
        return (sql(COMPARISONS[Operator.IN], column, cast_array(each, of), COLUMN_TYPES[of]),)
    operator = MIRRORED.get(filter_.operator, filter_.operator) if key.descending else filter_.operator
    return (sql(COMPARISONS[operator], column, Parameter(lambda values: order_value(key, values.filter))),)


def bound_at(plan_order: Order, end: str, order: Order) -> Bound:
    """The bound at a cursor's position, of those keys that are in `order`; `end` is "after" or "before".

    Rendered once, so that all its uses share their parameters.
    """
    get_position = attrgetter(end)
    values = [sql("{}", Parameter(read_position(get_position, plan_order.index(key), key))) for key in order]
    return Bound(row_of(map(name_order_column, order)), row_of(map(name_order_output, order)), row_of(values))


def read_position(get_position: Callable[[Any], Position], index: int, key: OrderKey) -> Callable[[Any], Value]:
    """A function that reads one value of a position, as the key's column holds it."""
    return lambda values: order_value(key, get_position(values)[index])


def order_value(key: OrderKey, value: Value) -> Value:
    """The value as the key's column holds it.

    The negated smallest integer is out of range. The largest integer has the same effect: no number is below 0.
    """
    return min(-value, LARGEST_INTEGER) if key.descending and isinstance(value, int) else value


def row_of(items: Iterable[Fragment]) -> Fragment:
    row = list(items)
    return row[0] if len(row) == 1 else sql("({})", join(", ", row))


def where_beyond(bound: Bound | None, *, backward: bool) -> tuple[Fragment, ...]:
    """The condition that records are after the bound, or before it if the order is read backward."""
    return NO_CONDITION if bound is None else (sql("{} < {}" if backward else "{} > {}", bound.columns, bound.values),)


def where_from(bound: Bound, *, backward: bool) -> tuple[Fragment, ...]:
    """The condition of `where_beyond`, including the bound itself."""
    return (sql("{} <= {}" if backward else "{} >= {}", bound.columns, bound.values),)


def where_short_of(bound: Bound, *, backward: bool) -> Fragment:
    """The condition that output rows are before the bound, or after it if they were read backward."""
    return sql("{} > {}" if backward else "{} < {}", bound.outputs, bound.values)


def all_of(conditions: Iterable[Fragment]) -> Fragment:
    return join("\n  AND ", conditions)


def order_by(order: Order, *, backward: bool) -> Fragment:
    """The ORDER BY list that an index serves; backward, the index is read from its end."""
    return sort_by(map(name_order_column, order), backward=backward)


def order_outputs_by(order: Order, *, backward: bool) -> Fragment:
    """The ORDER BY list over output columns."""
    return sort_by(map(name_order_output, order), backward=backward)


def sort_by(keys: Iterable[Fragment], *, backward: bool) -> Fragment:
    return join(", ", [sql("{} DESC" if backward else "{}", key) for key in keys])
