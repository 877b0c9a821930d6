"""Entities are resolved together: in their order, by one statement a level, whatever their number."""

from collections.abc import Callable
from copy import deepcopy
from uuid import UUID, uuid4

import orjson
import pytest

from app.documents.documents import Documents
from app.documents.limits import Limits
from app.documents.permissions import Caller
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.schema.permissions import Permission
from tests.support.entities import fetch_entities, represent, write_query
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

RECORD = "id bookingId sessionId status numberOfAttendees"
ON_ATTENDANCE = f"... on Attendance {{ {RECORD} }}"
ON_BOOKING = "... on Booking {{ id attendances(first: 10) {{ {} }} }}"
NODES = f"nodes {{ {RECORD} createdAt }} pageInfo {{ hasNextPage endCursor }}"
FIGURES = "totalCount summary { total attended notAttended notSet numberOfAttendees attendanceRate }"


@pytest.fixture
async def records(database: RecordingDatabase, site_id: UUID) -> list[Record]:
    """Three records of each of twenty bookings, at three sessions."""
    made = [Record(booking, f"session {n}") for booking in [uuid4() for _ in range(20)] for n in range(3)]
    await store(database, site_id, made)
    return made


async def count_statements(
    database: RecordingDatabase, client: GraphQLClient, selection: str, representations: list[dict[str, str]]
) -> int:
    with database.recording() as sent:
        await fetch_entities(client, selection, representations)
    return len(sent)


async def test_each_level_costs_one_statement_and_stubs_cost_none(
    database: RecordingDatabase, client: GraphQLClient, records: list[Record]
) -> None:
    attendances = represent("Attendance", [record.id for record in records])
    bookings = represent("Booking", {record.booking_id for record in records})
    sessions = represent("Session", {record.session_id for record in records})
    nested = "... on Attendance { status booking { attendances(first: 2) { nodes { session { %s } } } } }"
    aliases = "a: attendances(first: 1) { nodes { id } } b: attendances(last: 2) { nodes { id } }"
    costs = [
        (ON_ATTENDANCE, attendances, 1),
        (ON_ATTENDANCE, attendances[:1], 1),
        (ON_ATTENDANCE, [], 0),
        ("__typename", [*bookings, *sessions], 0),
        ("... on Booking { id } ... on Session { id }", [*bookings, *sessions], 0),
        (ON_BOOKING.format(NODES), bookings, 1),
        (ON_BOOKING.format(FIGURES), bookings, 1),
        (ON_BOOKING.format(NODES + FIGURES), bookings, 1),
        (f"... on Session {{ attendances {{ {NODES} }} }}", sessions, 1),
        (f"... on Booking {{ {aliases} }}", bookings, 2),
        (nested % "id", attendances, 2),
        (nested % "attendances { totalCount }", attendances, 3),
        (
            f"{ON_ATTENDANCE} {ON_BOOKING.format(NODES)} ... on Session {{ attendances {{ {NODES} }} }}",
            [*sessions, *attendances, *bookings],
            3,
        ),
    ]
    counted = [await count_statements(database, client, selection, given) for selection, given, _ in costs]
    assert counted == [cost for _, _, cost in costs]


async def test_totals_of_100_bookings_are_one_statement(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID
) -> None:
    bookings = [uuid4() for _ in range(100)]
    statuses = ("ATTENDED", "NOT_ATTENDED", "ATTENDED", "NOT_SET")
    held = {booking: n % 5 for n, booking in enumerate(bookings)}
    await store(
        database,
        site_id,
        [Record(booking, f"session {n}", statuses[n], n + 1) for booking in bookings for n in range(held[booking])],
    )
    with database.recording() as sent:
        entities = await fetch_entities(client, ON_BOOKING.format(FIGURES), represent("Booking", bookings))
    assert len(sent) == 1
    assert [entity["attendances"]["totalCount"] for entity in entities] == list(held.values())
    assert [entity["attendances"]["summary"] for entity in entities[:5]] == [
        {"total": 0, "attended": 0, "notAttended": 0, "notSet": 0, "numberOfAttendees": 0, "attendanceRate": None},
        {"total": 1, "attended": 1, "notAttended": 0, "notSet": 0, "numberOfAttendees": 1, "attendanceRate": 1.0},
        {"total": 2, "attended": 1, "notAttended": 1, "notSet": 0, "numberOfAttendees": 1, "attendanceRate": 0.5},
        {"total": 3, "attended": 2, "notAttended": 1, "notSet": 0, "numberOfAttendees": 4, "attendanceRate": 2 / 3},
        {"total": 4, "attended": 2, "notAttended": 1, "notSet": 1, "numberOfAttendees": 4, "attendanceRate": 2 / 3},
    ]


async def test_1000_bookings_with_ten_attendances_each_are_one_statement(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID
) -> None:
    bookings = [uuid4() for _ in range(1000)]
    made = [Record(booking, f"session {n:02}") for booking in bookings for n in range(11)]
    await store(database, site_id, made)
    ids = [sorted(str(record.id) for record in made[start : start + 11])[:10] for start in range(0, len(made), 11)]
    with database.recording() as sent:
        entities = await fetch_entities(client, ON_BOOKING.format(NODES), represent("Booking", bookings))
    assert len(sent) == 1
    assert [entity["id"] for entity in entities] == [str(booking) for booking in bookings]
    assert [[node["id"] for node in entity["attendances"]["nodes"]] for entity in entities] == ids
    assert all(entity["attendances"]["pageInfo"]["hasNextPage"] for entity in entities)


async def test_entities_keep_the_order_of_their_representations_and_repeat_with_them(
    client: GraphQLClient, records: list[Record]
) -> None:
    one, two, three = records[:3]
    given = [
        *represent("Attendance", [three.id]),
        *represent("Session", ["nobody's"]),
        *represent("Booking", [two.booking_id]),
        *represent("Attendance", [uuid4(), one.id, three.id]),
        *represent("Session", [one.session_id]),
        *represent("Booking", [two.booking_id]),
    ]
    selection = "__typename ... on Attendance { id status } ... on Booking { id } ... on Session { id }"
    found = await fetch_entities(client, selection, given)
    keys = [None if entity is None else (entity["__typename"], entity["id"]) for entity in found]
    assert keys == [
        ("Attendance", str(three.id)),
        ("Session", "nobody's"),
        ("Booking", str(two.booking_id)),
        None,
        ("Attendance", str(one.id)),
        ("Attendance", str(three.id)),
        ("Session", one.session_id),
        ("Booking", str(two.booking_id)),
    ]


async def test_an_attendance_that_is_missing_or_foreign_is_null_without_an_error(
    database: RecordingDatabase, client: GraphQLClient, records: list[Record]
) -> None:
    foreign = Record()
    await store(database, uuid4(), [foreign])
    found = await fetch_entities(
        client, "... on Attendance { id }", represent("Attendance", [foreign.id, records[0].id, uuid4()])
    )
    assert found == [None, {"id": str(records[0].id)}, None]


async def test_a_booking_of_another_site_is_a_stub_without_attendances(
    reader_of: Callable[[UUID], GraphQLClient], site_id: UUID, records: list[Record]
) -> None:
    given = represent("Booking", [records[0].booking_id])
    own, foreign = reader_of(site_id), reader_of(uuid4())
    selection = "... on Booking { id attendances { totalCount nodes { id } } }"
    [found] = await fetch_entities(own, selection, given)
    assert found["attendances"]["totalCount"] == 3
    [found] = await fetch_entities(foreign, selection, given)
    assert found == {"id": str(records[0].booking_id), "attendances": {"totalCount": 0, "nodes": []}}


async def test_fields_that_a_gateway_adds_to_a_representation_are_ignored(
    client: GraphQLClient, records: list[Record]
) -> None:
    record = records[0]
    given = [{"__typename": "Attendance", "id": str(record.id), "status": "NOT_SET", "booking": {"id": 5}}]
    assert await fetch_entities(client, ON_ATTENDANCE, given) == [
        {
            "id": str(record.id),
            "bookingId": str(record.booking_id),
            "sessionId": record.session_id,
            "status": record.status,
            "numberOfAttendees": 1,
        }
    ]


async def test_a_representation_may_be_written_into_the_document(client: GraphQLClient, records: list[Record]) -> None:
    query = (
        "query($id: ID!) { _entities(representations: "
        '[{__typename: "Attendance", id: $id}, {__typename: "Session", id: "a"}]) '
        "{ ... on Attendance { id } ... on Session { id } } }"
    )
    found = await client.data(query, id=str(records[0].id))
    assert found["_entities"] == [{"id": str(records[0].id)}, {"id": "a"}]


async def test_two_aliases_share_one_variable_and_one_statement(
    database: RecordingDatabase, client: GraphQLClient, records: list[Record]
) -> None:
    query = """
    query($of: [_Any!]!) {
      a: _entities(representations: $of) { ... on Attendance { status } ... on Booking { id } }
      b: _entities(representations: $of) { __typename ... on Attendance { id sessionId } ... on Booking { id } }
    }
    """
    attendance, booking = str(records[1].id), str(records[1].booking_id)
    given = [*represent("Attendance", [attendance]), *represent("Booking", [booking])]
    with database.recording() as sent:
        found = await client.data(query, of=given)
    assert len(sent) == 1
    assert found == {
        "a": [{"status": "ATTENDED"}, {"id": booking}],
        "b": [
            {"__typename": "Attendance", "id": attendance, "sessionId": "session 1"},
            {"__typename": "Booking", "id": booking},
        ],
    }


async def test_variables_are_left_as_they_came_and_serve_again(
    database: RecordingDatabase, site_id: UUID, records: list[Record]
) -> None:
    async def authenticate() -> Caller:
        return Caller(site_id, frozenset({Permission.READ}))

    service = GraphQLService(Documents(size=1, limits=Limits(), introspection=False), database, sdl="")
    variables = {
        "representations": [
            *represent("Attendance", [records[0].id]),
            *represent("Booking", [records[0].booking_id]),
            {"__typename": "Unknown", "id": "x"},
        ]
    }
    request = GraphQLRequest(write_query(ON_ATTENDANCE), variables=deepcopy(variables))
    first, second = [await run_request(request, authenticate, service) for _ in range(2)]
    assert request.variables == variables
    assert first == second
    assert orjson.loads(first.body)["data"]["_entities"][0]["id"] == str(records[0].id)
