"""What is measured: for each case a request to the service, and one to the hand-written endpoint."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid5

import orjson

from benchmarks.data import SITES, Sample

RECORD = "id bookingId sessionId status numberOfAttendees"
PAGE = f"{{ attendances {{ edges {{ cursor node {{ {RECORD} }} }} pageInfo {{ hasNextPage endCursor }} }} }}"
ONE = f"query($id: ID!) {{ attendance(id: $id) {{ {RECORD} }} }}"
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


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the table: the bodies of both requests, made anew for each, and how many to send a round."""

    name: str
    title: str
    path: str
    requests: int
    make_operation: Callable[[int], dict[str, Any]]
    make_plain: Callable[[int], dict[str, Any]]


def list_cases(sample: Sample) -> list[Case]:
    """All cases, in the order of the table."""
    return [
        Case("page", "page of 50", "/page", 1500, lambda _: operation(PAGE), lambda _: {}),
        Case(
            "record",
            "one record",
            "/record",
            2000,
            lambda _: operation(ONE, id=sample.record_id),
            lambda _: {"id": sample.record_id},
        ),
        entities_case("entities", sample, 100, 150),
        entities_case("entities-1000", sample, 1000, 20),
        Case(
            "bulk",
            "bulk of 100",
            "/bulk",
            100,
            lambda number: operation(BULK, input=list(make_items(sample, number))),
            lambda number: {"items": list(make_items(sample, number))},
        ),
    ]


def entities_case(name: str, sample: Sample, count: int, requests: int) -> Case:
    bookings = list(sample.booking_ids[:count])
    representations = [{"__typename": "Booking", "id": each} for each in bookings]
    return Case(
        name,
        f"{count:,} bookings x attendances(first: 10) by _entities",
        "/entities",
        requests,
        lambda _: operation(ENTITIES, representations=representations),
        lambda _: {"bookings": bookings},
    )


def make_items(sample: Sample, number: int) -> Iterator[dict[str, Any]]:
    """100 items, half of them of records that an earlier request has made."""
    for index in range(100):
        booking = sample.booking_ids[index]
        session = str(uuid5(SITES[0], f"{number // 2 if index % 2 else number}"))
        yield {
            "bookingId": booking,
            "sessionId": f"benchmark {session}",
            "status": ("ATTENDED", "NOT_ATTENDED")[number % 2],
            "numberOfAttendees": number % 3,
        }


def operation(query: str, **variables: Any) -> dict[str, Any]:
    return {"query": query, "variables": variables}


def encode(content: dict[str, Any]) -> bytes:
    return orjson.dumps(content)
