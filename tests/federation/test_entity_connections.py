"""Connections below entities take all their arguments, and their cursors lead on in the gateway's next call."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.entities import fetch_entities, represent, write_query
from tests.support.oracle import Query, Window, add_up, cut_page, find_matching
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")
DECLARATIONS = (
    "$filter: AttendanceFilter, $orderBy: [AttendanceOrder!]!, $first: Int, $after: String, $last: Int, $before: String"
)
CONNECTION = """
id attendances(
  filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before
) {
  edges { cursor node { id } }
  nodes { id }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  totalCount
  summary { total attended notAttended notSet numberOfAttendees attendanceRate }
}
"""
ON_BOOKING = f"... on Booking {{ {CONNECTION} }}"
SELECTION = f"{ON_BOOKING} ... on Session {{ {CONNECTION} }}"
ORDER = ["NUMBER_OF_ATTENDEES_DESC"]


@pytest.fixture
async def records(database: RecordingDatabase, site_id: UUID) -> list[Record]:
    """Six bookings' records of up to eleven sessions, in few statuses and numbers."""
    made = [
        Record(booking, f"session {n:02}", STATUSES[(n + held) % 3], n % 4)
        for held, booking in zip((0, 1, 3, 5, 8, 11), [uuid4() for _ in range(6)], strict=True)
        for n in range(held)
    ]
    await store(database, site_id, made)
    return made


def list_parents(records: list[Record]) -> list[tuple[str, str, str]]:
    """The type, the perspective and the id of each booking and session, and of ones without records."""
    bookings = [str(booking) for booking in {record.booking_id: None for record in records}]
    sessions = list({record.session_id: None for record in records})
    return [
        *(("Booking", "bookingId", key) for key in (*bookings, str(uuid4()))),
        *(("Session", "sessionId", key) for key in (*sessions, "nobody's session")),
    ]


ARGUMENTS: list[tuple[dict[str, dict[str, Any]] | None, list[str], Window]] = [
    (None, ["ID_ASC"], Window(None, None, None, None)),
    (None, ORDER, Window(3, None, None, None)),
    (None, ORDER, Window(None, None, 3, None)),
    (None, ORDER, Window(0, None, None, None)),
    (None, ["STATUS_ASC", *ORDER, "SESSION_ID_ASC"], Window(4, None, None, None)),
    ({"status": {"eq": "NOT_ATTENDED"}}, ORDER, Window(3, None, None, None)),
    ({"status": {"in": ["ATTENDED", "NOT_SET"]}}, ["BOOKING_ID_ASC"], Window(None, None, 2, None)),
    ({"numberOfAttendees": {"ge": 1}}, ["NUMBER_OF_ATTENDEES_ASC"], Window(2, None, None, None)),
    ({"sessionId": {"in": ["session 00", "session 02"]}}, ["SESSION_ID_ASC"], Window(1, None, None, None)),
    ({"numberOfAttendees": {"in": []}}, ["ID_ASC"], Window(5, None, None, None)),
]


@pytest.mark.parametrize(("condition", "order_by", "window"), ARGUMENTS)
async def test_a_connection_below_each_entity_is_the_page_of_the_model(
    database: RecordingDatabase,
    client: GraphQLClient,
    records: list[Record],
    condition: dict[str, dict[str, Any]] | None,
    order_by: list[str],
    window: Window,
) -> None:
    parents = list_parents(records)
    given = [{"__typename": type_name, "id": key} for type_name, _, key in parents]
    variables = {"filter": condition, "orderBy": order_by, "first": window.first, "last": window.last}
    with database.recording() as sent:
        entities = await fetch_entities(client, SELECTION, given, DECLARATIONS, **variables)
    assert len(sent) == (0 if condition == {"numberOfAttendees": {"in": []}} else 2)
    for (_, perspective, key), entity in zip(parents, entities, strict=True):
        matching = find_matching(records, Query({perspective: key}, condition, order_by))
        page, follows, precedes = cut_page(len(matching), window)
        connection = entity["attendances"]
        assert entity["id"] == key
        assert connection["nodes"] == [{"id": str(matching[at].id)} for at in page]
        assert [edge["node"] for edge in connection["edges"]] == connection["nodes"]
        assert connection["pageInfo"] == {
            "hasNextPage": follows,
            "hasPreviousPage": precedes,
            "startCursor": connection["edges"][0]["cursor"] if page else None,
            "endCursor": connection["edges"][-1]["cursor"] if page else None,
        }
        assert (connection["totalCount"], connection["summary"]) == (len(matching), add_up(matching))


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(("of", "perspective"), [("Booking", "bookingId"), ("Session", "sessionId")])
async def test_cursors_of_a_batch_lead_each_entity_on_to_its_end(
    client: GraphQLClient, records: list[Record], of: str, perspective: str, *, forward: bool
) -> None:
    parents = represent(of, [key for type_name, _, key in list_parents(records) if type_name == of])
    size, place, flag, cursor = (
        ("first", "after", "hasNextPage", "endCursor")
        if forward
        else ("last", "before", "hasPreviousPage", "startCursor")
    )
    batch = await fetch_entities(client, SELECTION, parents, DECLARATIONS, orderBy=ORDER, **{size: 2})
    for parent, entity in zip(parents, batch, strict=True):
        page = entity["attendances"]
        pages = [page["nodes"]]
        while page["pageInfo"][flag]:
            further = {size: 2, place: page["pageInfo"][cursor]}
            [entity] = await fetch_entities(client, SELECTION, [parent], DECLARATIONS, orderBy=ORDER, **further)
            page = entity["attendances"]
            pages.append(page["nodes"])
        walked = [node["id"] for nodes in (pages if forward else pages[::-1]) for node in nodes]
        expected = find_matching(records, Query({perspective: parent["id"]}, None, ORDER))
        assert walked == [str(record.id) for record in expected]


async def test_a_cursor_given_to_several_bookings_fails_those_that_it_is_not_of(
    database: RecordingDatabase, client: GraphQLClient, records: list[Record]
) -> None:
    bookings = represent("Booking", {record.booking_id: None for record in records})
    [owner] = await fetch_entities(client, ON_BOOKING, bookings[2:3], DECLARATIONS, orderBy=ORDER, first=2)
    cursor = owner["attendances"]["pageInfo"]["endCursor"]
    with database.recording() as sent:
        answer = await client.run(
            write_query(ON_BOOKING, DECLARATIONS), representations=bookings, orderBy=ORDER, first=2, after=cursor
        )
    found = answer["data"]["_entities"]
    assert len(sent) == 1
    assert [entity and entity["id"] for entity in found] == [None, None, bookings[2]["id"], None, None]
    expected = find_matching(records, Query({"bookingId": bookings[2]["id"]}, None, ORDER))[2:4]
    assert found[2]["attendances"]["nodes"] == [{"id": str(record.id)} for record in expected]
    assert [(error["path"], error["extensions"]) for error in answer["errors"]] == [
        (["_entities", at, "attendances"], {"code": "CURSOR_MISMATCH", "argument": "after"}) for at in (0, 1, 3, 4)
    ]


@pytest.mark.parametrize(
    ("arguments", "code", "argument"),
    [
        ({"first": 101}, "BAD_USER_INPUT", "first"),
        ({"first": 1, "last": 1}, "BAD_USER_INPUT", "last"),
        ({"before": "no cursor"}, "CURSOR_INVALID", "before"),
        ({"orderBy": ["STATUS_ASC", "STATUS_ASC"]}, "BAD_USER_INPUT", "orderBy"),
        ({"filter": {"bookingId": {"eq": "x"}}}, "BAD_USER_INPUT", "filter.bookingId.eq"),
    ],
)
async def test_an_argument_that_no_entity_can_use_fails_each_at_its_place(
    client: GraphQLClient, arguments: dict[str, Any], code: str, argument: str
) -> None:
    given = [*represent("Booking", [uuid4()]), *represent("Session", ["a", "b"])]
    answer = await client.run(
        write_query(SELECTION, DECLARATIONS), representations=given, **{"orderBy": ORDER, **arguments}
    )
    assert answer["data"] == {"_entities": [None, None, None]}
    assert [(error["path"], error["extensions"]) for error in answer["errors"]] == [
        (["_entities", at, "attendances"], {"code": code, "argument": argument}) for at in range(3)
    ]


async def test_a_sum_beyond_int_fails_its_own_booking_alone(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID
) -> None:
    huge, small = uuid4(), uuid4()
    await store(
        database,
        site_id,
        [Record(huge, "a", "ATTENDED", 2**31 - 1), Record(huge, "b"), Record(small, "a", "ATTENDED", 2**31 - 1)],
    )
    selection = "... on Booking { attendances { summary { numberOfAttendees } } }"
    given = represent("Booking", [small, huge, small])
    answer = await client.run(write_query(selection), representations=given)
    kept = {"attendances": {"summary": {"numberOfAttendees": 2**31 - 1}}}
    assert answer["data"] == {"_entities": [kept, None, kept]}
    [error] = answer["errors"]
    assert error["path"] == ["_entities", 1, "attendances", "summary", "numberOfAttendees"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "summary.numberOfAttendees"}
