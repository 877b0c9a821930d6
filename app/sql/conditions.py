"""The conditions of a statement's WHERE, and the order of its rows."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from app.plan.cursor import LARGEST_INTEGER, Position
from app.plan.filter import Filter, Operator
from app.plan.order import DEFAULT_ORDER, Order, OrderKey
from app.plan.properties import Value
from app.sql.catalogue import COLUMN_TYPES, SITE, name_order_column, name_order_output
from app.sql.fragment import Fragment, Parameter, join, sql

COMPARISONS = {
    Operator.EQ: "{} = {}",
    Operator.NE: "{} <> {}",
    Operator.IN: "{} = ANY({}::{}[])",
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
    """One end of a range of an order: the order's columns, the same of rows that have been read, and the values."""

    columns: Fragment
    outputs: Fragment
    values: Fragment


def where_site(site: Parameter) -> Fragment:
    """The condition that no statement is without."""
    return sql("{} = {}", SITE, site)


def where_filter(condition: Filter | None, order: Order = DEFAULT_ORDER) -> tuple[Fragment, ...]:
    """The condition of a filter, on the column that the order begins with where it is the filter's own."""
    if condition is None:
        return NO_CONDITION
    key = order[0] if order[0].of is condition.of else OrderKey(condition.of)
    column = name_order_column(key)
    if isinstance(condition.value, tuple):
        each = Parameter(lambda values: [order_value(key, value) for value in values.condition])
        return (sql(COMPARISONS[Operator.IN], column, each, COLUMN_TYPES[condition.of]),)
    operator = MIRRORED.get(condition.operator, condition.operator) if key.descending else condition.operator
    return (sql(COMPARISONS[operator], column, Parameter(lambda values: order_value(key, values.condition))),)


def bound_at(plan_order: Order, end: str, order: Order) -> Bound:
    """The bound at a cursor's position, of those keys that are in `order`; `end` is "after" or "before".

    Rendered once, so that all its uses share their parameters.
    """
    get_position = attrgetter(end)
    values = [sql("{}", Parameter(read_position(get_position, plan_order.index(key), key))) for key in order]
    return Bound(row_of(map(name_order_column, order)), row_of(map(name_order_output, order)), row_of(values))


def read_position(get_position: Callable[[Any], Position], index: int, key: OrderKey) -> Callable[[Any], Value]:
    """Reads one value of a position, as the key's column holds it."""
    return lambda values: order_value(key, get_position(values)[index])


def order_value(key: OrderKey, value: Value) -> Value:
    """The value as the key's column holds it.

    The smallest integer has no negative; as no record has less than 0, the next one stands for it.
    """
    return min(-value, LARGEST_INTEGER) if key.descending and isinstance(value, int) else value


def row_of(items: Iterable[Fragment]) -> Fragment:
    row = list(items)
    return row[0] if len(row) == 1 else sql("({})", join(", ", row))


def where_beyond(bound: Bound | None, *, backward: bool) -> tuple[Fragment, ...]:
    """The condition on records to come after the bound, or before it where the order is read backward."""
    return NO_CONDITION if bound is None else (sql("{} < {}" if backward else "{} > {}", bound.columns, bound.values),)


def where_from(bound: Bound, *, backward: bool) -> tuple[Fragment, ...]:
    """The same with the bound's own record."""
    return (sql("{} <= {}" if backward else "{} >= {}", bound.columns, bound.values),)


def where_short_of(bound: Bound, *, backward: bool) -> Fragment:
    """The condition on rows that have been read to come before the bound, or after it where they were read backward."""
    return sql("{} > {}" if backward else "{} < {}", bound.outputs, bound.values)


def all_of(conditions: Iterable[Fragment]) -> Fragment:
    return join("\n  AND ", conditions)


def order_by(order: Order, *, backward: bool) -> Fragment:
    """The ORDER BY list that an index gives; backward, the index is read from its end."""
    return sort_by(map(name_order_column, order), backward=backward)


def order_outputs_by(order: Order, *, backward: bool) -> Fragment:
    """The ORDER BY list for rows that have been read."""
    return sort_by(map(name_order_output, order), backward=backward)


def sort_by(keys: Iterable[Fragment], *, backward: bool) -> Fragment:
    return join(", ", [sql("{} DESC" if backward else "{}", key) for key in keys])
