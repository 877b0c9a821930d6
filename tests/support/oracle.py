"""A brute-force model of the query contract: lists, predicates and sorting, and nothing of the service's."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.service import Record

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda mine, given: mine == given,
    "ne": lambda mine, given: mine != given,
    "in": lambda mine, given: mine in given,
    "lt": lambda mine, given: mine < given,
    "le": lambda mine, given: mine <= given,
    "gt": lambda mine, given: mine > given,
    "ge": lambda mine, given: mine >= given,
}
SORT_KEYS: dict[str, Callable[[Record], Any]] = {
    "ID_ASC": lambda record: str(record.id),
    "BOOKING_ID_ASC": lambda record: str(record.booking_id),
    "SESSION_ID_ASC": lambda record: record.session_id.encode(),
    "STATUS_ASC": lambda record: record.status,
    "NUMBER_OF_ATTENDEES_ASC": lambda record: record.number_of_attendees,
    "NUMBER_OF_ATTENDEES_DESC": lambda record: -record.number_of_attendees,
}
VALUES: dict[str, Callable[[Record], Any]] = {
    "id": lambda record: str(record.id),
    "bookingId": lambda record: str(record.booking_id),
    "sessionId": lambda record: record.session_id,
    "status": lambda record: record.status,
    "numberOfAttendees": lambda record: record.number_of_attendees,
}


@dataclass(frozen=True, slots=True)
class Query:
    """The arguments of `attendances`, as GraphQL has them; None is absent."""

    perspective: dict[str, str] | None
    filter: dict[str, dict[str, Any]] | None
    order_by: list[str]

    @property
    def variables(self) -> dict[str, Any]:
        return {"perspective": self.perspective, "filter": self.filter, "orderBy": self.order_by}


def find_matching(records: Sequence[Record], query: Query) -> list[Record]:
    """All records that match, in order."""
    found = [record for record in records if matches(record, query)]
    for name in reversed([*query.order_by, "ID_ASC"]):
        found.sort(key=SORT_KEYS[name])
    return found


def matches(record: Record, query: Query) -> bool:
    if any(VALUES[name](record) != value for name, value in (query.perspective or {}).items()):
        return False
    return all(
        COMPARISONS[operator](VALUES[name](record), given)
        for name, comparison in (query.filter or {}).items()
        for operator, given in comparison.items()
    )


@dataclass(frozen=True, slots=True)
class Window:
    """Page arguments, with the cursors as positions in the list of matching records."""

    first: int | None
    after: int | None
    last: int | None
    before: int | None


def cut_page(length: int, window: Window) -> tuple[range, bool, bool]:
    """The positions on the page, and whether records follow and precede it.

    Follows the Relay Cursor Connections specification, "Pagination algorithm", with both flags exact.
    """
    start = 0 if window.after is None else window.after + 1
    stop = length if window.before is None else window.before
    between = range(start, max(start, stop))
    follows, precedes = window.before is not None, window.after is not None
    if window.last is not None:
        page = between[len(between) - window.last :] if window.last < len(between) else between
        return page, follows, precedes or len(between) > len(page)
    page = between[: 50 if window.first is None else window.first]
    return page, follows or len(between) > len(page), precedes


def add_up(records: Sequence[Record]) -> dict[str, Any]:
    """The summary of records."""
    counts = {status: sum(record.status == status for record in records) for status in ("ATTENDED", "NOT_ATTENDED")}
    recorded = sum(counts.values())
    return {
        "total": len(records),
        "attended": counts["ATTENDED"],
        "notAttended": counts["NOT_ATTENDED"],
        "notSet": len(records) - recorded,
        "numberOfAttendees": sum(record.number_of_attendees for record in records if record.status == "ATTENDED"),
        "attendanceRate": counts["ATTENDED"] / recorded if recorded else None,
    }
