"""Finds the records of a page: in the index of its order, or in slices of the index of one property.

A slice is the records of a site that share one value of a property; the property's index has them sorted by id. A
statement is prepared once for all sites and values, so the planner knows neither the size of the site nor how frequent
a value is. A plan for an average site would sort or search all records of a large one. So each statement is written
for one index.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from app.plan.filter import Filter, Operator, Perspective
from app.plan.order import DEFAULT_ORDER, Order
from app.plan.properties import Property
from app.sql.arrays import cast_array, write_array
from app.sql.catalogue import COLUMN_TYPES, COLUMNS, TABLE
from app.sql.conditions import COMPARISONS, NO_CONDITION, all_of, order_by, order_outputs_by, where_filter, where_site
from app.sql.fragment import Fragment, Parameter, sql

NARROW_PROPERTIES = frozenset({Property.ID, Property.BOOKING_ID, Property.SESSION_ID})
WANTED = sql("wanted.value")
PERSPECTIVE_VALUE = Parameter(attrgetter("perspective"))
FILTER_VALUE = Parameter(attrgetter("filter"))
FILTER_VALUES = Parameter(lambda values: write_array(values.filter))


@dataclass(frozen=True, slots=True)
class Source:
    """Records of one site, and their order.

    `found` are the conditions that an index answers, `checked` those that are checked on each record. `slice_of` is the
    property that `found` compares with one value, if it does. If slices of several values are read, `values` lists the
    values as rows `wanted`.
    """

    found: tuple[Fragment, ...]
    order: Order
    checked: tuple[Fragment, ...] = ()
    slice_of: Property | None = None
    values: Fragment | None = None

    @property
    def must_be_sorted(self) -> bool:
        return self.slice_of is not None and self.order != DEFAULT_ORDER


def find_records(site: Parameter, perspective: Perspective | None, filter_: Filter | None, order: Order) -> Source:
    """The records of a perspective and a filter, by the index that reads the fewest other records in this order."""
    if perspective is not None:
        value = hide_value(perspective.of, PERSPECTIVE_VALUE)
        return find_slice(site, perspective.of, value, order, check_filter(filter_))
    if filter_ is None:
        return Source((where_site(site),), order)
    if not reads_slices(filter_, order):
        checked = check_filter(filter_) if is_checked_in_order(filter_, order) else where_filter(filter_, order)
        return Source((where_site(site),), order, checked)
    if filter_.operator is Operator.EQ:
        return find_slice(site, filter_.of, hide_value(filter_.of, FILTER_VALUE), order)
    found = (where_site(site), where_slice(filter_.of, WANTED))
    return Source(found, order, slice_of=filter_.of, values=list_values(site, filter_))


def find_slice(
    site: Parameter, of: Property, value: Fragment, order: Order, checked: tuple[Fragment, ...] = NO_CONDITION
) -> Source:
    """The records of one slice."""
    found = (where_site(site), where_slice(of, value))
    return Source(found, order_in_slice(of, order), checked, slice_of=of)


def order_in_slice(of: Property, order: Order) -> Order:
    """The order without this property, which has the same value in the whole slice."""
    return tuple(key for key in order if key.of is not of) or order


def reads_slices(filter_: Filter, order: Order) -> bool:
    """Whether the records that pass a filter over the whole site are read slice by slice.

    A range of numbers in the order of ids is read slice by slice, because a site has few different numbers, and no
    index has such a range in the order of ids.
    """
    if filter_.of in NARROW_PROPERTIES:
        return filter_.operator is not Operator.NE
    if filter_.operator is Operator.EQ:
        return order_in_slice(filter_.of, order) == DEFAULT_ORDER
    return order == DEFAULT_ORDER


def is_checked_in_order(filter_: Filter, order: Order) -> bool:
    """Whether a filter is checked on each record of the order's index until the page is full.

    Otherwise the filter's own index finds the records: for an order that begins with the filter's property, and for
    single numbers, which may be rare; their records are sorted then.
    """
    is_own_order = filter_.of is order[0].of
    wants_numbers = filter_.of is Property.NUMBER_OF_ATTENDEES and filter_.operator in (Operator.EQ, Operator.IN)
    return not is_own_order and not wants_numbers


def where_slice(of: Property, value: Fragment) -> Fragment:
    return sql("{} = {}", COLUMNS[of], value)


def hide_value(of: Property, value: Parameter) -> Fragment:
    """A value as a sub-select, which hides it from the planner.

    For a frequent value, the planner would search the whole site in the requested order. That reads nearly all records
    if only the last ones have the value.
    """
    return sql("(SELECT {}::{})", value, COLUMN_TYPES[of])


def check_filter(filter_: Filter | None) -> tuple[Fragment, ...]:
    """A filter that is checked on each record. `IS TRUE` keeps the planner from choosing the filter's own index."""
    return tuple(sql("({}) IS TRUE", comparison) for comparison in where_filter(filter_))


def list_values(site: Parameter, filter_: Filter) -> Fragment:
    """The values that pass the filter, as rows `wanted`: one slice is read for each."""
    if isinstance(filter_.value, tuple):
        return unnest_values(filter_.of, FILTER_VALUES)
    comparison = sql(COMPARISONS[filter_.operator], sql("value"), FILTER_VALUE)
    return sql("(\n{}\nSELECT value FROM step WHERE {}\n) AS wanted", step_through(site, filter_.of), comparison)


def unnest_values(of: Property, values: Parameter) -> Fragment:
    """Values as rows `wanted`, with their positions counted from 1."""
    return sql("unnest({}) WITH ORDINALITY AS wanted (value, position)", cast_array(values, of))


def step_through(site: Parameter, of: Property) -> Fragment:
    """The distinct values of a property in a site, each found by one index step from the one before; then null."""
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
    """The first records of a source within the bounds, in its order or backward. `outputs` include the order's keys."""
    one_slice = select_slice(outputs, source, bounds, backward=backward, most=most)
    if source.values is None:
        return one_slice
    template = "SELECT slice.*\nFROM {}\nCROSS JOIN LATERAL (\n{}\n) AS slice\nORDER BY {}\n{}"
    return sql(template, source.values, one_slice, order_outputs_by(source.order, backward=backward), limit(most))


def select_slice(
    outputs: Fragment, source: Source, bounds: Sequence[Fragment], *, backward: bool, most: int
) -> Fragment:
    """The first records of one slice, or of the whole site.

    A slice that must be sorted is read as a whole first, in a sub-select with OFFSET 0: otherwise the planner may
    search the whole site in the requested order.
    """
    records, conditions = TABLE, (*source.found, *source.checked, *bounds)
    if source.must_be_sorted:
        records = sql("(\nSELECT * FROM {} WHERE {} OFFSET 0\n) AS records", TABLE, all_of(source.found))
        conditions = (*source.checked, *bounds)
    where = sql("WHERE {}\n", all_of(conditions)) if conditions else sql("")
    template = "SELECT {}\nFROM {}\n{}ORDER BY {}\n{}"
    return sql(template, outputs, records, where, order_by(source.order, backward=backward), limit(most))


def select_any(source: Source, bounds: Sequence[Fragment], *, backward: bool) -> Fragment:
    """TRUE if the source has a record within the bounds.

    This is an ordered SELECT of one record, so that the search starts at the bound. In EXISTS, the planner would drop
    the ORDER BY.
    """
    one_slice = select_slice(sql("TRUE"), source, bounds, backward=backward, most=1)
    if source.values is None:
        return one_slice
    return sql("SELECT TRUE\nFROM {}\nCROSS JOIN LATERAL (\n{}\n) AS slice\nLIMIT 1", source.values, one_slice)


def limit(most: int) -> Fragment:
    """The limit as text, which the planner can use. For a parameter, it would plan to read a tenth of the table."""
    return sql(f"LIMIT {int(most)}")
