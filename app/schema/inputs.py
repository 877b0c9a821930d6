"""The inputs of the query contract, and how each becomes a part of a plan."""

from collections.abc import Sequence
from dataclasses import fields
from enum import Enum
from typing import Annotated, Any

import strawberry

from app.errors import BadUserInput
from app.plan.filter import Filter, Operator, Perspective, plan_filter, plan_perspective
from app.plan.order import Order, plan_order
from app.plan.properties import Property
from app.schema.names import FIELD_NAMES, ORDER_KEYS

LIST_LIMIT = "Exactly one operator. `in` takes at most 100 values."


@strawberry.enum(description="Whether anybody came to a session.")
class AttendanceStatus(Enum):
    NOT_SET = strawberry.enum_value("NOT_SET", description="No attendance information is available.")
    ATTENDED = strawberry.enum_value("ATTENDED", description="At least one participant attended the session.")
    NOT_ATTENDED = strawberry.enum_value("NOT_ATTENDED", description="No participants attended the session.")


@strawberry.enum(
    description="The orders that the API supports: every property ascending, numberOfAttendees descending too."
)
class AttendanceOrder(Enum):
    ID_ASC = "ID_ASC"
    BOOKING_ID_ASC = "BOOKING_ID_ASC"
    SESSION_ID_ASC = "SESSION_ID_ASC"
    STATUS_ASC = "STATUS_ASC"
    NUMBER_OF_ATTENDEES_ASC = "NUMBER_OF_ATTENDEES_ASC"
    NUMBER_OF_ATTENDEES_DESC = "NUMBER_OF_ATTENDEES_DESC"


@strawberry.input(one_of=True, description="The records of one booking, or those of one session.")
class AttendancePerspective:
    booking_id: strawberry.ID | None = strawberry.UNSET
    session_id: strawberry.ID | None = strawberry.UNSET


@strawberry.input(name="IDFilter", one_of=True, description=LIST_LIMIT)
class IDFilter:
    eq: strawberry.ID | None = strawberry.UNSET
    ne: strawberry.ID | None = strawberry.UNSET
    in_: list[strawberry.ID] | None = strawberry.field(name="in", default=strawberry.UNSET)


@strawberry.input(one_of=True, description="Exactly one operator.")
class AttendanceStatusFilter:
    eq: AttendanceStatus | None = strawberry.UNSET
    ne: AttendanceStatus | None = strawberry.UNSET
    in_: list[AttendanceStatus] | None = strawberry.field(name="in", default=strawberry.UNSET)


@strawberry.input(one_of=True, description=LIST_LIMIT)
class IntFilter:
    eq: int | None = strawberry.UNSET
    ne: int | None = strawberry.UNSET
    in_: list[int] | None = strawberry.field(name="in", default=strawberry.UNSET)
    lt: int | None = strawberry.UNSET
    le: int | None = strawberry.UNSET
    gt: int | None = strawberry.UNSET
    ge: int | None = strawberry.UNSET


@strawberry.input(one_of=True, description="Exactly one property may be given: the API supports one filter per query.")
class AttendanceFilter:
    id: IDFilter | None = strawberry.UNSET
    booking_id: IDFilter | None = strawberry.UNSET
    session_id: IDFilter | None = strawberry.UNSET
    status: AttendanceStatusFilter | None = strawberry.UNSET
    number_of_attendees: IntFilter | None = strawberry.UNSET


PerspectiveArgument = Annotated[
    AttendancePerspective | None,
    strawberry.argument(
        description="Whose attendance to look at: one booking's, or one session's. Absent: the whole site's."
    ),
]
FilterArgument = Annotated[
    AttendanceFilter | None, strawberry.argument(description="At most one filter on one property.")
]
OrderArgument = Annotated[
    list[AttendanceOrder],
    strawberry.argument(description="Up to five properties, each once; `id` ascending decides between equals."),
]
FirstArgument = Annotated[
    int | None, strawberry.argument(description="How many records to read from the start: 0 to 100, 50 when absent.")
]
AfterArgument = Annotated[str | None, strawberry.argument(description="Read what follows this cursor.")]
LastArgument = Annotated[
    int | None, strawberry.argument(description="How many records to read from the end: 0 to 100; not with `first`.")
]
BeforeArgument = Annotated[str | None, strawberry.argument(description="Read what precedes this cursor.")]
IdArgument = Annotated[strawberry.ID, strawberry.argument(description="GUID of the record.")]
IdsArgument = Annotated[list[strawberry.ID], strawberry.argument(description="GUIDs of the records, at most 100.")]


def to_perspective(given: AttendancePerspective | None) -> Perspective | None:
    """The perspective that an argument asks for. Raises BadUserInput naming the argument."""
    if given is None:
        return None
    name, value = find_one(given, "perspective")
    of = Property(name)
    return plan_perspective(of, value, f"perspective.{FIELD_NAMES[of]}")


def to_filter(given: AttendanceFilter | None) -> Filter | None:
    """The filter that an argument asks for, in its simplest form. Raises BadUserInput naming the argument."""
    if given is None:
        return None
    name, comparison = find_one(given, "filter")
    of = Property(name)
    argument = f"filter.{FIELD_NAMES[of]}"
    operator_name, value = find_one(comparison, argument)
    operator = Operator(operator_name.rstrip("_"))
    return plan_filter(of, operator, to_plain(value), f"{argument}.{operator}")


def to_order(given: Sequence[AttendanceOrder]) -> Order:
    """The order that an argument asks for. Raises BadUserInput when a property occurs twice."""
    return plan_order([ORDER_KEYS[order.name] for order in given])


def find_one(given: Any, argument: str) -> tuple[str, Any]:
    """The one field that is given of an input with `@oneOf`.

    The type system sees to it before; this holds where a gateway has dropped the directive from its schema.
    """
    values = {field.name: getattr(given, field.name) for field in fields(given)}
    present = [(name, value) for name, value in values.items() if value is not strawberry.UNSET]
    if len(present) != 1 or present[0][1] is None:
        raise BadUserInput(f"`{argument}` takes exactly one field, and not null.", argument=argument)
    return present[0]


def to_plain(value: Any) -> Any:
    """Statuses as their texts, on their own or in a list."""
    if isinstance(value, list):
        return [to_plain(item) for item in value]
    return value.value if isinstance(value, Enum) else value
