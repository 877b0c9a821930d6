"""The arguments of fields as plain values by their GraphQL names, and how they become parts of a plan.

Resolvers and compiled operations read their arguments here, whatever they were coerced by: null and absent are one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import Enum
from functools import lru_cache, partial
from typing import Any, NamedTuple

import strawberry
from strawberry.utils.str_converters import to_camel_case

from app.errors import BadUserInput
from app.plan.filter import Filter, Operator, Perspective, plan_filter, plan_perspective
from app.plan.order import DEFAULT_ORDER, Order, plan_order
from app.plan.page import PageArguments
from app.plan.properties import check_guid, find_guids
from app.schema.names import ORDER_KEYS, PROPERTIES_OF_FIELDS

PERSPECTIVE_TYPE, FILTER_TYPE, ORDER_TYPE = "AttendancePerspective", "AttendanceFilter", "[AttendanceOrder!]"
MOST_IDS = 100
MOST_ORDERS = 1000
PERSPECTIVES = {name: (of, f"perspective.{name}") for name, of in PROPERTIES_OF_FIELDS.items()}
COMPARISONS = {
    (name, operator.value): (of, operator, f"filter.{name}.{operator}")
    for name, of in PROPERTIES_OF_FIELDS.items()
    for operator in Operator
}

Arguments = Mapping[str, Any]


class ConnectionRequest(NamedTuple):
    """What the arguments ask for that all connection fields share."""

    condition: Filter | None
    order: Order
    page: PageArguments


def read_connection_arguments(given: Arguments, most_in_values: int) -> ConnectionRequest:
    """What a connection is asked for, by lists of so many values at most. Raises BadUserInput naming the argument."""
    condition, order = read_filter(given.get("filter"), most_in_values), read_order(given.get("orderBy"))
    return build_connection_request({**given, "filter": condition, "orderBy": order})


def build_connection_request(given: Arguments) -> ConnectionRequest:
    """The same of arguments whose filter and order are parts of a plan already."""
    get = given.get
    page = PageArguments(get("first"), get("after"), get("last"), get("before"))
    return ConnectionRequest(get("filter"), get("orderBy", DEFAULT_ORDER), page)


def find_reader(type_name: str, most_in_values: int) -> Callable[[Any], Any] | None:
    """How a value of a type becomes a part of a plan; None for what stays what it is until it is all planned."""
    readers: dict[str, Callable[[Any], Any]] = {
        PERSPECTIVE_TYPE: read_perspective,
        FILTER_TYPE: partial(read_filter, most_in_values=most_in_values),
        ORDER_TYPE: read_order,
    }
    return readers.get(type_name)


def read_perspective(given: Arguments | None) -> Perspective | None:
    """The perspective that an argument asks for. Raises BadUserInput naming the argument."""
    if given is None:
        return None
    name, value = find_one(given, "perspective")
    of, argument = PERSPECTIVES[name]
    return plan_perspective(of, value, argument)


def read_filter(given: Arguments | None, most_in_values: int) -> Filter | None:
    """The filter that an argument asks for, in its simplest form. Raises BadUserInput naming the argument."""
    if given is None:
        return None
    name, comparison = find_one(given, "filter")
    operator, value = find_one(comparison, "filter", name)
    of, compares, argument = COMPARISONS[name, operator]
    return plan_filter(of, compares, value, argument, most_in_values)


def read_order(given: Sequence[str] | None) -> Order:
    """The order that an argument asks for. Raises BadUserInput when a property occurs twice."""
    return recall_order(tuple(given)) if given else DEFAULT_ORDER


@lru_cache(MOST_ORDERS)
def recall_order(names: tuple[str, ...]) -> Order:
    return plan_order([ORDER_KEYS[name] for name in names])


def read_ids(given: Sequence[str]) -> list[str]:
    """The ids of the `nodes` field. Raises BadUserInput for more than 100, or when one is no GUID."""
    if len(given) > MOST_IDS:
        raise BadUserInput(f"`ids` takes at most {MOST_IDS} ids; {len(given)} were given.", argument="ids")
    return find_guids(given) or [
        check_guid(text, "ids", place=f"; id {position} of the list is not one")
        for position, text in enumerate(given, start=1)
    ]


def find_one(given: Arguments, *place: str) -> tuple[str, Any]:
    """The one field that is given of an input with `@oneOf`, which stands at a place below the arguments.

    The type system sees to it before; this holds where a gateway has dropped the directive from its schema.
    """
    if len(given) == 1:
        ((name, value),) = given.items()
        if value is not None:
            return name, value
    argument = ".".join(place)
    raise BadUserInput(f"`{argument}` takes exactly one field, and not null.", argument=argument)


def to_plain(value: Any) -> Any:
    """An argument as Strawberry gives it, as a plain value: an enum's name, an input's fields by their names."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    if is_dataclass(value):
        given = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name_field(name): to_plain(each) for name, each in given if each is not strawberry.UNSET}
    return value


def name_field(python_name: str) -> str:
    """The GraphQL name of an input's field: `in` is no name in Python."""
    return to_camel_case(python_name.rstrip("_"))


def collect_arguments(**given: Any) -> dict[str, Any]:
    """The arguments of a resolver, as plain values by their GraphQL names; those that are absent are left out."""
    return {name: to_plain(value) for name, value in given.items() if value is not strawberry.UNSET}
