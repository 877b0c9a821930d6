"""Real gateways in front of the service: what they ask it for, and that their answers are its own."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.federation.conftest import Gateway
from tests.support.entities import fetch_entities, represent
from tests.support.service import (
    READ_SCOPE,
    WRITE_SCOPE,
    GraphQLClient,
    Record,
    RecordingDatabase,
    make_token,
    store,
)

STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")
RECORD = "id bookingId sessionId status numberOfAttendees createdAt updatedAt"
PAGE = f"edges {{ cursor node {{ {RECORD} }} }} pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}"
FIGURES = "totalCount summary { total attended notAttended notSet numberOfAttendees attendanceRate }"
CONNECTIONS = [
    f"attendances {{ {PAGE} {FIGURES} }}",
    f"attendances(first: 1, orderBy: [NUMBER_OF_ATTENDEES_DESC]) {{ {PAGE} {FIGURES} }}",
    f"attendances(last: 2, orderBy: [STATUS_ASC, NUMBER_OF_ATTENDEES_DESC]) {{ {PAGE} }}",
    f"attendances(filter: {{status: {{in: [ATTENDED, NOT_SET]}}}}, first: 2) {{ {PAGE} {FIGURES} }}",
    f"attendances(filter: {{numberOfAttendees: {{ge: 1}}}}) {{ {FIGURES} }}",
    "a: attendances(first: 1) { nodes { id } } b: attendances(last: 1) { nodes { status } }",
]
BOOKINGS = "query($ids: [ID!]!) {{ bookings(ids: $ids) {{ {} }} }}"
SESSIONS = "query($ids: [ID!]!) {{ sessions(ids: $ids) {{ {} }} }}"


@pytest.fixture
async def records(database: RecordingDatabase, site_id: UUID) -> list[Record]:
    """Up to three records of each of 100 bookings, at ten sessions."""
    made = [
        Record(booking, f"session {(n + at) % 10}", STATUSES[(n + at) % 3], at)
        for n, booking in enumerate(uuid4() for _ in range(100))
        for at in range(n % 3 + 1)
    ]
    await store(database, site_id, made)
    return made


@pytest.fixture
def caller(gateway: Gateway, site_id: UUID) -> GraphQLClient:
    return gateway.ask_as(make_token(site_id, READ_SCOPE, WRITE_SCOPE))


def list_bookings(records: list[Record]) -> list[str]:
    return list({str(record.booking_id): None for record in records})


def list_sessions(records: list[Record]) -> list[str]:
    return list({record.session_id: None for record in records})


async def test_100_bookings_with_attendances_and_titles_cost_the_service_one_statement(
    database: RecordingDatabase, caller: GraphQLClient, records: list[Record]
) -> None:
    bookings = list_bookings(records)
    query = BOOKINGS.format("customer attendances(first: 10) { totalCount nodes { id status session { id title } } }")
    with database.recording() as sent:
        found = (await caller.data(query, ids=bookings))["bookings"]
    assert len(sent) == 1
    assert len(found) == 100
    for booking, answer in zip(bookings, found, strict=True):
        held = sorted((record for record in records if str(record.booking_id) == booking), key=lambda each: each.id)
        assert answer == {
            "customer": f"customer of {booking}",
            "attendances": {"totalCount": len(held), "nodes": [write_node(record) for record in held]},
        }


def write_node(record: Record) -> dict[str, Any]:
    session = {"id": record.session_id, "title": f"title of {record.session_id}"}
    return {"id": str(record.id), "status": record.status, "session": session}


async def test_sessions_with_attendances_and_customers_cost_the_service_one_statement(
    database: RecordingDatabase, caller: GraphQLClient, records: list[Record]
) -> None:
    query = SESSIONS.format("title attendances { nodes { booking { id customer } } }")
    sessions = list_sessions(records)
    with database.recording() as sent:
        found = (await caller.data(query, ids=sessions))["sessions"]
    assert len(sent) == 1
    for session, answer in zip(sessions, found, strict=True):
        held = sorted((record for record in records if record.session_id == session), key=lambda each: each.id)
        bookings = [str(record.booking_id) for record in held]
        nodes = [{"booking": {"id": booking, "customer": f"customer of {booking}"}} for booking in bookings]
        assert answer == {"title": f"title of {session}", "attendances": {"nodes": nodes[:50]}}


async def test_attendances_that_another_subgraph_refers_to_are_read_together(
    database: RecordingDatabase, caller: GraphQLClient, records: list[Record]
) -> None:
    query = "query($ids: [ID!]!) { attendancesSeen(ids: $ids) { id status booking { customer } } }"
    seen = [*records[:40], records[3]]
    with database.recording() as sent:
        found = (await caller.data(query, ids=[str(record.id) for record in seen]))["attendancesSeen"]
    assert len(sent) == 1
    assert found == [
        {
            "id": str(record.id),
            "status": record.status,
            "booking": {"customer": f"customer of {record.booking_id}"},
        }
        for record in seen
    ]


@pytest.mark.parametrize("connection", CONNECTIONS)
async def test_entities_through_a_gateway_are_those_that_the_service_gives(
    caller: GraphQLClient, client: GraphQLClient, records: list[Record], connection: str
) -> None:
    given = {"Booking": list_bookings(records)[:20], "Session": list_sessions(records)}
    for type_name, query in (("Booking", BOOKINGS), ("Session", SESSIONS)):
        selection = f"... on {type_name} {{ id {connection} }}"
        direct = await fetch_entities(client, selection, represent(type_name, given[type_name]))
        [through] = (await caller.data(query.format(f"id {connection}"), ids=given[type_name])).values()
        assert through == direct
        assert any(entity.get("attendances", entity.get("a")) for entity in direct)


async def test_a_gateway_may_ask_for_a_connection_under_twenty_aliases(
    database: RecordingDatabase, caller: GraphQLClient, records: list[Record]
) -> None:
    aliases = " ".join(
        f"a{n}: attendances(first: {n}, orderBy: [STATUS_ASC, NUMBER_OF_ATTENDEES_DESC]) {{ {PAGE} }}"
        for n in range(20)
    )
    with database.recording() as sent:
        found = await caller.data(BOOKINGS.format(aliases), ids=list_bookings(records)[:50])
    assert len(sent) == 20
    assert [len(page["edges"]) for page in found["bookings"][2].values()] == [0, 1, 2, *[3] * 17]


async def test_root_fields_through_a_gateway_answer_as_the_service_does(
    caller: GraphQLClient, client: GraphQLClient, records: list[Record]
) -> None:
    one, two = str(records[0].id), str(records[5].id)
    nested = "booking { id attendances(first: 2) { totalCount nodes { id } } } session { id }"
    for query in (
        f'{{ attendance(id: "{one}") {{ {RECORD} {nested} }} }}',
        f'{{ attendance(id: "{uuid4()}") {{ id }} }}',
        f'{{ node(id: "{one}") {{ __typename id ... on Attendance {{ {RECORD} }} }} }}',
        f'{{ nodes(ids: ["{two}", "{uuid4()}", "{one}"]) {{ __typename id }} }}',
        f"{{ attendances(first: 7) {{ {PAGE} {FIGURES} nodes {{ {nested} }} }} }}",
        f'{{ attendances(perspective: {{bookingId: "{records[5].booking_id}"}}) {{ {PAGE} }} }}',
        f'{{ attendances(perspective: {{sessionId: "session 3"}}, filter: {{status: {{ne: NOT_SET}}}}) {{ {PAGE} }} }}',
    ):
        assert await caller.data(query) == await client.data(query)


@pytest.mark.parametrize(
    ("size", "place", "flag", "cursor"),
    [("first", "after", "hasNextPage", "endCursor"), ("last", "before", "hasPreviousPage", "startCursor")],
)
async def test_cursors_of_a_gateways_answer_lead_on_through_it(
    caller: GraphQLClient, records: list[Record], size: str, place: str, flag: str, cursor: str
) -> None:
    booking = str(records[3].booking_id)
    query = "query($ids: [ID!]!, $from: String) { bookings(ids: $ids) { " + (
        f"attendances({size}: 1, {place}: $from) {{ nodes {{ id }} pageInfo {{ {flag} {cursor} }} }} }} }}"
    )
    walked, reached, goes_on = [], None, True
    while goes_on:
        found = await caller.data(query, **{"ids": [booking], "from": reached})
        page = found["bookings"][0]["attendances"]
        walked += page["nodes"]
        reached, goes_on = page["pageInfo"][cursor], page["pageInfo"][flag]
    held = sorted(str(record.id) for record in records if str(record.booking_id) == booking)
    assert [node["id"] for node in walked] == (held if size == "first" else held[::-1])


async def test_each_caller_of_a_gateway_sees_the_site_of_the_own_token(
    gateway: Gateway, database: RecordingDatabase
) -> None:
    booking, sites = str(uuid4()), [uuid4() for _ in range(10)]
    for held, site in enumerate(sites):
        await store(database, site, [Record(UUID(booking), f"session {n}") for n in range(held)])
    query = BOOKINGS.format("attendances { totalCount }")
    callers = [gateway.ask_as(make_token(site, READ_SCOPE)) for site in sites]
    answers = await asyncio.gather(*(caller.data(query, ids=[booking]) for caller in callers * 3))
    counts = [answer["bookings"][0]["attendances"]["totalCount"] for answer in answers]
    assert counts == list(range(10)) * 3


async def test_what_is_written_through_a_gateway_is_written_for_the_callers_site(
    caller: GraphQLClient, client: GraphQLClient
) -> None:
    booking = str(uuid4())
    written = await caller.data(
        "mutation($input: AttendanceInput!) { setAttendance(input: $input) "
        "{ attendance { id status booking { customer } session { title } } } }",
        input={"bookingId": booking, "sessionId": "yoga", "status": "ATTENDED", "numberOfAttendees": 3},
    )
    record = written["setAttendance"]["attendance"]
    assert (record["booking"], record["session"]) == (
        {"customer": f"customer of {booking}"},
        {"title": "title of yoga"},
    )
    query = f'{{ attendance(id: "{record["id"]}") {{ bookingId sessionId status numberOfAttendees }} }}'
    assert await client.data(query) == {
        "attendance": {"bookingId": booking, "sessionId": "yoga", "status": "ATTENDED", "numberOfAttendees": 3}
    }
