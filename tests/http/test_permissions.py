"""Who may do what: each root field that the schema has, asked with each scope and without."""

import re
from uuid import UUID

import httpx2
import pytest
import strawberry
from graphql import OperationType

from app.schema.permissions import METADATA_KEY, SCOPES, Permission
from app.schema.schema import permission_of
from tests.support.media_types import GRAPHQL_RESPONSE, JSON
from tests.support.root_fields import OPEN_FIELDS, RootField, list_guarded_fields, list_root_fields
from tests.support.service import make_token

READ_ONLY = {
    "SCOPE.DC-BOOKINGS.READ-BOOKINGS-SENSITIVE": "Read Bookings - Including Participants",
    "SCOPE.DC-BOOKINGS-MEGA.READ-BOOKINGS": "Read Bookings - all read permissions",
    "SCOPE.BOOKINGS.CONFIGURATION": "Manage Bookings Services and Settings",
}
READ_AND_WRITE = {
    "SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS": "Manage Bookings",
    "SCOPE.DC-BOOKINGS-MEGA.MANAGE-BOOKINGS": "Manage Bookings - all permissions",
}
READERS = {*READ_ONLY, *READ_AND_WRITE}
GRANTED_BY = {
    OperationType.QUERY: READERS,
    OperationType.SUBSCRIPTION: READERS,
    OperationType.MUTATION: {*READ_AND_WRITE},
}
ALL = (*READ_ONLY, *READ_AND_WRITE)
SCOPE_SETS = {
    **{scope: (scope,) for scope in ALL},
    "all": ALL,
    "none": (),
    "unknown": ("SCOPE.DC-BOOKINGS.DELETE-EVERYTHING",),
    "lower case": tuple(scope.lower() for scope in ALL),
    "run together": ("".join(ALL),),
    "with commas": (",".join(ALL),),
    "one of its name's beginning": ("SCOPE.DC-BOOKINGS",),
}
SCOPE_NAME = re.compile(r"SCOPE(?:\.[A-Z-]+)+")
GUARDED_FIELDS = list_guarded_fields()
OPEN_QUERIES = [root_field.query for root_field in list_root_fields() if root_field.name in OPEN_FIELDS]
MEDIA_TYPES = (GRAPHQL_RESPONSE, JSON)
READ = "attendances { __typename }"

for_each_field = pytest.mark.parametrize("root_field", GUARDED_FIELDS, ids=str)
for_each_media_type = pytest.mark.parametrize("accept", MEDIA_TYPES)


async def ask(client: httpx2.AsyncClient, query: str, token: str | None, accept: str, **more: str) -> httpx2.Response:
    headers = {"accept": accept} if token is None else {"accept": accept, "authorization": f"Bearer {token}"}
    return await client.post("/graphql", json={"query": query, **more}, headers=headers)


def assert_refused(answer: httpx2.Response, status: int, code: str, challenge: str) -> None:
    assert (answer.status_code, answer.headers["www-authenticate"]) == (status, challenge)
    [error] = answer.json()["errors"]
    assert error["extensions"] == {"code": code}
    assert "data" not in answer.json()


def assert_no_token(answer: httpx2.Response) -> None:
    assert_refused(answer, 401, "UNAUTHENTICATED", 'Bearer realm="attendance"')


def assert_forbidden(answer: httpx2.Response) -> None:
    assert_refused(answer, 403, "FORBIDDEN", 'Bearer realm="attendance", error="insufficient_scope"')


def test_the_five_scopes_grant_what_they_are_documented_to() -> None:
    assert {scope.id: scope.name for scope in SCOPES} == READ_ONLY | READ_AND_WRITE
    for scope in SCOPES:
        writes = {Permission.WRITE} if scope.id in READ_AND_WRITE else set()
        assert scope.grants == {Permission.READ} | writes


@for_each_media_type
@for_each_field
@pytest.mark.parametrize("scopes", SCOPE_SETS.values(), ids=SCOPE_SETS)
async def test_a_root_field_is_run_for_the_scopes_that_grant_it_and_for_no_others(
    bare: httpx2.AsyncClient, site_id: UUID, root_field: RootField, scopes: tuple[str, ...], accept: str
) -> None:
    answer = await ask(bare, root_field.query, make_token(site_id, *scopes), accept)
    if GRANTED_BY[root_field.kind].isdisjoint(scopes):
        assert_forbidden(answer)
        named = SCOPE_NAME.findall(answer.json()["errors"][0]["message"])
        assert set(named) == GRANTED_BY[root_field.kind]
    elif root_field.kind is OperationType.SUBSCRIPTION:
        assert (answer.status_code, answer.json().keys()) == (406, {"errors"})
    else:
        assert answer.status_code == 200
        codes = {error["extensions"]["code"] for error in answer.json().get("errors", ())}
        assert codes <= {"ATTENDANCE_NOT_FOUND"}, answer.text
        assert codes or answer.json()["data"].keys() == {root_field.name}


@for_each_media_type
@for_each_field
async def test_without_a_token_no_root_field_is_run(
    bare: httpx2.AsyncClient, root_field: RootField, accept: str
) -> None:
    assert_no_token(await ask(bare, root_field.query, None, accept))


@for_each_field
async def test_a_token_that_says_nothing_of_scopes_grants_nothing(
    bare: httpx2.AsyncClient, site_id: UUID, root_field: RootField
) -> None:
    assert_forbidden(await ask(bare, root_field.query, make_token(site_id, scope=None), JSON))


@for_each_field
def test_each_root_field_declares_its_permission_beside_itself(root_field: RootField) -> None:
    expected = Permission.WRITE if root_field.kind is OperationType.MUTATION else Permission.READ
    assert permission_of(root_field.field) is expected


def test_the_root_fields_that_need_nothing_say_so_and_are_known_by_name() -> None:
    open_fields = {each.name for each in list_root_fields() if permission_of(each.field) is None}
    assert open_fields == OPEN_FIELDS


def test_a_root_field_without_a_permission_cannot_be_asked_for() -> None:
    @strawberry.type
    class Query:
        undeclared: str = "x"
        declared: str = strawberry.field(default="x", metadata={METADATA_KEY: Permission.WRITE})

    fields = strawberry.Schema(query=Query)._schema.query_type.fields  # type: ignore[union-attr]  # noqa: SLF001
    assert permission_of(fields["declared"]) is Permission.WRITE
    with pytest.raises(KeyError):
        permission_of(fields["undeclared"])


COUNTED = {
    "a fragment": f"{{ ...F }} fragment F on Query {{ {READ} }}",
    "a fragment in a fragment": f"{{ ...F }} fragment F on Query {{ ...G }} fragment G on Query {{ {READ} }}",
    "a fragment used twice": f"{{ ...F a: __typename ...F }} fragment F on Query {{ {READ} }}",
    "an inline fragment": f"{{ ... on Query {{ {READ} }} }}",
    "an inline fragment of no type": f"{{ ... {{ {READ} }} }}",
    "an alias": f"{{ __typename harmless: {READ} }}",
    "an alias like a meta field": f"{{ harmless: {READ} __typename }}",
    "a field that is skipped": "{ attendances @skip(if: true) { __typename } __typename }",
    "a field that is not included": "{ attendances @include(if: false) { __typename } __typename }",
    "a fragment that is skipped": f"{{ __typename ...F @skip(if: true) }} fragment F on Query {{ {READ} }}",
    "an inline fragment that is skipped": f"{{ __typename ... @skip(if: true) {{ {READ} }} }}",
    "a variable that skips": "query($x: Boolean = true) { __typename attendances @skip(if: $x) { __typename } }",
    "one of several fields": f"{{ __typename __schema {{ queryType {{ name }} }} {READ} }}",
    "the one operation": f"query Named {{ {READ} }}",
}


@for_each_media_type
@pytest.mark.parametrize("case", COUNTED)
async def test_a_permission_is_needed_however_the_field_is_asked_for(
    bare: httpx2.AsyncClient, site_id: UUID, case: str, accept: str
) -> None:
    assert_no_token(await ask(bare, COUNTED[case], None, accept))
    assert_forbidden(await ask(bare, COUNTED[case], make_token(site_id), accept))
    answer = await ask(bare, COUNTED[case], make_token(site_id, *READ_ONLY), accept)
    assert (answer.status_code, list(answer.json())) == (200, ["data"])


@pytest.mark.parametrize(
    "token", [None, "garbage", make_token("no site"), make_token("x", secret="another secret" * 3)]
)
@pytest.mark.parametrize(
    "query",
    [
        "{ __typename }",
        "{ a: __typename ...F } fragment F on Query { ... { b: __typename } }",
        '{ __schema { queryType { name } } __type(name: "Query") { name } }',
        *OPEN_QUERIES,
    ],
)
async def test_what_needs_no_permission_asks_for_no_token_and_looks_at_none(
    bare: httpx2.AsyncClient, query: str, token: str | None
) -> None:
    answer = await ask(bare, query, token, GRAPHQL_RESPONSE)
    assert (answer.status_code, list(answer.json())) == (200, ["data"])


async def test_only_the_operation_that_is_run_needs_its_permission(bare: httpx2.AsyncClient) -> None:
    both = f"query Harmless {{ __typename }} query Guarded {{ {READ} }}"
    answer = await ask(bare, both, None, JSON, operationName="Harmless")
    assert answer.json() == {"data": {"__typename": "Query"}}
    assert_no_token(await ask(bare, both, None, JSON, operationName="Guarded"))


async def test_permission_is_refused_before_input_is_looked_at(bare: httpx2.AsyncClient, site_id: UUID) -> None:
    query = 'query($x: Int!) { attendances(first: $x, after: "x") { totalCount } }'
    assert_no_token(await ask(bare, query, None, JSON))
    assert_forbidden(await ask(bare, query, make_token(site_id), JSON))
