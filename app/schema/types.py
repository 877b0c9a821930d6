"""The types of the query contract: records, the bookings and sessions they belong to, and connections of them.

A field without arguments declares the source of its value; a field with arguments has a resolver that returns a plan.
"""

from datetime import datetime
from typing import Any, ClassVar

import strawberry

from app.plan.filter import plan_perspective
from app.plan.page import ConnectionPlan, PageArguments, plan_connection
from app.plan.properties import Property
from app.plan.summary import Aggregate
from app.schema.arguments import read_order
from app.schema.inputs import (
    DEFAULT_ORDER_NAMES,
    AfterArgument,
    AttendanceStatus,
    BeforeArgument,
    FilterArgument,
    FirstArgument,
    LastArgument,
    OrderArgument,
)
from app.schema.permissions import Permission, require_scopes
from app.schema.sources import Column, Each, Figure, Key, PageRead, Part, Reference, Value, sourced

READ_SCOPES = (require_scopes(Permission.READ),)


def column(of: Property, description: str) -> Any:
    """A field of a record that shows one of its properties."""
    return sourced(Column(of), description, directives=READ_SCOPES)


def planned(resolver: Any, description: str) -> Any:
    """A nested connection, whose resolver returns a plan for the arguments and the parent."""
    return strawberry.field(resolver=resolver, directives=READ_SCOPES, description=description)


@strawberry.interface(description="An object that can be fetched again by its id.")
class Node:
    id: strawberry.ID = sourced(Column(Property.ID), "The id to fetch it by.")


@strawberry.federation.type(
    keys=["id"], description="Whether, and with how many people, a booking's participants attended one session."
)
class Attendance(Node):
    id: strawberry.ID = sourced(Column(Property.ID), "The record's GUID.")
    booking_id: strawberry.ID = column(Property.BOOKING_ID, "GUID of the booking.")
    session_id: strawberry.ID = column(Property.SESSION_ID, "Id of the session: 1 to 250 characters.")
    status: AttendanceStatus = column(Property.STATUS, "Whether anybody came.")
    number_of_attendees: int = column(
        Property.NUMBER_OF_ATTENDEES,
        "How many people attended: 0 or more. It may exceed what was booked (walk-ins).",
    )
    created_at: datetime = column(Property.CREATED_AT, "When the record was made.")
    updated_at: datetime = column(Property.UPDATED_AT, "When the record was last changed.")
    booking: "Booking" = sourced(
        Reference(Property.BOOKING_ID), "The booking that the record belongs to.", directives=READ_SCOPES
    )
    session: "Session" = sourced(
        Reference(Property.SESSION_ID), "The session that the record belongs to.", directives=READ_SCOPES
    )


def plan_attendances_of(
    root: "Booking | Session",
    filter: FilterArgument = None,  # noqa: A002
    order_by: OrderArgument = DEFAULT_ORDER_NAMES,
    first: FirstArgument = None,
    after: AfterArgument = None,
    last: LastArgument = None,
    before: BeforeArgument = None,
) -> ConnectionPlan:
    perspective = plan_perspective(root.property, root.id, "id")
    return plan_connection(perspective, filter, read_order(order_by), PageArguments(first, after, last, before))


@strawberry.federation.type(
    keys=["id"], description="A booking, as this service sees it (a federated entity; its key is `id`)."
)
class Booking:
    property: ClassVar = Property.BOOKING_ID

    id: strawberry.ID = sourced(Key(), "GUID of the booking.")
    attendances: "AttendanceConnection" = planned(
        plan_attendances_of, "Attendance for all sessions related to this booking."
    )


@strawberry.federation.type(
    keys=["id"], description="A session, as this service sees it (a federated entity; its key is `id`)."
)
class Session:
    property: ClassVar = Property.SESSION_ID

    id: strawberry.ID = sourced(Key(), "Id of the session: 1 to 250 characters.")
    attendances: "AttendanceConnection" = planned(
        plan_attendances_of, "Attendance for all bookings related to this session."
    )


@strawberry.type(description="A record and its position in a connection.")
class AttendanceEdge:
    cursor: str = sourced(
        Value("cursor", PageRead.ALL_CURSORS), "The record's position; pass it to `after` or `before`."
    )
    node: Attendance = sourced(Part(), "The record.")


@strawberry.federation.type(shareable=True, description="Both flags are exact, whichever way one pages.")
class PageInfo:
    has_next_page: bool = sourced(Value("has_next", PageRead.HAS_NEXT), "Whether any record follows the page.")
    has_previous_page: bool = sourced(
        Value("has_previous", PageRead.HAS_PREVIOUS), "Whether any record precedes the page."
    )
    start_cursor: str | None = sourced(
        Value("cursors[0] if cursors else None", PageRead.END_CURSORS),
        "Cursor of the page's first record; null on an empty page.",
    )
    end_cursor: str | None = sourced(
        Value("cursors[-1] if cursors else None", PageRead.END_CURSORS),
        "Cursor of the page's last record; null on an empty page.",
    )


@strawberry.type(description="What all matching records add up to, whatever the page.")
class AttendanceSummary:
    total: int = sourced(Figure((Aggregate.TOTAL,), "summary.total"), "How many records match.")
    attended: int = sourced(Figure((Aggregate.ATTENDED,), "summary.attended"), "How many of them are ATTENDED.")
    not_attended: int = sourced(
        Figure((Aggregate.NOT_ATTENDED,), "summary.notAttended"), "How many of them are NOT_ATTENDED."
    )
    not_set: int = sourced(Figure((Aggregate.NOT_SET,), "summary.notSet"), "How many of them are NOT_SET.")
    number_of_attendees: int = sourced(
        Figure((Aggregate.ATTENDEES,), "summary.numberOfAttendees"),
        "How many people attended: the sum of numberOfAttendees over those of the matching records that are ATTENDED.",
    )
    attendance_rate: float | None = sourced(
        Figure((Aggregate.ATTENDED, Aggregate.NOT_ATTENDED), compute="compute_rate"),
        "attended / (attended + notAttended), or null where neither was recorded.",
    )


@strawberry.type(description="A page of attendance records, and what is true of all records that match.")
class AttendanceConnection:
    edges: list[AttendanceEdge] = sourced(
        Each("row", "rows", PageRead.ROWS, has_cursors=True), "The page's records with their cursors."
    )
    nodes: list[Attendance] = sourced(Each("row", "rows", PageRead.ROWS), "The page's records without their edges.")
    page_info: PageInfo = sourced(Part(), "What lies around the page.")
    total_count: int = sourced(
        Figure((Aggregate.TOTAL,), "totalCount"),
        "How many records match, whatever the page. Counted only when asked for.",
    )
    summary: AttendanceSummary = sourced(
        Part(), "What all matching records add up to, whatever the page. Computed only when asked for."
    )
    changes_cursor: str = sourced(
        Value("changes_cursor", PageRead.REVISION),
        "Where `attendanceChanges` goes on from this page without a gap: a cursor of the changes, for the connection's "
        "perspective.",
    )
