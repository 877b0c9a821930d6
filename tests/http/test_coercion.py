"""Values of the wrong shape: what the type system refuses, in literals and in variables, and where it says so."""

import json
from typing import Any
from uuid import UUID

import pytest

from tests.support.refusals import refuse
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
VALIDATION = "GRAPHQL_VALIDATION_FAILED"
INPUT = "BAD_USER_INPUT"
ATTENDED = {"eq": "ATTENDED"}
DEEP: Any = 1
for _ in range(400):
    DEEP = [DEEP]

LITERALS = {
    "two filters": ('filter: {id: {eq: "x"}, status: {eq: ATTENDED}}', "filter"),
    "no filter": ("filter: {}", "filter"),
    "a filter that is null": ("filter: {status: null}", "filter"),
    "a second filter that is null": ("filter: {status: {eq: ATTENDED}, id: null}", "filter"),
    "two operators": ("filter: {status: {eq: ATTENDED, ne: NOT_SET}}", "filter.status"),
    "no operator": ("filter: {status: {}}", "filter.status"),
    "an operator that is null": ("filter: {status: {eq: null}}", "filter.status"),
    "two perspectives": (f'perspective: {{bookingId: "{GUID}", sessionId: "s"}}', "perspective"),
    "no perspective": ("perspective: {}", "perspective"),
    "a perspective that is null": ("perspective: {bookingId: null}", "perspective"),
    "an unknown status": ("filter: {status: {eq: MAYBE}}", "filter.status.eq"),
    "an unknown status in a list": ("filter: {status: {in: [ATTENDED, MAYBE]}}", "filter.status.in.1"),
    "a status as text": ('filter: {status: {eq: "ATTENDED"}}', "filter.status.eq"),
    "a null in a list": ("filter: {status: {in: [ATTENDED, null]}}", "filter.status.in.1"),
    "an unknown order": ("orderBy: [STATUS_DESC]", "orderBy.0"),
    "an order that is null": ("orderBy: null", "orderBy"),
    "an order with a null": ("orderBy: [null]", "orderBy.0"),
    "a size above Int": ("first: 2147483648", "first"),
    "a size below Int": ("last: -2147483649", "last"),
    "a size as text": ('first: "1"', "first"),
    "a size with decimals": ("first: 1.5", "first"),
    "a number above Int": ("filter: {numberOfAttendees: {eq: 2147483648}}", "filter.numberOfAttendees.eq"),
    "a number above Int in a list": (
        "filter: {numberOfAttendees: {in: [1, 2147483648]}}",
        "filter.numberOfAttendees.in.1",
    ),
    "a cursor as a number": ("after: 7", "after"),
}
VARIABLES: dict[str, tuple[str, str, Any, str]] = {
    "two filters": ("AttendanceFilter", "filter", {"id": {"eq": "x"}, "status": ATTENDED}, "filter"),
    "no filter": ("AttendanceFilter", "filter", {}, "filter"),
    "a filter that is null": ("AttendanceFilter", "filter", {"status": None}, "filter.status"),
    "a second filter that is null": ("AttendanceFilter", "filter", {"status": ATTENDED, "id": None}, "filter"),
    "two operators": ("AttendanceFilter", "filter", {"status": {**ATTENDED, "ne": "NOT_SET"}}, "filter.status"),
    "no operator": ("AttendanceFilter", "filter", {"status": {}}, "filter.status"),
    "an operator that is null": ("AttendanceFilter", "filter", {"status": {"eq": None}}, "filter.status.eq"),
    "two perspectives": ("AttendancePerspective", "perspective", {"bookingId": GUID, "sessionId": "s"}, "perspective"),
    "no perspective": ("AttendancePerspective", "perspective", {}, "perspective"),
    "a perspective that is null": (
        "AttendancePerspective",
        "perspective",
        {"bookingId": None},
        "perspective.bookingId",
    ),
    "an unknown status": ("AttendanceFilter", "filter", {"status": {"eq": "MAYBE"}}, "filter.status.eq"),
    "an unknown status in a list": ("AttendanceFilter", "filter", {"status": {"in": ["MAYBE"]}}, "filter.status.in.0"),
    "a null in a list": ("AttendanceFilter", "filter", {"status": {"in": [None]}}, "filter.status.in.0"),
    "a filter as text": ("AttendanceFilter", "filter", "status", "filter"),
    "a filter as a list": ("AttendanceFilter", "filter", [], "filter"),
    "an unknown order": ("[AttendanceOrder!]!", "orderBy", ["STATUS_DESC"], "orderBy.0"),
    "an order with a null": ("[AttendanceOrder!]!", "orderBy", [None], "orderBy.0"),
    "an order that is null": ("[AttendanceOrder!]", "orderBy", None, "orderBy"),
    "an order that must not be null": ("[AttendanceOrder!]!", "orderBy", None, "orderBy"),
    "a size above Int": ("Int", "first", 2**31, "first"),
    "a size above any integer": ("Int", "first", 10**30, "first"),
    "a size beyond all numbers": ("Int", "last", 1e300, "last"),
    "a size as text": ("Int", "first", "1", "first"),
    "a size as a truth": ("Int", "first", True, "first"),
    "a size with decimals": ("Int", "first", 1.5, "first"),
    "a size 400 deep": ("Int", "first", DEEP, "first"),
    "a number above Int": (
        "AttendanceFilter",
        "filter",
        {"numberOfAttendees": {"eq": 2**31}},
        "filter.numberOfAttendees.eq",
    ),
    "a cursor as a number": ("String", "after", 7, "after"),
    "a cursor as a list": ("String", "before", ["x"], "before"),
}


@pytest.mark.parametrize("case", LITERALS)
async def test_a_literal_of_the_wrong_shape_makes_the_document_invalid(client: GraphQLClient, case: str) -> None:
    arguments, argument = LITERALS[case]
    refusal = await refuse(client, f"{{ attendances({arguments}) {{ totalCount }} }}")
    assert refusal.place == (VALIDATION, argument)


@pytest.mark.parametrize("case", VARIABLES)
async def test_a_variable_of_the_wrong_shape_is_bad_input(client: GraphQLClient, case: str) -> None:
    kind, name, value, argument = VARIABLES[case]
    query = f"query($value: {kind}) {{ attendances({name}: $value) {{ totalCount }} }}"
    refusal = await refuse(client, query, value=value)
    assert refusal.place == (INPUT, argument)


@pytest.mark.parametrize(
    ("given", "argument"),
    [({"createdAt": {"eq": "x"}}, "filter"), ({"status": {"lt": "ATTENDED"}}, "filter.status")],
)
async def test_what_cannot_be_expressed_is_refused_at_its_place(
    client: GraphQLClient, given: dict[str, Any], argument: str
) -> None:
    query = "query($value: AttendanceFilter) { attendances(filter: $value) { totalCount } }"
    by_variable = (await client.run(query, value=given))["errors"]
    literal = json.dumps(given).replace('"', "").replace("x", '"x"')
    by_literal = (await client.run(f"{{ attendances(filter: {literal}) {{ totalCount }} }}"))["errors"]
    for code, errors in ((INPUT, by_variable), (VALIDATION, by_literal)):
        for error in errors:
            assert error["extensions"]["code"] == code
            assert error["extensions"]["argument"].startswith(argument)


@pytest.mark.parametrize("field", ["booking", "session"])
async def test_nested_connections_refuse_the_same(client: GraphQLClient, field: str) -> None:
    nested = "{ attendances { nodes { %s { attendances(%s) { totalCount } } } } }"
    for arguments, argument in (LITERALS["two filters"], LITERALS["two operators"], LITERALS["a size above Int"]):
        assert (await refuse(client, nested % (field, arguments))).place == (VALIDATION, argument)


async def test_two_filters_are_refused_where_literals_and_variables_mix(client: GraphQLClient) -> None:
    both = "attendances(filter: {id: $id, status: $status}) { totalCount }"
    query = f"query($id: IDFilter!, $status: AttendanceStatusFilter!) {{ {both} }}"
    assert (await refuse(client, query, id={"eq": GUID}, status=ATTENDED)).place == (VALIDATION, "filter")
    literal_and_variable = both.replace("$status", "{eq: ATTENDED}")
    query = f"query($id: IDFilter!) {{ {literal_and_variable} }}"
    assert (await refuse(client, query, id={"eq": GUID})).place == (VALIDATION, "filter")


async def test_a_filter_that_may_be_null_is_refused_as_the_one_filter(client: GraphQLClient) -> None:
    query = "query($id: IDFilter) { attendances(filter: {id: $id}) { totalCount } }"
    for variables in ({}, {"id": None}, {"id": {"eq": GUID}}):
        assert (await refuse(client, query, **variables)).place == (VALIDATION, "filter.id")


async def test_a_variable_that_is_missing_is_named_by_where_it_is_used(client: GraphQLClient) -> None:
    query = "query($id: ID!) { attendance(id: $id) { id } }"
    assert (await refuse(client, query)).place == (INPUT, "id")
    assert (await refuse(client, query, id=None)).place == (INPUT, "id")
    assert (await refuse(client, query, id=["x"])).place == (INPUT, "id")
    used = query.replace("attendance(id: $id) { id }", "attendances @include(if: $id) { totalCount }")
    assert (await refuse(client, used.replace("ID!", "Boolean!"))).place == (INPUT, "if")


PLACES_OF_IDS = {
    "id": ("ID!", "attendance(id: $value) { id }", lambda value: value),
    "ids.1": ("[ID!]!", "nodes(ids: $value) { id }", lambda value: [GUID, value]),
    "ids": ("[ID!]!", "nodes(ids: $value) { id }", lambda value: value),
    "filter.sessionId.eq": (
        "ID!",
        "attendances(filter: {sessionId: {eq: $value}}) { totalCount }",
        lambda value: value,
    ),
    "filter.bookingId.in.0": (
        "AttendanceFilter",
        "attendances(filter: $value) { totalCount }",
        lambda value: {"bookingId": {"in": [value]}},
    ),
    "perspective.sessionId": (
        "AttendancePerspective",
        "attendances(perspective: $value) { totalCount }",
        lambda value: {"sessionId": value},
    ),
}


@pytest.mark.parametrize("value", [7.0, 0.5, 1e300, 2**64, True])
@pytest.mark.parametrize("argument", PLACES_OF_IDS)
async def test_an_id_that_is_a_fraction_or_a_boolean_is_refused_at_its_place(
    client: GraphQLClient, argument: str, value: float
) -> None:
    """Integers beyond 64 bits are fractions by the time that JSON has been read, and have lost digits."""
    kind, field, make = PLACES_OF_IDS[argument]
    refusal = await refuse(client, f"query($value: {kind}) {{ {field} }}", value=make(value))
    assert refusal.place == (INPUT, argument)
    shown = "true" if value is True else float(value)
    assert refusal.message.endswith(f"ID cannot represent value: {shown}. Send it as a string.")


@pytest.mark.parametrize("value", [0, 7, -7, 2**63 - 1])
async def test_a_session_id_that_is_an_integer_is_taken_as_its_digits(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID, value: int
) -> None:
    await store(database, site_id, [Record(session_id=str(value)), Record(session_id="other")])
    for kind, argument, given in (
        ("ID!", "filter: {sessionId: {eq: $value}}", value),
        ("[ID!]!", "filter: {sessionId: {in: $value}}", [value]),
        ("AttendanceFilter", "filter: $value", {"sessionId": {"eq": value}}),
        ("AttendancePerspective", "perspective: $value", {"sessionId": value}),
    ):
        query = f"query($value: {kind}) {{ attendances({argument}) {{ nodes {{ sessionId }} }} }}"
        assert (await client.data(query, value=given))["attendances"]["nodes"] == [{"sessionId": str(value)}]


@pytest.mark.parametrize(
    "selection",
    [
        "attendances @include(if: $maybe) { totalCount }",
        "attendances { totalCount nodes @skip(if: $maybe) { id } }",
        "... @include(if: $maybe) { attendances { totalCount } }",
        "__schema { queryType { name @skip(if: $maybe) } }",
    ],
)
async def test_a_condition_that_is_null_where_its_default_is_not_is_refused(
    client: GraphQLClient, selection: str
) -> None:
    query = f"query($maybe: Boolean = true) {{ {selection} }}"
    assert await client.data(query) is not None
    refusal = await refuse(client, query, maybe=None)
    assert refusal.place == (INPUT, "if")
    assert "variable '$maybe'" in refusal.message


async def test_null_is_absent_for_every_argument_that_may_be_null(client: GraphQLClient) -> None:
    names = {
        "perspective": "AttendancePerspective",
        "filter": "AttendanceFilter",
        "first": "Int",
        "after": "String",
        "last": "Int",
        "before": "String",
    }
    variables = ", ".join(f"${name}: {kind}" for name, kind in names.items())
    arguments = ", ".join(f"{name}: ${name}" for name in names)
    query = f"query({variables}) {{ attendances({arguments}) {{ totalCount }} }}"
    empty = {"attendances": {"totalCount": 0}}
    assert await client.data(query) == empty
    assert await client.data(query, **dict.fromkeys(names)) == empty
    literal = ", ".join(f"{name}: null" for name in names)
    assert await client.data(f"{{ attendances({literal}) {{ totalCount }} }}") == empty


async def test_an_order_that_is_not_given_is_the_default(client: GraphQLClient) -> None:
    query = "query($order: [AttendanceOrder!]) { attendances(orderBy: $order) { totalCount } }"
    assert await client.data(query) == {"attendances": {"totalCount": 0}}
    assert await client.data(query, order=[]) == {"attendances": {"totalCount": 0}}
    assert await client.data(query, order="STATUS_ASC") == {"attendances": {"totalCount": 0}}
