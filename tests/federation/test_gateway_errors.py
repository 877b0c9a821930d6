"""What a caller of a real gateway is told when the service refuses, and what else of the answer survives."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.federation.conftest import Gateway, SubgraphBuilder
from tests.support.gateways import GatewayFailed, start_gateway
from tests.support.service import READ_SCOPE, GraphQLClient, Record, RecordingDatabase, make_token, store
from tests.support.serving import serve

SITE = uuid4()
REFUSALS = {
    "no token": (None, "UNAUTHENTICATED"),
    "a token that is none": ("garbage", "UNAUTHENTICATED"),
    "a token of another secret": (make_token(SITE, READ_SCOPE, secret="another secret" * 3), "UNAUTHENTICATED"),
    "a token without a scope": (make_token(SITE), "FORBIDDEN"),
}
BOOKINGS = "query($ids: [ID!]!) { bookings(ids: $ids) { customer attendances { totalCount } } }"
TWO_FILTERS = {"status": {"eq": "ATTENDED"}, "numberOfAttendees": {"gt": 1}}
TWO_FILTERS_WRITTEN = "{status: {eq: ATTENDED}, numberOfAttendees: {gt: 1}}"
ROOT = "{{ attendances(filter: {}) {{ totalCount }} }}"
NESTED = '{{ bookings(ids: ["01890a5d-ac96-774b-bcce-b302099a8057"]) {{ attendances(filter: {}) {{ totalCount }} }} }}'
TWO_PERSPECTIVES = '{ attendances(perspective: {bookingId: "x", sessionId: "x"}) { totalCount } }'


@pytest.fixture
def reader(gateway: Gateway, site_id: UUID) -> GraphQLClient:
    return gateway.ask_as(make_token(site_id, READ_SCOPE))


def read_codes(answer: dict[str, Any]) -> set[str]:
    return {error["extensions"]["code"] for error in answer["errors"]}


def path_through(gateway: Gateway, *path: object) -> list[object]:
    """An error's path as the gateway tells it: Hive's leave out positions in lists."""
    return [step for step in path if gateway.name == "apollo" or not isinstance(step, int)]


@pytest.mark.parametrize("case", REFUSALS)
async def test_who_may_not_read_is_told_so_and_gets_what_others_give(
    gateway: Gateway, database: RecordingDatabase, case: str
) -> None:
    token, code = REFUSALS[case]
    stranger = gateway.ask_as(token)
    ids = [str(uuid4()), str(uuid4())]
    with database.recording() as sent:
        nested = await stranger.run(BOOKINGS, ids=ids)
        root = await stranger.run("{ attendances { totalCount } }")
    assert sent == []
    assert read_codes(nested) == read_codes(root) == {code}
    assert nested["data"] == {"bookings": [None, None]}
    assert root["data"] is None
    others = await stranger.data("query($ids: [ID!]!) { bookings(ids: $ids) { customer } }", ids=ids)
    assert others["bookings"] == [{"customer": f"customer of {booking}"} for booking in ids]


async def test_who_may_only_read_is_told_that_writing_is_forbidden(
    reader: GraphQLClient, database: RecordingDatabase
) -> None:
    with database.recording() as sent:
        answer = await reader.run(f'mutation {{ deleteAttendance(id: "{uuid4()}") {{ deletedId }} }}')
    assert sent == []
    assert read_codes(answer) == {"FORBIDDEN"}
    assert answer["data"] is None


async def test_a_malformed_booking_fails_alone_at_its_place(
    gateway: Gateway, reader: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    record = Record()
    await store(database, site_id, [record])
    ids = [str(uuid4()), "not a GUID", str(record.booking_id), "neither"]
    answer = await reader.run(BOOKINGS, ids=ids)
    assert answer["data"]["bookings"] == [
        {"customer": f"customer of {ids[0]}", "attendances": {"totalCount": 0}},
        None,
        {"customer": f"customer of {ids[2]}", "attendances": {"totalCount": 1}},
        None,
    ]
    expected = [["bookings", 1], ["bookings", 3]] if gateway.name == "apollo" else [["bookings", "attendances"]] * 2
    assert [error["path"] for error in answer["errors"]] == expected
    assert [(error["extensions"]["code"], error["extensions"]["argument"]) for error in answer["errors"]] == [
        ("BAD_USER_INPUT", "representations.1.id"),
        ("BAD_USER_INPUT", "representations.3.id"),
    ]


async def test_a_cursor_fails_the_bookings_that_it_is_not_of(
    gateway: Gateway, reader: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    booking = uuid4()
    await store(database, site_id, [Record(booking, f"session {n}") for n in range(3)])
    query = (
        "query($ids: [ID!]!, $after: String) { bookings(ids: $ids) "
        "{ attendances(first: 1, after: $after) { nodes { id } pageInfo { endCursor } } } }"
    )
    [first] = (await reader.data(query, ids=[str(booking)]))["bookings"]
    cursor = first["attendances"]["pageInfo"]["endCursor"]
    answer = await reader.run(query, ids=[str(uuid4()), str(booking), str(uuid4())], after=cursor)
    before, own, after = answer["data"]["bookings"]
    assert (before, after) == (None, None)
    assert own["attendances"]["nodes"] not in ([], first["attendances"]["nodes"])
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (path_through(gateway, "bookings", at, "attendances"), "CURSOR_MISMATCH") for at in (0, 2)
    ]


async def test_an_attendance_that_is_missing_is_null_and_the_others_answer(
    reader: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    record, foreign = Record(), Record()
    await store(database, site_id, [record])
    await store(database, uuid4(), [foreign])
    ids = [str(foreign.id), str(record.id), str(uuid4())]
    answer = await reader.run("query($ids: [ID!]!) { attendancesSeen(ids: $ids) { status } }", ids=ids)
    assert answer["data"]["attendancesSeen"] == [None, {"status": "ATTENDED"}, None]


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        (f"query($f: AttendanceFilter) {ROOT.format('$f')}", {"f": TWO_FILTERS}),
        (f"query($f: AttendanceFilter) {NESTED.format('$f')}", {"f": TWO_FILTERS}),
        (ROOT.format(TWO_FILTERS_WRITTEN), {}),
        (NESTED.format(TWO_FILTERS_WRITTEN), {}),
        (NESTED.format("{}"), {}),
        (NESTED.format("{status: null}"), {}),
        (NESTED.format("{status: {eq: ATTENDED, ne: NOT_SET}}"), {}),
        (TWO_PERSPECTIVES, {}),
    ],
)
async def test_two_filters_are_refused_though_the_supergraph_may_not_know_of_one(
    gateway: Gateway, reader: GraphQLClient, database: RecordingDatabase, query: str, variables: dict[str, Any]
) -> None:
    with database.recording() as sent:
        answer = await reader.run(query, **variables)
    assert sent == []
    assert not answer.get("data") or answer["data"] == {"bookings": [None]}
    assert answer["errors"]
    if not gateway.knows_one_of:
        assert read_codes(answer) <= {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED"}
        assert {error["extensions"]["serviceName"] for error in answer["errors"]} == {"attendance"}
        assert {error["extensions"]["argument"].split(".")[0] for error in answer["errors"]} <= {
            "filter",
            "perspective",
        }


async def test_an_argument_that_cannot_be_used_is_told_with_its_code_and_place(
    gateway: Gateway, reader: GraphQLClient
) -> None:
    for arguments, code, argument in (
        ("first: 101", "BAD_USER_INPUT", "first"),
        ("orderBy: [ID_ASC, ID_ASC]", "BAD_USER_INPUT", "orderBy"),
        ('after: "x"', "CURSOR_INVALID", "after"),
        ('filter: {bookingId: {in: ["x"]}}', "BAD_USER_INPUT", "filter.bookingId.in.0"),
    ):
        root = await reader.run(f"{{ attendances({arguments}) {{ totalCount }} }}")
        query = BOOKINGS.replace("attendances {", f"attendances({arguments}) {{")
        nested = await reader.run(query, ids=[str(uuid4())])
        assert nested["data"] == {"bookings": [None]}
        for answer, path in ((root, ["attendances"]), (nested, ["bookings", 0, "attendances"])):
            [error] = answer["errors"]
            assert error["path"] == path_through(gateway, *path)
            assert (error["extensions"]["code"], error["extensions"]["argument"]) == (code, argument)


async def test_more_entities_than_the_service_takes_are_refused_with_a_code(
    reader: GraphQLClient, database: RecordingDatabase
) -> None:
    with database.recording() as sent:
        answer = await reader.run(BOOKINGS, ids=[str(uuid4()) for _ in range(1001)])
    assert sent == []
    assert answer["data"] == {"bookings": [None] * 1001}
    assert read_codes(answer) == {"BAD_USER_INPUT"}


@pytest.mark.usefixtures("node")
async def test_apollos_gateway_does_not_start_where_the_supergraph_tells_of_scopes(
    subgraph: SubgraphBuilder, capfd: pytest.CaptureFixture[str]
) -> None:
    async with serve(subgraph(federation_scopes="on")) as address:
        with pytest.raises(GatewayFailed):
            async with start_gateway("apollo", "apollo", f"{address}/graphql"):
                pass
    assert "requiresScopes" in capfd.readouterr().err
