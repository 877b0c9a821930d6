"""The types of absences: groups of attendances, by booking or by session, of which many were missed."""

import strawberry

from app.plan.properties import Property
from app.plan.summary import Aggregate
from app.schema.sources import Each, Figure, PageRead, Part, Reference, Value, sourced
from app.schema.types import AttendanceSummary, Booking, PageInfo, Session


@strawberry.type(description="A booking that did not come to many of its sessions, or a session that many missed.")
class Absence:
    booking: Booking | None = sourced(Reference(Property.BOOKING_ID), "The booking, where grouped by bookings.")
    session: Session | None = sourced(Reference(Property.SESSION_ID), "The session, where grouped by sessions.")
    summary: AttendanceSummary = sourced(
        Part(has_row_figures=True), "What the attendances of the booking or session add up to."
    )
    missed_share: float = sourced(
        Value('row["missed_share"]'), "notAttended / (attended + notAttended) of the summary."
    )


@strawberry.type(description="An absence and its position in a connection.")
class AbsenceEdge:
    cursor: str = sourced(
        Value("cursor", PageRead.ALL_CURSORS), "The absence's position; pass it to `after` or `before`."
    )
    node: Absence = sourced(Part(), "The absence.")


@strawberry.type(description="A page of absences: the largest missed share first, then the larger number missed.")
class AbsenceConnection:
    edges: list[AbsenceEdge] = sourced(
        Each("row", "rows", PageRead.ROWS, has_cursors=True), "The page's absences with their cursors."
    )
    nodes: list[Absence] = sourced(Each("row", "rows", PageRead.ROWS), "The page's absences without their edges.")
    page_info: PageInfo = sourced(Part(), "What lies around the page.")
    total_count: int = sourced(
        Figure((Aggregate.TOTAL,), "totalCount"),
        "How many absences there are, whatever the page. Counted only when asked for.",
    )
