"""What is measured: for each case a request to the service, and one to the hand-written endpoint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid5

from benchmarks.baseline import SITES
from benchmarks.data import LARGE_SESSION, RECORDS_A_BOOKING, Sample
from benchmarks.statements import KEYSETS

RECORD = "id bookingId sessionId status numberOfAttendees"
PAGE_FIELDS = f"{{ edges {{ cursor node {{ {RECORD} }} }} pageInfo {{ hasNextPage endCursor }} }}"
PAGE = f"{{ attendances {PAGE_FIELDS} }}"
PAGE_OF_SESSION = f"""
{{
  attendances(perspective: {{sessionId: "{LARGE_SESSION}"}}, filter: {{status: {{eq: ATTENDED}}}}, first: 100)
  {PAGE_FIELDS}
}}
"""
PAGE_OF_SESSION_BY_VARIABLES = f"""
query($perspective: AttendancePerspective, $filter: AttendanceFilter, $orderBy: [AttendanceOrder!]!, $first: Int) {{
  attendances(perspective: $perspective, filter: $filter, orderBy: $orderBy, first: $first) {PAGE_FIELDS}
}}
"""
PAGE_OF_BOOKINGS = f"""
query($bookings: [ID!]!) {{ attendances(filter: {{bookingId: {{in: $bookings}}}}, first: 100) {PAGE_FIELDS} }}
"""
PAGE_BY_ORDER = f"""
query($orderBy: [AttendanceOrder!]!, $after: String) {{
  attendances(orderBy: $orderBy, first: 50, after: $after) {PAGE_FIELDS}
}}
"""
ONE = f"query($id: ID!) {{ attendance(id: $id) {{ {RECORD} }} }}"
SUMMARY = """
query($booking: ID!) {
  attendances(perspective: {bookingId: $booking}) {
    totalCount summary { total attended notAttended notSet numberOfAttendees attendanceRate }
  }
}
"""
ABSENCES = """
{
  absences(minimumMissedShare: 0.2, first: 50) {
    nodes {
      booking { id } missedShare summary { total attended notAttended notSet numberOfAttendees attendanceRate }
    }
    pageInfo { hasNextPage endCursor }
    totalCount
  }
}
"""
ENTITIES = """
query($representations: [_Any!]!) {
  _entities(representations: $representations) {
    ... on Booking { attendances(first: 10) { nodes { id sessionId status } } }
  }
}
"""
BULK = """
mutation($input: [AttendanceInput!]!) {
  bulkSetAttendance(input: $input) {
    results { index attendance { id status } error { code } } totalSuccesses totalFailures
  }
}
"""
SET = f"mutation($input: AttendanceInput!) {{ setAttendance(input: $input) {{ attendance {{ {RECORD} }} }} }}"
REFUSED = f"query($first: Int) {{ attendances(first: $first) {PAGE_FIELDS} }}"
BULK_ITEMS = 100
# More than requests are on their way at once, so that none waits for the records of another.
REQUESTS_APART = 50

MakeBody = Callable[[int], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: the bodies of both requests, made from a number, and how many to send a round.

    `records` is how many of them an answer holds. `goal` is the most that the service may cost, as a multiple of the
    hand-written endpoint's processor time. Requests are of so many `sites` in turn.
    """

    name: str
    title: str
    path: str
    requests: int
    records: int
    make_operation: MakeBody
    make_plain: MakeBody
    goal: float | None = None
    sites: int = 1


@dataclass(frozen=True, slots=True)
class RefusedCase:
    """A request whose answer is an error that names an argument, measured beside a case of the service that succeeds.

    `goal` is the most that it may cost, as a multiple of the other's processor time.
    """

    title: str
    argument: str
    make_operation: MakeBody
    beside: Case
    goal: float


@dataclass(frozen=True, slots=True)
class DeepCase:
    """The first page and a deep one of an order, which are measured against each other."""

    order: str
    first: Case
    deep: Case


def list_cases(sample: Sample) -> list[Case]:
    """The cases of the service as it is in production, in the order of the table; what writes is last."""
    booking = sample.booking_ids[0]
    return [
        Case("page", "page of 50", "/page", 6000, 50, lambda _: operation(PAGE), lambda _: {}, goal=1.1),
        pages_of_sites_case(),
        *list_session_cases(),
        page_of_bookings_case(sample),
        record_case(sample),
        Case(
            "summary",
            "totalCount and summary of a booking",
            "/summary",
            8000,
            0,
            lambda _: operation(SUMMARY, booking=booking),
            lambda _: {"booking": booking},
            goal=1.3,
        ),
        Case(
            "absences",
            "absences: 50 of all bookings of a site",
            "/absences",
            80,
            0,
            lambda _: operation(ABSENCES),
            lambda _: {"recorded": 3, "share": 0.2},
            goal=1.3,
        ),
        entities_case("entities", sample, 100, 900),
        entities_case("entities-1000", sample, 1000, 160),
        Case(
            "set",
            "one set",
            "/set",
            3000,
            1,
            lambda number: operation(SET, input=make_item(sample, number)),
            lambda number: make_item(sample, number),
            goal=1.3,
        ),
        Case(
            "bulk",
            f"bulk of {BULK_ITEMS}",
            "/bulk",
            300,
            BULK_ITEMS,
            lambda number: operation(BULK, input=list(make_items(sample, number))),
            lambda number: {"items": list(make_items(sample, number))},
            goal=1.3,
        ),
    ]


def pages_of_sites_case() -> Case:
    """Each request is of another site than the one before it."""
    return Case(
        "sites",
        f"the same, {len(SITES)} sites in turn",
        "/page",
        6000,
        50,
        lambda _: operation(PAGE),
        lambda number: {"site": number % len(SITES)},
        goal=1.25,
        sites=len(SITES),
    )


def record_case(sample: Sample) -> Case:
    return Case(
        "record",
        "one record",
        "/record",
        9000,
        1,
        lambda _: operation(ONE, id=sample.record_id),
        lambda _: {"id": sample.record_id},
        goal=1.25,
    )


def refused_case(sample: Sample) -> RefusedCase:
    """A page of more records than one may have."""
    return RefusedCase(
        "`first: 101`", "first", lambda _: operation(REFUSED, first=101), beside=record_case(sample), goal=1.5
    )


def list_session_cases() -> list[Case]:
    """A page of a session, whose arguments all come as variables, as clients send them, or stand in the document."""
    variables = {
        "perspective": {"sessionId": LARGE_SESSION},
        "filter": {"status": {"eq": "ATTENDED"}},
        "orderBy": ["ID_ASC"],
        "first": 100,
    }
    return [
        session_case(
            "page-100", "page of 100 in a session, filtered by status", PAGE_OF_SESSION_BY_VARIABLES, **variables
        ),
        session_case("page-100-literals", "the same, its arguments in the document", PAGE_OF_SESSION),
    ]


def session_case(name: str, title: str, query: str, **variables: Any) -> Case:
    return Case(
        name,
        title,
        "/page-of-session",
        4000,
        100,
        lambda _: operation(query, **variables),
        lambda _: {"sessionId": LARGE_SESSION, "status": "ATTENDED"},
        goal=1.1,
    )


def page_of_bookings_case(sample: Sample) -> Case:
    bookings = list(sample.booking_ids[:100])
    return Case(
        "in",
        "page of 100 of 100 bookings, by `in`",
        "/page-of-bookings",
        1600,
        100,
        lambda _: operation(PAGE_OF_BOOKINGS, bookings=bookings),
        lambda _: {"bookings": bookings},
        goal=1.2,
    )


def entities_case(name: str, sample: Sample, count: int, requests: int) -> Case:
    bookings = list(sample.booking_ids[:count])
    representations = [{"__typename": "Booking", "id": each} for each in bookings]
    return Case(
        name,
        f"{count:,} bookings x attendances(first: 10) by _entities",
        "/entities",
        requests,
        count * RECORDS_A_BOOKING,
        lambda _: operation(ENTITIES, representations=representations),
        lambda _: {"bookings": bookings},
        goal=1.1,
    )


def list_deep_cases(sample: Sample) -> list[DeepCase]:
    """For each order its first page, and the page behind the record at the sample's rank."""
    return [
        DeepCase(
            order,
            order_case(order, f"first page by {order}"),
            order_case(
                order,
                f"page at rank {sample.rank:,} by {order}",
                sample.cursors[order],
                sample.plain_cursors[order],
            ),
        )
        for order in KEYSETS
    ]


def order_case(order: str, title: str, cursor: str | None = None, plain_cursor: str | None = None) -> Case:
    return Case(
        "deep",
        title,
        "/page",
        4000,
        50,
        lambda _: operation(PAGE_BY_ORDER, orderBy=[order], after=cursor),
        lambda _: {"order": order, "after": plain_cursor},
    )


def make_items(sample: Sample, number: int) -> Iterator[dict[str, Any]]:
    """Half of the items are new; the other half change what an earlier request has made."""
    made, changed = (f"benchmark {uuid5(SITES[0], str(each))}" for each in (number, number - REQUESTS_APART))
    for booking in sample.booking_ids[: BULK_ITEMS // 2]:
        yield {"bookingId": booking, "sessionId": made, "status": "ATTENDED", "numberOfAttendees": 1}
        yield {"bookingId": booking, "sessionId": changed, "status": "NOT_ATTENDED", "numberOfAttendees": 0}


def make_item(sample: Sample, number: int) -> dict[str, Any]:
    """Every other item is new; the others change what an earlier request has made."""
    is_new = number % 2 == 0
    made = number if is_new else number - 1 - REQUESTS_APART
    return {
        "bookingId": sample.booking_ids[made % len(sample.booking_ids)],
        "sessionId": f"benchmark of one {uuid5(SITES[0], str(made))}",
        "status": "ATTENDED" if is_new else "NOT_ATTENDED",
        "numberOfAttendees": 1 if is_new else 0,
    }


def operation(query: str, **variables: Any) -> dict[str, Any]:
    return {"query": query, "variables": variables}
