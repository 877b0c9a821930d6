"""What a service tells of its schema, and what it keeps to itself when introspection is off."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from graphql import get_introspection_query

from tests.http.conftest import ServiceBuilder
from tests.support.refusals import refuse
from tests.support.service import GraphQLClient

SUGGESTION = "Did you mean"


@pytest.fixture
async def closed(service: ServiceBuilder) -> AsyncIterator[GraphQLClient]:
    """A caller without a token of a service that keeps its schema to itself."""
    async with service(introspection="off") as http:
        yield GraphQLClient(http, None)


@pytest.fixture
def anybody(client: GraphQLClient) -> GraphQLClient:
    """A caller without a token of a service with introspection on."""
    return GraphQLClient(client.http, None)


async def test_introspection_that_is_on_needs_no_token(anybody: GraphQLClient) -> None:
    data = await anybody.data(get_introspection_query(input_value_deprecation=True, descriptions=True))
    assert "Attendance" in {type_["name"] for type_ in data["__schema"]["types"]}
    query = '{ __type(name: "AttendanceFilter") { isOneOf } }'
    assert await anybody.data(query) == {"__type": {"isOneOf": True}}


NULLS: dict[str, tuple[str, dict[str, Any] | None, list[list[str | int]]]] = {
    "a name": ('query($x: String = "Query") { __type(name: $x) { name } }', {"__type": None}, [["__type"]]),
    "a condition of a list": (
        'query($x: Boolean = true) { a: __type(name: "Query") { fields(includeDeprecated: $x) { name } name } }',
        {"a": {"fields": None, "name": "Query"}},
        [["a", "fields"]],
    ),
    "one where no null may stand": (
        "query($x: Boolean = true) { __schema { directives { args(includeDeprecated: $x) { name } } } }",
        None,
        [["__schema", "directives", 0, "args"]],
    ),
    "two fields": (
        'query($x: String = "Query") { a: __type(name: $x) { name } __typename b: __type(name: $x) { name } }',
        {"a": None, "__typename": "Query", "b": None},
        [["a"], ["b"]],
    ),
}


@pytest.mark.parametrize("case", NULLS)
async def test_an_argument_of_introspection_that_is_null_where_its_default_is_not_is_refused(
    anybody: GraphQLClient, case: str
) -> None:
    query, data, paths = NULLS[case]
    assert "errors" not in await anybody.run(query)
    answer = await anybody.run(query, x=None)
    assert answer["data"] == data
    assert [error["path"] for error in answer["errors"]] == paths
    for error in answer["errors"]:
        assert error["extensions"]["code"] == "BAD_USER_INPUT"
        assert error["extensions"]["argument"] in ("name", "includeDeprecated")
        assert error["locations"]
        assert "variable '$x'" in error["message"]


async def test_a_null_in_introspection_leaves_the_other_fields_as_they_are(client: GraphQLClient) -> None:
    query = 'query($x: String = "Query") { a: attendances { totalCount } b: __type(name: $x) { name } c: __typename }'
    answer = await client.run(query, x=None)
    assert list(answer["data"].items()) == [("a", {"totalCount": 0}), ("b", None), ("c", "Query")]
    assert [error["path"] for error in answer["errors"]] == [["b"]]


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { queryType { name } } }",
        '{ __type(name: "Attendance") { name } }',
        "{ harmless: __schema { types { name } } }",
        '{ ... { __type(name: "Query") { name } } }',
        "{ ...F } fragment F on Query { __schema { types { name } } }",
        "{ __typename ... on Query @include(if: true) { a: __schema { types { name } } } }",
        "{ __schema @skip(if: true) { types { name } } }",
        get_introspection_query(),
    ],
)
async def test_introspection_that_is_off_is_refused_however_it_is_asked(closed: GraphQLClient, query: str) -> None:
    answer = await closed.run(query)
    assert "data" not in answer
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["GRAPHQL_VALIDATION_FAILED"]


async def test_what_else_is_wrong_is_told_beside_introspection(closed: GraphQLClient) -> None:
    query = "{ nothing __schema { types { name } } attendances(first: TEN) { totalCount } }"
    answer = await closed.run(query)
    assert [error["message"].split(" ")[0] for error in answer["errors"]] == ["Cannot", "GraphQL", "Int"]


STATUSES = "The values are NOT_SET, ATTENDED, NOT_ATTENDED."
UNKNOWN_VALUES: dict[str, tuple[str, dict[str, Any]]] = {
    "a literal": ("{ attendances(filter: {status: {eq: NOPE}}) { totalCount } }", {}),
    "a literal in a list": ("{ attendances(filter: {status: {in: [ATTENDED, NOPE]}}) { totalCount } }", {}),
    "a text": ('{ attendances(filter: {status: {eq: "ATTENDED"}}) { totalCount } }', {}),
    "a number": ("{ attendances(filter: {status: {eq: 1}}) { totalCount } }", {}),
    "a variable": (
        "query($x: AttendanceStatus!) { attendances(filter: {status: {eq: $x}}) { totalCount } }",
        {"x": "NOPE"},
    ),
    "a variable of another kind": (
        "query($x: AttendanceStatus!) { attendances(filter: {status: {eq: $x}}) { totalCount } }",
        {"x": True},
    ),
    "within a variable": (
        "query($x: AttendanceFilter) { attendances(filter: $x) { totalCount } }",
        {"x": {"status": {"in": ["ATTENDED", "NOPE"]}}},
    ),
    "a variable's default": (
        "query($x: AttendanceStatus! = NOPE) { attendances(filter: {status: {eq: $x}}) { totalCount } }",
        {},
    ),
}


@pytest.mark.parametrize("case", UNKNOWN_VALUES)
async def test_whoever_gives_an_unknown_value_is_told_the_known_ones_where_introspection_is_on(
    client: GraphQLClient, service: ServiceBuilder, case: str
) -> None:
    query, variables = UNKNOWN_VALUES[case]
    assert STATUSES in (await refuse(client, query, **variables)).message
    async with service(introspection="off") as http:
        closed = GraphQLClient(http, client.headers["Authorization"].removeprefix("Bearer "))
        assert "NOT_SET" not in (await refuse(closed, query, **variables)).message


async def test_typename_is_no_introspection(closed: GraphQLClient) -> None:
    assert await closed.data("{ a: __typename ... on Query { b: __typename } }") == {"a": "Query", "b": "Query"}


NEAR_MISSES: dict[str, tuple[str, dict[str, Any]]] = {
    "a field": ("{ attendanced { totalCount } }", {}),
    "a nested field": ("{ attendances { totalCounts } }", {}),
    "an argument": ("{ attendances(frist: 1) { totalCount } }", {}),
    "a type": ("{ ... on Querry { __typename } }", {}),
    "a variable's type": ("query($x: AttendanceFiltre) { attendances(filter: $x) { totalCount } }", {}),
    "a literal's field": ("{ attendances(filter: {statsu: {eq: ATTENDED}}) { totalCount } }", {}),
    "a literal's enum value": ("{ attendances(filter: {status: {eq: ATTENDET}}) { totalCount } }", {}),
    "a literal of another kind": ('{ attendances(filter: {status: {eq: "ATTENDED"}}) { totalCount } }', {}),
    "a directive": ("{ __typename @skipp(if: true) }", {}),
    "a variable's field": (
        "query($x: AttendanceFilter) { attendances(filter: $x) { totalCount } }",
        {"x": {"statsu": {"eq": "ATTENDED"}}},
    ),
    "a variable's enum value": (
        "query($x: AttendanceStatus!) { attendances(filter: {status: {eq: $x}}) { totalCount } }",
        {"x": "ATTENDET"},
    ),
}


@pytest.mark.parametrize("case", NEAR_MISSES)
async def test_suggestions_are_made_where_introspection_is_on_and_nowhere_else(
    client: GraphQLClient, service: ServiceBuilder, case: str
) -> None:
    query, variables = NEAR_MISSES[case]
    answer = await client.post(query, variables)
    assert answer.json()["errors"]
    if case != "a directive":
        assert SUGGESTION in answer.text
    async with service(introspection="off") as http:
        closed = GraphQLClient(http, client.headers["Authorization"].removeprefix("Bearer "))
        answer = await closed.post(query, variables)
    assert answer.json()["errors"]
    assert SUGGESTION not in answer.text


async def test_a_refusal_without_suggestions_still_says_where(closed: GraphQLClient) -> None:
    refusal = await refuse(closed, *NEAR_MISSES["an argument"][:1])
    assert refusal.place == ("GRAPHQL_VALIDATION_FAILED", "frist")
