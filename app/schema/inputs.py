"""The inputs of the query contract, and the arguments of its fields."""

from enum import Enum
from typing import Annotated

import strawberry

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
