"""Where the records of a page are found: in the index of its order, or in slices of the index of one property.

A slice is what a site holds for one value of a property; the property's index keeps it sorted by id. Statements are
prepared for every site and every value, so the planner knows neither how large a site is nor how frequent a value:
what suits an average site would sort or search the whole of a large one. So each is written for one index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from app.plan.filter import Filter, Operator, Perspective
from app.plan.order import DEFAULT_ORDER, Order
from app.plan.properties import Property
from app.sql.catalogue import COLUMN_TYPES, COLUMNS, TABLE
from app.sql.conditions import COMPARISONS, NO_CONDITION, all_of, order_by, order_outputs_by, where_filter, where_site
from app.sql.fragment import Fragment, Parameter, sql

NARROW_PROPERTIES = frozenset({Property.ID, Property.BOOKING_ID, Property.SESSION_ID})
WANTED = sql("wanted.value")
PERSPECTIVE_VALUE = Parameter(attrgetter("perspective"))
CONDITION_VALUE = Parameter(attrgetter("condition"))
CONDITION_VALUES = Parameter(lambda values: list(values.condition))


@dataclass(frozen=True, slots=True)
class Source:
    """Records of one site, and their order.

    `found` are the conditions that an index answers, `checked` those to be checked on each record. `is_sliced` says
    that `found` wants one value of a property; where it wants several in turn, `values` gives them, as `wanted`.
    """

    found: tuple[Fragment, ...]
    order: Order
    checked: tuple[Fragment, ...] = ()
    is_sliced: bool = False
    values: Fragment | None = None

    @property
    def must_be_sorted(self) -> bool:
        return self.is_sliced and self.order != DEFAULT_ORDER


def find_records(site: Parameter, perspective: Perspective | None, condition: Filter | None, order: Order) -> Source:
    """The records of a perspective and a filter, found so that few others are read to give them in the order."""
    if perspective is not None:
        value = hide_value(perspective.of, PERSPECTIVE_VALUE)
        return find_slice(site, perspective.of, value, order, check_filter(condition))
    if condition is None:
        return Source((where_site(site),), order)
    if not reads_slices(condition, order):
        checked = check_filter(condition) if is_checked_in_order(condition, order) else where_filter(condition, order)
        return Source((where_site(site),), order, checked)
    if condition.operator is Operator.EQ:
        return find_slice(site, condition.of, hide_value(condition.of, CONDITION_VALUE), order)
    found = (where_site(site), where_slice(condition.of, WANTED))
    return Source(found, order, is_sliced=True, values=list_values(site, condition))


def find_slice(
    site: Parameter, of: Property, value: Fragment, order: Order, checked: tuple[Fragment, ...] = NO_CONDITION
) -> Source:
    """The records that share one value."""
    found = (where_site(site), where_slice(of, value))
    return Source(found, order_in_slice(of, order), checked, is_sliced=True)


def order_in_slice(of: Property, order: Order) -> Order:
    """An order without the property that is the same for all."""
    return tuple(key for key in order if key.of is not of) or order


def reads_slices(condition: Filter, order: Order) -> bool:
    """Whether the records that pass a filter over the whole site are read slice by slice.

    A range of numbers in the order of ids is, for numbers are few: no index holds a range in that order.
    """
    if condition.of in NARROW_PROPERTIES:
        return condition.operator is not Operator.NE
    if condition.operator is Operator.EQ:
        return order_in_slice(condition.of, order) == DEFAULT_ORDER
    return order == DEFAULT_ORDER


def is_checked_in_order(condition: Filter, order: Order) -> bool:
    """Whether a filter is checked on each record of the order's index until the page is full.

    Else what passes is found by the filter's own index: for an order that begins with its property, and for single
    numbers, which may be rare, to be sorted.
    """
    is_own_order = condition.of is order[0].of
    wants_numbers = condition.of is Property.NUMBER_OF_ATTENDEES and condition.operator in (Operator.EQ, Operator.IN)
    return not is_own_order and not wants_numbers


def where_slice(of: Property, value: Fragment) -> Fragment:
    return sql("{} = {}", COLUMNS[of], value)


def hide_value(of: Property, value: Parameter) -> Fragment:
    """A value as a sub-select, which keeps it from the planner.

    For a frequent value it would search the whole site in the asked order, in vain where the last records lack it.
    """
    return sql("(SELECT {}::{})", value, COLUMN_TYPES[of])


def check_filter(condition: Filter | None) -> tuple[Fragment, ...]:
    """A filter that no index answers, for another one is to be read: `IS TRUE` changes nothing else."""
    return tuple(sql("({}) IS TRUE", comparison) for comparison in where_filter(condition))


def list_values(site: Parameter, condition: Filter) -> Fragment:
    """The values whose slices hold what passes the filter, as `wanted`."""
    if isinstance(condition.value, tuple):
        return unnest_values(condition.of, CONDITION_VALUES)
    comparison = sql(COMPARISONS[condition.operator], sql("value"), CONDITION_VALUE)
    return sql("(\n{}\nSELECT value FROM step WHERE {}\n) AS wanted", step_through(site, condition.of), comparison)


def unnest_values(of: Property, values: Parameter) -> Fragment:
    """Values as rows `wanted`, with their positions counted from 1."""
    template = "unnest({}::{}[]) WITH ORDINALITY AS wanted (value, position)"
    return sql(template, values, COLUMN_TYPES[of])


def step_through(site: Parameter, of: Property) -> Fragment:
    """The distinct values of a property in a site, each found in the index by one step from the last; then null."""
    column = COLUMNS[of]
    template = "SELECT {} FROM {} WHERE {} ORDER BY {} LIMIT 1"
    first = sql(template, column, TABLE, where_site(site), column)
    following = sql(template, column, TABLE, all_of((where_site(site), sql("{} > step.value", column))), column)
    return sql(
        "WITH RECURSIVE step (value) AS (\n({})\nUNION ALL\nSELECT ({}) FROM step WHERE value IS NOT NULL\n)",
        first,
        following,
    )


def select_records(
    outputs: Fragment, source: Source, bounds: Sequence[Fragment], *, backward: bool, most: int
) -> Fragment:
    """The first records of a source within the bounds, in its order or backward. The outputs hold the order's keys."""
    one_slice = select_slice(outputs, source, bounds, backward=backward, most=most)
    if source.values is None:
        return one_slice
    template = "SELECT slice.*\nFROM {}\nCROSS JOIN LATERAL (\n{}\n) AS slice\nORDER BY {}\n{}"
    return sql(template, source.values, one_slice, order_outputs_by(source.order, backward=backward), limit(most))


def select_slice(
    outputs: Fragment, source: Source, bounds: Sequence[Fragment], *, backward: bool, most: int
) -> Fragment:
    """The first records of one slice, or of the whole site.

    A slice that must be sorted is read as a whole first, behind OFFSET 0: else the planner may search the whole site
    in the asked order for it.
    """
    records, conditions = TABLE, (*source.found, *source.checked, *bounds)
    if source.must_be_sorted:
        records = sql("(\nSELECT * FROM {} WHERE {} OFFSET 0\n) AS records", TABLE, all_of(source.found))
        conditions = (*source.checked, *bounds)
    where = sql("WHERE {}\n", all_of(conditions)) if conditions else sql("")
    template = "SELECT {}\nFROM {}\n{}ORDER BY {}\n{}"
    return sql(template, outputs, records, where, order_by(source.order, backward=backward), limit(most))


def select_any(source: Source, bounds: Sequence[Fragment], *, backward: bool) -> Fragment:
    """TRUE where the source has a record within the bounds.

    An ordered look at one record, and not EXISTS, whose ORDER BY the planner would drop: it must start at the bound.
    """
    one_slice = select_slice(sql("TRUE"), source, bounds, backward=backward, most=1)
    if source.values is None:
        return one_slice
    return sql("SELECT TRUE\nFROM {}\nCROSS JOIN LATERAL (\n{}\n) AS slice\nLIMIT 1", source.values, one_slice)


def limit(most: int) -> Fragment:
    """The limit as a part of the text: the planner must know it, or it would plan for a tenth of the table."""
    return sql(f"LIMIT {int(most)}")
