"""Which records to read: the perspective of a booking or a session, and at most one filter on one property."""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from app.errors import BadUserInput
from app.plan.properties import GUID_PROPERTIES, PARSERS, STATUSES, Property, Value, find_guids, parse_value

MOST_IN_VALUES = 100


class Operator(StrEnum):
    __hash__ = str.__hash__

    EQ = "eq"
    NE = "ne"
    IN = "in"
    LT = "lt"
    LE = "le"
    GT = "gt"
    GE = "ge"


class Perspective(NamedTuple):
    """The records of one booking or of one session. `of` is BOOKING_ID or SESSION_ID."""

    of: Property
    value: Value


class Filter(NamedTuple):
    """One comparison with one property; for IN, `value` is a sorted tuple of distinct values."""

    of: Property
    operator: Operator
    value: Value | tuple[Value, ...]


def plan_perspective(of: Property, text: str, argument: str) -> Perspective:
    """The perspective of the booking or session with this id. Raises BadUserInput naming the argument."""
    return Perspective(of, PARSERS[of](text, argument))


def plan_filter(
    of: Property,
    operator: Operator,
    value: str | int | Sequence[str | int],
    argument: str,
) -> Filter | None:
    """The filter in its simplest form: None if every record passes it.

    Filters with the same meaning become equal: `in` of one value is `eq`, and `ne` of a status is `in` of the others.
    Raises BadUserInput naming the argument for a malformed value, or a list of more than 100.
    """
    if operator is Operator.IN:
        assert isinstance(value, Sequence)
        values = plan_values(of, value, argument)
    elif of is Property.STATUS and operator is Operator.NE:
        values = tuple(status for status in STATUSES if status != value)
    else:
        assert isinstance(value, (str, int))
        return Filter(of, operator, parse_value(of, value, argument))
    if of is Property.STATUS and len(values) == len(STATUSES):
        return None
    return Filter(of, Operator.EQ, values[0]) if len(values) == 1 else Filter(of, Operator.IN, values)


def plan_values(of: Property, values: Sequence[str | int], argument: str) -> tuple[Value, ...]:
    """The values of an `in`, sorted and distinct. Raises BadUserInput for too many values, or for a malformed one."""
    if len(values) > MOST_IN_VALUES:
        raise BadUserInput(
            f"`{argument}` takes at most {MOST_IN_VALUES} values; {len(values)} were given.", argument=argument
        )
    parsed: Sequence[Value] | None = find_guids(values) if of in GUID_PROPERTIES else None
    parsed = parsed or [parse_value(of, value, f"{argument}.{index}") for index, value in enumerate(values)]
    return tuple(sorted(set(parsed)))
