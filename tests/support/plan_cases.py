"""What can be asked of the large site: every filter, every order, and pages near and deep."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from app.plan.filter import Filter, Operator, Perspective, plan_filter
from app.plan.order import Order, OrderKey, plan_order
from app.plan.page import PageArguments, PagePlan, PageSelection
from app.plan.properties import Property
from tests.support.large_site import RECORDS, LargeSite
from tests.support.plans import plan_page

SIZE = 50
DEEP = 150_000
WANTS = PageSelection(rows=True, columns=frozenset(Property), has_next=True, has_previous=True)
PROPERTIES = tuple(Property)[:5]
NARROW_PROPERTIES = (Property.ID, Property.BOOKING_ID, Property.SESSION_ID)
PARENTS = (Property.BOOKING_ID, Property.SESSION_ID)
DESCENDING = "number_of_attendees descending"
ORDERS: dict[str, Order] = {
    **{of.value: plan_order([OrderKey(of)]) for of in PROPERTIES},
    DESCENDING: plan_order([OrderKey(Property.NUMBER_OF_ATTENDEES, descending=True)]),
}

Picks = Callable[[LargeSite], Any]
FilterCase = tuple[Property, Operator, Picks]


def pick(of: Property, count: int) -> Picks:
    return lambda large: [str(value) for value in large.values[of][:count]]


def pick_one(of: Property) -> Picks:
    return lambda large: str(large.values[of][0])


def exactly(value: Any) -> Picks:
    return lambda _large: value


def list_filters() -> dict[str, FilterCase]:
    """Each property with each operator, and values that let few, many or no records pass."""
    cases: dict[str, FilterCase] = {}
    for of in NARROW_PROPERTIES:
        cases |= {f"{of} {operator}": (of, operator, pick_one(of)) for operator in (Operator.EQ, Operator.NE)}
        cases |= {f"{of} in {count}": (of, Operator.IN, pick(of, count)) for count in (1, 3, 100)}
    for operator in (Operator.EQ, Operator.NE):
        for status in ("ATTENDED", "NOT_ATTENDED", "NOT_SET"):
            cases[f"status {operator} {status}"] = (Property.STATUS, operator, exactly(status))
    for statuses in (["NOT_SET"], ["ATTENDED", "NOT_SET"], ["NOT_ATTENDED", "NOT_SET"]):
        cases[f"status in {'+'.join(statuses)}"] = (Property.STATUS, Operator.IN, exactly(statuses))
    for operator in (one for one in Operator if one is not Operator.IN):
        for number in (-1, 0, 1, 20, 30):
            cases[f"number {operator} {number}"] = (Property.NUMBER_OF_ATTENDEES, operator, exactly(number))
    for numbers in ([1], [0, 1, 2], [28, 29, 30], list(range(100))):
        name = f"number in {len(numbers)} from {numbers[0]}"
        cases[name] = (Property.NUMBER_OF_ATTENDEES, Operator.IN, exactly(numbers))
    return cases


FILTERS = list_filters()
NARROW_FILTERS = [name for name, (of, operator, _) in FILTERS.items() if of in NARROW_PROPERTIES and operator != "ne"]
OTHER_FILTERS = [name for name, case in FILTERS.items() if case[0] not in NARROW_PROPERTIES]


def plan_case(large: LargeSite, name: str) -> Filter | None:
    of, operator, picks = FILTERS[name]
    return plan_filter(of, operator, picks(large), "filter")


def plan_site_page(
    perspective: Perspective | None, condition: Filter | None, order: Order, **arguments: Any
) -> PagePlan:
    """A page with everything selected, by the caller's arguments."""
    return plan_page(perspective, condition, order, PageArguments(**arguments), WANTS)


async def list_pages(
    large: LargeSite, perspective: Perspective | None, condition: Filter | None, order: Order
) -> dict[str, PagePlan]:
    """The pages at both ends, at a deep record, at one that is gone, at one that does not match, and in a range."""
    whole, site = plan_site_page(perspective, condition, order), plan_site_page(None, None, order)
    matching = await large.count_records(whole)
    stranger = await large.find_position(site, DEEP)
    record = await large.find_position(whole, min(DEEP, matching * 3 // 4)) if matching else stranger
    gone = (*record[:-1], UUID(int=record[-1].int + 1))  # type: ignore[union-attr]
    pages: dict[str, dict[str, Any]] = {"first": {"first": SIZE}, "last": {"last": SIZE}}
    for name, position in (("record", record), ("gone", gone), ("stranger", stranger)):
        cursor = whole.cursors.encode(position)
        pages |= {f"after {name}": {"first": SIZE, "after": cursor}, f"before {name}": {"last": SIZE, "before": cursor}}
    low, high = [whole.cursors.encode(await large.find_position(site, rank)) for rank in (RECORDS - DEEP, DEEP)]
    pages |= {f"between, {end}": {end: SIZE, "after": low, "before": high} for end in ("first", "last")}
    return {name: plan_site_page(perspective, condition, order, **arguments) for name, arguments in pages.items()}
