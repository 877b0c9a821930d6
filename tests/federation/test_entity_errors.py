"""A representation that cannot be used is null with an error of its own; who may ask is decided for all of them."""

from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from tests.support.entities import represent, write_query
from tests.support.media_types import GRAPHQL_RESPONSE, JSON
from tests.support.refusals import INTERNALS
from tests.support.service import ALL_SCOPES, GraphQLClient, Record, RecordingDatabase, make_token, store

QUERY = write_query("__typename ... on Attendance { id } ... on Booking { id } ... on Session { id }")
GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
OF_TYPE: dict[str, Any] = {
    "an unknown type": {"__typename": "Course", "id": GUID},
    "a type that is no entity": {"__typename": "PageInfo", "id": GUID},
    "the type of all entities": {"__typename": "_Entity", "id": GUID},
    "a type in lower case": {"__typename": "booking", "id": GUID},
    "no type": {"id": GUID},
    "null for a type": {"__typename": None, "id": GUID},
    "a list for a type": {"__typename": ["Booking"], "id": GUID},
    "an object for a type": {"__typename": {"name": "Booking"}, "id": GUID},
    "nothing": {},
    "a text": "Booking",
    "a number": 5,
    "a boolean": False,
    "a list": [{"__typename": "Booking", "id": GUID}],
}
OF_ID: dict[str, Any] = {
    "no id": {"__typename": "Booking"},
    "an id of null": {"__typename": "Attendance", "id": None},
    "an id that is a fraction": {"__typename": "Session", "id": 7.5},
    "an id that is a number with a point": {"__typename": "Session", "id": 7.0},
    "an id beyond 64 bits": {"__typename": "Session", "id": 2**64},
    "a booking's id that is a number": {"__typename": "Booking", "id": 7},
    "an id that is a boolean": {"__typename": "Booking", "id": True},
    "a session's id that is a boolean": {"__typename": "Session", "id": False},
    "an id that is a list": {"__typename": "Attendance", "id": [GUID]},
    "an id in another field": {"__typename": "Booking", "_id": GUID},
    "a booking whose id is no GUID": {"__typename": "Booking", "id": "x"},
    "a booking whose id is empty": {"__typename": "Booking", "id": ""},
    "an attendance whose id is no GUID": {"__typename": "Attendance", "id": GUID[:-1]},
    "an attendance whose id has braces": {"__typename": "Attendance", "id": "{" + GUID + "}"},
    "a session whose id is empty": {"__typename": "Session", "id": ""},
    "a session whose id is too long": {"__typename": "Session", "id": "x" * 251},
    "a session whose id cannot be stored": {"__typename": "Session", "id": "a\0b"},
}
MALFORMED = OF_TYPE | OF_ID


@pytest.fixture
async def record(database: RecordingDatabase, site_id: UUID) -> Record:
    made = Record()
    await store(database, site_id, [made])
    return made


@pytest.mark.parametrize("case", MALFORMED)
async def test_a_malformed_representation_is_null_with_its_own_error_and_the_others_answer(
    client: GraphQLClient, record: Record, case: str
) -> None:
    given = [*represent("Attendance", [record.id]), MALFORMED[case], *represent("Session", ["a"])]
    answer = await client.post(QUERY, {"representations": given}, accept=GRAPHQL_RESPONSE)
    assert answer.status_code == 200
    content = answer.json()
    assert content["data"]["_entities"] == [
        {"__typename": "Attendance", "id": str(record.id)},
        None,
        {"__typename": "Session", "id": "a"},
    ]
    [error] = content["errors"]
    assert error["path"] == ["_entities", 1]
    argument = f"representations.1.{'__typename' if case in OF_TYPE else 'id'}"
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": argument}
    assert error["message"]
    assert INTERNALS.search(answer.text) is None


async def test_each_of_several_malformed_representations_has_its_error_at_its_place(
    client: GraphQLClient, record: Record
) -> None:
    malformed = list(MALFORMED.values())
    given = [each for bad in malformed for each in (bad, *represent("Attendance", [record.id]))]
    answer = await client.run(QUERY, representations=given)
    found = answer["data"]["_entities"]
    assert found[::2] == [None] * len(malformed)
    assert found[1::2] == [{"__typename": "Attendance", "id": str(record.id)}] * len(malformed)
    paths = sorted(error["path"] for error in answer["errors"])
    assert paths == [["_entities", 2 * n] for n in range(len(malformed))]
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"BAD_USER_INPUT"}


async def test_the_error_says_what_is_wrong(client: GraphQLClient) -> None:
    given = [{"__typename": "Course", "id": "x"}, {"__typename": "Booking", "id": 1.5}, *represent("Booking", ["x"])]
    answer = await client.run(QUERY, representations=given)
    assert [error["message"] for error in answer["errors"]] == [
        "A representation has one of Attendance, Booking, Session as its `__typename`.",
        "A representation of Booking has a string as its `id`.",
        "`representations.2.id` takes a GUID such as 01890a5d-ac96-774b-bcce-b302099a8057.",
    ]


async def test_nothing_is_read_where_every_representation_is_malformed(
    database: RecordingDatabase, client: GraphQLClient
) -> None:
    with database.recording() as sent:
        answer = await client.run(QUERY, representations=list(MALFORMED.values()))
    assert answer["data"] == {"_entities": [None] * len(MALFORMED)}
    assert sent == []


async def test_1000_representations_are_taken_and_one_more_is_refused_unread(
    database: RecordingDatabase, client: GraphQLClient
) -> None:
    given = represent("Attendance", [uuid4() for _ in range(1001)])
    assert (await client.data(QUERY, representations=given[:1000]))["_entities"] == [None] * 1000
    with database.recording() as sent:
        answer = await client.run(QUERY, representations=given)
    [error] = answer["errors"]
    assert sent == []
    assert answer["data"] is None
    assert error["path"] == ["_entities"]
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": "representations"}
    assert "1000" in error["message"]
    assert "1001" in error["message"]


@pytest.mark.parametrize("given", [None, [None], [{"__typename": "Booking", "id": GUID}, None]])
@pytest.mark.parametrize(("accept", "status"), [(GRAPHQL_RESPONSE, 400), (JSON, 200)])
async def test_a_null_where_the_type_system_wants_a_representation_refuses_the_request(
    client: GraphQLClient, given: list[Any] | None, accept: str, status: int
) -> None:
    answer = await client.post(QUERY, {"representations": given}, accept=accept)
    assert answer.status_code == status
    assert answer.json().keys() == {"errors"}
    [error] = answer.json()["errors"]
    place = "representations" if given is None else f"representations.{len(given) - 1}"
    assert error["extensions"] == {"code": "BAD_USER_INPUT", "argument": place}


@pytest.mark.parametrize("key", [0, 7, -3, 2**53 + 1, 2**63 - 1, pytest.param(int("9" * 250), id="250 digits")])
async def test_a_session_id_that_is_an_integer_is_taken_as_its_digits(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID, key: int
) -> None:
    await store(database, site_id, [Record(session_id=str(key)), Record(session_id="other")])
    selection = "... on Session { id attendances { nodes { sessionId } } }"
    literal = f'{{ _entities(representations: [{{__typename: "Session", id: {key}}}]) {{ {selection} }} }}'
    expected = [{"id": str(key), "attendances": {"nodes": [{"sessionId": str(key)}]}}]
    assert (await client.data(literal))["_entities"] == expected
    if key.bit_length() < 64:
        given = [{"__typename": "Session", "id": key}]
        assert (await client.data(write_query(selection), representations=given))["_entities"] == expected


@pytest.mark.parametrize("other", ['attendance(id: "x")', 'node(id: "x")'])
async def test_a_null_beside_entities_leaves_them_as_they_are(
    client: GraphQLClient, record: Record, other: str
) -> None:
    given = [*represent("Attendance", [record.id]), {}, *represent("Booking", [GUID])]
    query = QUERY.replace("{", f"{{ other: {other} {{ __typename }} ", 1)
    answer = await client.run(query, representations=given)
    assert answer["data"] == {
        "other": None,
        "_entities": [
            {"__typename": "Attendance", "id": str(record.id)},
            None,
            {"__typename": "Booking", "id": GUID},
        ],
    }
    assert sorted((error["path"], error["extensions"]["argument"]) for error in answer["errors"]) == [
        (["_entities", 1], "representations.1.__typename"),
        (["other"], "id"),
    ]


REFUSALS = {
    "no token": (None, 401, "UNAUTHENTICATED"),
    "a token without a scope": (make_token(GUID), 403, "FORBIDDEN"),
    "a token of an unknown scope": (make_token(GUID, "SCOPE.OF.ANOTHER-SERVICE"), 403, "FORBIDDEN"),
    "a token of another secret": (make_token(GUID, *ALL_SCOPES, secret="another secret" * 3), 401, "UNAUTHENTICATED"),
}


@pytest.mark.parametrize("case", REFUSALS)
@pytest.mark.parametrize("accept", [GRAPHQL_RESPONSE, JSON])
async def test_entities_of_all_types_need_the_permission_to_read(
    http: httpx2.AsyncClient, database: RecordingDatabase, case: str, accept: str
) -> None:
    token, status, code = REFUSALS[case]
    for type_name in ("Attendance", "Booking", "Session"):
        with database.recording() as sent:
            given = {"representations": represent(type_name, [GUID])}
            answer = await GraphQLClient(http, token).post(QUERY, given, accept=accept)
        assert (answer.status_code, sent) == (status, [])
        assert [error["extensions"]["code"] for error in answer.json()["errors"]] == [code]


@pytest.mark.parametrize("scope", ALL_SCOPES)
async def test_each_scope_that_reads_may_ask_for_entities(
    http: httpx2.AsyncClient, site_id: UUID, record: Record, scope: str
) -> None:
    reader = GraphQLClient(http, make_token(site_id, scope))
    found = await reader.data(QUERY, representations=represent("Attendance", [record.id]))
    assert found["_entities"] == [{"__typename": "Attendance", "id": str(record.id)}]
