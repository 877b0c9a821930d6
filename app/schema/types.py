"""The types of the query contract: records, the bookings and sessions they belong to, and connections of them."""

from collections.abc import Awaitable
from datetime import datetime

import strawberry

from app.attendance.reading import Figures
from app.database.pool import Row
from app.errors import BadUserInput
from app.plan.filter import Perspective, plan_perspective
from app.plan.properties import Property
from app.plan.summary import Aggregate
from app.schema.arguments import collect_arguments, read_connection_arguments
from app.schema.connecting import Loaded, read_connection_of_parent
from app.schema.inputs import (
    AfterArgument,
    AttendanceOrder,
    AttendanceStatus,
    BeforeArgument,
    FilterArgument,
    FirstArgument,
    LastArgument,
    OrderArgument,
)
from app.schema.permissions import Permission, require_scopes
from app.schema.selection import ResolveInfo

LARGEST_INTEGER = 2**31 - 1
READ_SCOPES = (require_scopes(Permission.READ),)


@strawberry.interface(description="An object that can be fetched again by its id.")
class Node:
    id: strawberry.ID = strawberry.field(description="The id to fetch it by.")


@strawberry.federation.type(
    keys=["id"], description="Whether, and with how many people, a booking's participants attended one session."
)
class Attendance(Node):
    """A record, resolved from its row, which has the selected properties alone."""

    id: strawberry.ID = strawberry.field(description="GUID.")
    row: strawberry.Private[Row]

    @strawberry.field(description="GUID of the booking.", directives=READ_SCOPES)
    def booking_id(self) -> strawberry.ID:
        return strawberry.ID(str(self.row["booking_id"]))

    @strawberry.field(description="Id of the session: 1 to 250 characters.", directives=READ_SCOPES)
    def session_id(self) -> strawberry.ID:
        return strawberry.ID(self.row["session_id"])

    @strawberry.field(description="Whether anybody came.", directives=READ_SCOPES)
    def status(self) -> AttendanceStatus:
        status: AttendanceStatus = self.row["status"]
        return status

    @strawberry.field(
        description="How many people attended: 0 or more. It may exceed what was booked (walk-ins).",
        directives=READ_SCOPES,
    )
    def number_of_attendees(self) -> int:
        return int(self.row["number_of_attendees"])

    @strawberry.field(description="When the record was made.", directives=READ_SCOPES)
    def created_at(self) -> datetime:
        moment: datetime = self.row["created_at"]
        return moment

    @strawberry.field(description="When the record was last changed.", directives=READ_SCOPES)
    def updated_at(self) -> datetime:
        moment: datetime = self.row["updated_at"]
        return moment

    @strawberry.field(description="The booking that the record belongs to.", directives=READ_SCOPES)
    def booking(self) -> "Booking":
        return Booking(id=strawberry.ID(str(self.row["booking_id"])))

    @strawberry.field(description="The session that the record belongs to.", directives=READ_SCOPES)
    def session(self) -> "Session":
        return Session(id=self.row["session_id"])


def build_attendance(row: Row) -> Attendance:
    """A record from a row, which has its id and the selected properties; nothing resolves the others."""
    return Attendance(id=strawberry.ID(str(row["id"])), row=row)


def resolve_attendances(
    root: "Booking | Session",
    info: ResolveInfo,
    filter: FilterArgument = strawberry.UNSET,  # noqa: A002
    order_by: OrderArgument = [AttendanceOrder.ID_ASC],  # noqa: B006
    first: FirstArgument = strawberry.UNSET,
    after: AfterArgument = strawberry.UNSET,
    last: LastArgument = strawberry.UNSET,
    before: BeforeArgument = strawberry.UNSET,
) -> "Awaitable[AttendanceConnection]":
    given = collect_arguments(filter=filter, orderBy=order_by, first=first, after=after, last=last, before=before)
    request = read_connection_arguments(given, info.context.most_in_values)
    return build_connection(read_connection_of_parent(info, root.perspective(), request))


@strawberry.federation.type(
    keys=["id"], description="A booking, as this service sees it (a federated entity; its key is `id`)."
)
class Booking:
    id: strawberry.ID = strawberry.field(description="GUID of the booking.")
    attendances: "AttendanceConnection" = strawberry.field(
        resolver=resolve_attendances,
        directives=READ_SCOPES,
        description="Attendance for all sessions related to this booking.",
    )

    def perspective(self) -> Perspective:
        return plan_perspective(Property.BOOKING_ID, self.id, "id")


@strawberry.federation.type(
    keys=["id"], description="A session, as this service sees it (a federated entity; its key is `id`)."
)
class Session:
    id: strawberry.ID = strawberry.field(description="Id of the session: 1 to 250 characters.")
    attendances: "AttendanceConnection" = strawberry.field(
        resolver=resolve_attendances,
        directives=READ_SCOPES,
        description="Attendance for all bookings related to this session.",
    )

    def perspective(self) -> Perspective:
        return plan_perspective(Property.SESSION_ID, self.id, "id")


@strawberry.type(description="A record in its place in a connection.")
class AttendanceEdge:
    cursor: str = strawberry.field(description="The record's place; give it to `after` or `before`.")
    node: Attendance = strawberry.field(description="The record.")


@strawberry.federation.type(shareable=True, description="Both flags are exact, whichever way one pages.")
class PageInfo:
    has_next_page: bool = strawberry.field(description="Whether any record follows the page.")
    has_previous_page: bool = strawberry.field(description="Whether any record precedes the page.")
    start_cursor: str | None = strawberry.field(description="Cursor of the page's first record; null on an empty page.")
    end_cursor: str | None = strawberry.field(description="Cursor of the page's last record; null on an empty page.")


@strawberry.type(description="What all matching records add up to, whatever the page.")
class AttendanceSummary:
    figures: strawberry.Private[Figures]

    @strawberry.field(description="How many records match.")
    def total(self) -> int:
        return fit_integer(self.figures[Aggregate.TOTAL], "summary.total")

    @strawberry.field(description="How many of them are ATTENDED.")
    def attended(self) -> int:
        return fit_integer(self.figures[Aggregate.ATTENDED], "summary.attended")

    @strawberry.field(description="How many of them are NOT_ATTENDED.")
    def not_attended(self) -> int:
        return fit_integer(self.figures[Aggregate.NOT_ATTENDED], "summary.notAttended")

    @strawberry.field(description="How many of them are NOT_SET.")
    def not_set(self) -> int:
        return fit_integer(self.figures[Aggregate.NOT_SET], "summary.notSet")

    @strawberry.field(description="Sum of numberOfAttendees over the matching records.")
    def number_of_attendees(self) -> int:
        return fit_integer(self.figures[Aggregate.ATTENDEES], "summary.numberOfAttendees")

    @strawberry.field(description="attended / (attended + notAttended), or null where neither was recorded.")
    def attendance_rate(self) -> float | None:
        return compute_rate(self.figures)


@strawberry.type(description="A page of attendance records, and what is true of all records that match.")
class AttendanceConnection:
    loaded: strawberry.Private[Loaded]

    @strawberry.field(description="The page's records with their cursors.")
    def edges(self) -> list[AttendanceEdge]:
        rows = self.loaded.page.rows
        cursors = self.loaded.write_cursors(rows)
        return [
            AttendanceEdge(cursor=cursor, node=build_attendance(row)) for cursor, row in zip(cursors, rows, strict=True)
        ]

    @strawberry.field(description="The page's records without their edges.")
    def nodes(self) -> list[Attendance]:
        return [build_attendance(row) for row in self.loaded.page.rows]

    @strawberry.field(description="What lies around the page.")
    def page_info(self) -> PageInfo:
        page = self.loaded.page
        ends = self.loaded.write_cursors([page.rows[0], page.rows[-1]] if page.rows else [])
        return PageInfo(
            has_next_page=page.has_next,
            has_previous_page=page.has_previous,
            start_cursor=ends[0] if ends else None,
            end_cursor=ends[-1] if ends else None,
        )

    @strawberry.field(description="How many records match, whatever the page. Counted only when asked for.")
    def total_count(self) -> int:
        return fit_integer(self.loaded.figures[Aggregate.TOTAL], "totalCount")

    @strawberry.field(
        description="What all matching records add up to, whatever the page. Computed only when asked for."
    )
    def summary(self) -> AttendanceSummary:
        return AttendanceSummary(figures=self.loaded.figures)


async def build_connection(reading: Awaitable[Loaded]) -> AttendanceConnection:
    """The connection that is being read."""
    return AttendanceConnection(loaded=await reading)


def compute_rate(figures: Figures) -> float | None:
    """How many of the records that tell whether anybody came are attended; None where none tells."""
    recorded = figures[Aggregate.ATTENDED] + figures[Aggregate.NOT_ATTENDED]
    return figures[Aggregate.ATTENDED] / recorded if recorded else None


def fit_integer(figure: int, field: str) -> int:
    """A figure that GraphQL's Int can hold. Raises BadUserInput naming the field for a larger one."""
    if figure > LARGEST_INTEGER:
        raise BadUserInput(f"`{field}` is beyond what Int can hold; narrow the query by a filter.", argument=field)
    return figure
