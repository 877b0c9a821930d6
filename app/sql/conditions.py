"""The conditions of a statement's WHERE, and the order of its rows."""

from collections.abc import Iterable
from dataclasses import dataclass

from app.plan.cursor import Position
from app.plan.filter import Filter, Operator
from app.plan.order import Order, OrderKey
from app.plan.properties import Value
from app.sql.catalogue import COLUMN_TYPES, COLUMNS, SITE, name_order_column
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
NO_CONDITION: tuple[Fragment, ...] = ()


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range of an order: the position's parameters, in the sequence of the order's columns."""

    columns: Fragment
    values: Fragment


def where_site(site: Parameter) -> Fragment:
    """The condition that no statement is without."""
    return sql("{} = {}", SITE, site)


def where_filter(condition: Filter | None) -> tuple[Fragment, ...]:
    if condition is None:
        return NO_CONDITION
    column = COLUMNS[condition.of]
    if isinstance(condition.value, tuple):
        values = Parameter(list(condition.value))
        return (sql(COMPARISONS[Operator.IN], column, values, COLUMN_TYPES[condition.of]),)
    return (sql(COMPARISONS[condition.operator], column, Parameter(condition.value)),)


def bound_at(order: Order, position: Position | None) -> Bound | None:
    """The bound at a cursor's position; rendered once, so that all its uses share their parameters."""
    if position is None:
        return None
    columns = join(", ", map(name_order_column, order))
    values = join(
        ", ", [sql("{}", Parameter(order_value(key, value))) for key, value in zip(order, position, strict=True)]
    )
    return Bound(sql("({})", columns), sql("({})", values)) if len(order) > 1 else Bound(columns, values)


def order_value(key: OrderKey, value: Value) -> Value:
    return -value if key.descending and isinstance(value, int) else value


def where_after(bound: Bound | None) -> tuple[Fragment, ...]:
    return NO_CONDITION if bound is None else (sql("{} > {}", bound.columns, bound.values),)


def where_before(bound: Bound | None) -> tuple[Fragment, ...]:
    return NO_CONDITION if bound is None else (sql("{} < {}", bound.columns, bound.values),)


def where_not_after(bound: Bound) -> Fragment:
    return sql("{} <= {}", bound.columns, bound.values)


def where_not_before(bound: Bound) -> Fragment:
    return sql("{} >= {}", bound.columns, bound.values)


def all_of(conditions: Iterable[Fragment]) -> Fragment:
    return join("\n  AND ", conditions)


def order_by(order: Order, *, backward: bool) -> Fragment:
    """The ORDER BY list; backward, the index is read from its end."""
    direction = "{} DESC" if backward else "{}"
    return join(", ", [sql(direction, name_order_column(key)) for key in order])


def sort_by(order: Order, *, backward: bool) -> Fragment:
    """The ORDER BY list for rows that have been read: of the plan's own columns, in any mixture of directions."""
    return join(", ", [sql("{} DESC" if key.descending is not backward else "{}", COLUMNS[key.of]) for key in order])
