"""The inputs of the query contract, and the arguments of its fields."""

from collections.abc import Mapping, Sequence
from enum import Enum
from typing import Annotated, Any

import strawberry

from app.plan.filter import Filter, Perspective

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


@strawberry.enum(description="What an absence stands for: all attendances of one booking, or those of one session.")
class AbsenceGrouping(Enum):
    BOOKING = strawberry.enum_value("BOOKING", description="Bookings that did not come.")
    SESSION = strawberry.enum_value("SESSION", description="Sessions that bookings did not come to.")


DEFAULT_GROUPING: Any = AbsenceGrouping.BOOKING
DEFAULT_ORDER_NAMES: Any = [AttendanceOrder.ID_ASC]


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


# Resolvers receive parts of a plan for these arguments: see `app.schema.arguments`.
PerspectiveArgument = Annotated[
    Perspective | None,
    strawberry.argument(
        graphql_type=AttendancePerspective | None,
        description="Whose attendance to look at: one booking's, or one session's. Absent: the whole site's.",
    ),
]
FilterArgument = Annotated[
    Filter | None,
    strawberry.argument(graphql_type=AttendanceFilter | None, description="At most one filter on one property."),
]
OrderArgument = Annotated[
    Sequence[str],
    strawberry.argument(
        graphql_type=list[AttendanceOrder],
        description="Up to five properties, each once; `id` ascending decides between equals.",
    ),
]
FirstArgument = Annotated[
    int | None, strawberry.argument(description="How many records to read from the start: 0 to 100, 50 when absent.")
]
AfterArgument = Annotated[str | None, strawberry.argument(description="Read what follows this cursor.")]
LastArgument = Annotated[
    int | None, strawberry.argument(description="How many records to read from the end: 0 to 100; not with `first`.")
]
BeforeArgument = Annotated[str | None, strawberry.argument(description="Read what precedes this cursor.")]
GroupingArgument = Annotated[
    str, strawberry.argument(graphql_type=AbsenceGrouping, description="Absences of bookings, or of sessions.")
]
MinimumRecordedArgument = Annotated[
    int, strawberry.argument(description="How many attendances must say whether anybody came: at least one.")
]
MinimumMissedShareArgument = Annotated[
    float, strawberry.argument(description="How many of those must say that nobody did, as a share from 0 to 1.")
]
ChangesFirstArgument = Annotated[
    int | None, strawberry.argument(description="How many changes to read: 0 to 100, 100 when absent.")
]
ChangesAfterArgument = Annotated[
    str | None, strawberry.argument(description="Read what has changed since this cursor.")
]
IdArgument = Annotated[strawberry.ID, strawberry.argument(description="GUID of the record.")]
IdsArgument = Annotated[list[strawberry.ID], strawberry.argument(description="GUIDs of the records, at most 100.")]


@strawberry.input(description="The attendance of one booking at one session.")
class AttendanceInput:
    booking_id: strawberry.ID = strawberry.field(description="GUID of the booking.")
    session_id: strawberry.ID = strawberry.field(description="Id of the session: 1 to 250 characters.")
    status: AttendanceStatus = strawberry.field(description="Whether anybody came.")
    number_of_attendees: int | None = strawberry.field(
        default=strawberry.UNSET,
        description="Absent or null: as many as were recorded before; for a new record 1.",
    )


InputArgument = Annotated[
    Mapping[str, Any],
    strawberry.argument(graphql_type=AttendanceInput, description="The attendance to record."),
]
InputsArgument = Annotated[
    Sequence[Mapping[str, Any]],
    strawberry.argument(
        graphql_type=list[AttendanceInput],
        description="The attendances to record: 1 to 100, each of another key.",
    ),
]
