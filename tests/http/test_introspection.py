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
    assert {error["extensions"]["code"] for error in answer["errors"]} == {"GRAPHQL_VALIDATION_FAILED"}


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
