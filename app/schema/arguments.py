"""Turns arguments into parts of plans: resolvers receive a Perspective and a Filter instead of the callers' inputs.

The engine plans these arguments while it coerces them. Strawberry does the same when the schema is executed without the
engine.
"""

from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any

from strawberry.types import get_object_definition

from app.errors import BadUserInput
from app.plan.filter import Filter, Operator, Perspective, plan_filter, plan_perspective
from app.plan.order import DEFAULT_ORDER, Order, plan_order
from app.plan.properties import Property, check_guids
from app.schema.inputs import (
    AbsenceGrouping,
    AttendanceFilter,
    AttendanceInput,
    AttendanceOrder,
    AttendancePerspective,
)
from app.schema.names import GROUPINGS, ORDER_KEYS, PROPERTIES_OF_FIELDS

MOST_IDS = 100
MOST_ORDERS = 1000
PERSPECTIVE_TYPE, FILTER_TYPE = "AttendancePerspective", "AttendanceFilter"
PERSPECTIVES = {name: (of, f"perspective.{name}") for name, of in PROPERTIES_OF_FIELDS.items()}
COMPARISONS = {
    (name, operator.value): (of, operator, f"filter.{name}.{operator}")
    for name, of in PROPERTIES_OF_FIELDS.items()
    for operator in Operator
}
ALL_ORDER_KEYS: Mapping[Any, Any] = {**ORDER_KEYS, **{each: ORDER_KEYS[each.name] for each in AttendanceOrder}}
ALL_GROUPINGS: Mapping[Any, Property] = {**GROUPINGS, **{each: GROUPINGS[each.name] for each in AbsenceGrouping}}

Arguments = Mapping[str, Any]


def read_perspective(given: Arguments) -> Perspective:
    """The perspective of an input. Raises BadUserInput naming the argument."""
    name, value = find_one(given, "perspective")
    of, argument = PERSPECTIVES[name]
    return plan_perspective(of, value, argument)


def read_filter(given: Arguments) -> Filter | None:
    """The filter of an input, in its simplest form. Raises BadUserInput naming the argument."""
    name, comparison = find_one(given, "filter")
    operator, value = find_one(comparison, "filter", name)
    of, compares, argument = COMPARISONS[name, operator]
    return plan_filter(of, compares, value, argument)


def read_order(given: Sequence[str]) -> Order:
    """The order of an argument. Raises BadUserInput when a property occurs twice."""
    return cached_order(tuple(given)) if given else DEFAULT_ORDER


@lru_cache(MOST_ORDERS)
def cached_order(names: tuple[str, ...]) -> Order:
    return plan_order([ALL_ORDER_KEYS[name] for name in names])


def read_grouping(given: str) -> Property:
    """The property that absences are grouped by."""
    return ALL_GROUPINGS[given]


def read_ids(given: Sequence[str]) -> list[str]:
    """The ids of the `nodes` field. Raises BadUserInput for more than 100, or when one is no GUID."""
    if len(given) > MOST_IDS:
        raise BadUserInput(f"`ids` takes at most {MOST_IDS} ids; {len(given)} were given.", argument="ids")
    return check_guids(given, "ids")


def find_one(given: Arguments, *path: str) -> tuple[str, Any]:
    """The name and the value of the only field of a `@oneOf` input; `path` is the path of the input's argument.

    Coercion has refused any other input before; this is a second check. Raises BadUserInput naming the argument.
    """
    if len(given) == 1:
        ((name, value),) = given.items()
        if value is not None:
            return name, value
    argument = ".".join(path)
    raise BadUserInput(f"`{argument}` takes exactly one field, and not null.", argument=argument)


def to_plain(value: Any) -> Any:
    """A coerced input, with names of enum values instead of Python enum members."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, list):
        return [to_plain(each) for each in value]
    return {name: to_plain(each) for name, each in value.items()} if isinstance(value, dict) else value


def plan_inputs_by(input_type: type, plan: Any) -> None:
    """Have Strawberry pass an input through `plan` before it reaches resolvers."""
    get_object_definition(input_type, strict=True).from_input = lambda _type, given, _context: plan(
        to_plain(dict(given))
    )


plan_inputs_by(AttendancePerspective, read_perspective)
plan_inputs_by(AttendanceFilter, read_filter)
plan_inputs_by(AttendanceInput, dict)
