"""Bad input of every kind: its code, the argument at fault, and nothing internal."""

import re
from typing import Any

import orjson
import pytest

from tests.support.refusals import read_refusal, refuse
from tests.support.service import GraphQLClient

GUID = "01890a5d-ac96-774b-bcce-b302099a8057"
COUNT = "{ totalCount }"
TOO_LARGE = 2**31
ORDERS = "query($value: [AttendanceOrder!]) { attendances(orderBy: $value) { totalCount } }"

MALFORMED_GUIDS = {
    "empty": "",
    "a word": "x",
    "one digit short": GUID[:-1],
    "one digit long": GUID + "0",
    "in braces": f"{{{GUID}}}",
    "as a URN": f"urn:uuid:{GUID}",
    "without hyphens": GUID.replace("-", ""),
    "hyphens elsewhere": GUID.replace("-", "")[:12] + "----" + GUID.replace("-", "")[12:],
    "not hexadecimal": GUID.replace("0", "g"),
    "digits of another script": GUID.replace("0", "０"),  # noqa: RUF001
    "a line feed at its end": GUID + "\n",
    "spaces around it": f" {GUID} ",
    "a NUL inside": GUID[:8] + "\0" + GUID[9:],
    "SQL": "' OR site_id IS NOT NULL --",
    "endless": "0" * 30_000,
}
PLACES_OF_GUIDS = {
    "perspective.bookingId": "attendances(perspective: {bookingId: $value}) { totalCount }",
    "filter.id.eq": "attendances(filter: {id: {eq: $value}}) { totalCount }",
    "filter.id.ne": "attendances(filter: {id: {ne: $value}}) { totalCount }",
    "filter.id.in.0": "attendances(filter: {id: {in: [$value]}}) { totalCount }",
    "filter.bookingId.eq": "attendances(filter: {bookingId: {eq: $value}}) { totalCount }",
    "filter.bookingId.ne": "attendances(filter: {bookingId: {ne: $value}}) { totalCount }",
    "filter.bookingId.in.0": "attendances(filter: {bookingId: {in: [$value]}}) { totalCount }",
    "id": "attendance(id: $value) { id }",
    "ids.0": "nodes(ids: [$value]) { id }",
}
NODE_BY_ID = "node(id: $value) { id }"
PLACES_OF_TEXTS = {
    "perspective.sessionId": "attendances(perspective: {sessionId: $value}) { totalCount }",
    "filter.sessionId.eq": "attendances(filter: {sessionId: {eq: $value}}) { totalCount }",
    "filter.sessionId.ne": "attendances(filter: {sessionId: {ne: $value}}) { totalCount }",
    "filter.sessionId.in.0": "attendances(filter: {sessionId: {in: [$value]}}) { totalCount }",
}


@pytest.mark.parametrize("text", MALFORMED_GUIDS.values(), ids=MALFORMED_GUIDS)
async def test_a_malformed_guid_is_refused_at_each_place_that_takes_one(client: GraphQLClient, text: str) -> None:
    for argument, field in [*PLACES_OF_GUIDS.items(), ("id", NODE_BY_ID)]:
        refusal = await refuse(client, f"query($value: ID!) {{ {field} }}", value=text)
        assert refusal.place == ("BAD_USER_INPUT", argument)
        literal = await refuse(client, f"{{ {field} }}".replace("$value", orjson.dumps(text).decode()))
        assert literal.place == ("BAD_USER_INPUT", argument)


async def test_a_number_is_no_guid(client: GraphQLClient) -> None:
    assert (await refuse(client, "{ attendance(id: 7) { id } }")).place == ("BAD_USER_INPUT", "id")


@pytest.mark.parametrize("argument", ["filter.id.in", "filter.bookingId.in", "ids"])
@pytest.mark.parametrize("position", [0, 1, 2, 11])
async def test_a_malformed_guid_in_a_list_is_told_by_its_place(
    client: GraphQLClient, argument: str, position: int
) -> None:
    field = PLACES_OF_GUIDS[f"{argument}.0"].replace("[$value]", "$values")
    values = [GUID] * position + ["x", GUID, "y"]
    refusal = await refuse(client, f"query($values: [ID!]!) {{ {field} }}", values=values)
    assert refusal.place == ("BAD_USER_INPUT", f"{argument}.{position}")
    assert f"`{argument}.{position}`" in refusal.message
    literal = f"{{ {field} }}".replace("$values", orjson.dumps(values).decode())
    assert await refuse(client, literal) == refusal


@pytest.mark.parametrize("argument", PLACES_OF_TEXTS)
async def test_a_text_with_a_nul_is_refused_however_it_comes(client: GraphQLClient, argument: str) -> None:
    field = PLACES_OF_TEXTS[argument]
    query = f"query($value: ID!) {{ {field} }}"
    expected = ("BAD_USER_INPUT", argument)
    assert (await refuse(client, query, value="nul\0")).place == expected
    assert (await refuse(client, f"{{ {field} }}".replace("$value", r'"nul\u0000"'))).place == expected
    for parameters in (
        {"query": query, "variables": r'{"value": "nul\u0000"}'},
        {"query": f"{{ {field} }}".replace("$value", r'"nul\u{0}"')},
    ):
        answer = await client.http.get("/graphql", params=parameters, headers=client.headers)
        assert read_refusal(answer).place == expected


@pytest.mark.parametrize("argument", PLACES_OF_TEXTS)
async def test_a_lone_surrogate_is_refused_however_it_comes(client: GraphQLClient, argument: str) -> None:
    field = PLACES_OF_TEXTS[argument]
    literal = f"{{ {field} }}".replace("$value", r'"\uD83D"')
    assert (await refuse(client, literal)).place == ("GRAPHQL_PARSE_FAILED", None)
    query = f"query($value: ID!) {{ {field} }}"
    body = orjson.dumps({"query": query, "variables": {"value": "LONE"}}).replace(b"LONE", rb"\ud83d")
    headers = {**client.headers, "content-type": "application/json"}
    answer = await client.http.post("/graphql", content=body, headers=headers)
    assert read_refusal(answer).place == ("BAD_USER_INPUT", None)
    parameters = {"query": query, "variables": r'{"value": "\ud83d"}'}
    answer = await client.http.get("/graphql", params=parameters, headers=client.headers)
    assert read_refusal(answer).place == ("BAD_USER_INPUT", "variables")


@pytest.mark.parametrize("text", ["😀", "", "%", "'; --", "\x01\x1f", "\uffff", "x" * 100_000], ids=ascii)
@pytest.mark.parametrize("argument", PLACES_OF_TEXTS)
async def test_any_other_text_is_a_session_that_may_not_exist(client: GraphQLClient, argument: str, text: str) -> None:
    query = f"query($value: ID!) {{ {PLACES_OF_TEXTS[argument]} }}"
    assert await client.data(query, value=text) == {"attendances": {"totalCount": 0}}


SIZES = {
    "first": [-1, 101, 2**31 - 1, -(2**31)],
    "last": [-1, 101, 2**31 - 1, -(2**31)],
}


@pytest.mark.parametrize(("argument", "size"), [(name, size) for name in SIZES for size in SIZES[name]])
async def test_a_page_size_outside_of_0_to_100_is_refused(client: GraphQLClient, argument: str, size: int) -> None:
    query = f"query($size: Int) {{ attendances({argument}: $size) {{ totalCount }} }}"
    refusal = await refuse(client, query, size=size)
    assert refusal.place == ("BAD_USER_INPUT", argument)
    assert "100" in refusal.message
    assert (await refuse(client, query.replace("($size: Int)", "").replace("$size", str(size)))) == refusal


async def test_a_page_is_sized_at_one_end(client: GraphQLClient) -> None:
    both = await refuse(client, "{ attendances(first: 1, last: 1) { totalCount } }")
    assert both.place == ("BAD_USER_INPUT", "last")
    for arguments in ("first: 0", "last: 0", "first: 100, last: null", "first: null, last: 100"):
        assert await client.data(f"{{ attendances({arguments}) {{ totalCount }} }}")


@pytest.mark.parametrize(
    "order",
    [
        ["ID_ASC", "ID_ASC"],
        ["NUMBER_OF_ATTENDEES_ASC", "NUMBER_OF_ATTENDEES_DESC"],
        ["NUMBER_OF_ATTENDEES_DESC", "STATUS_ASC", "NUMBER_OF_ATTENDEES_ASC"],
        ["STATUS_ASC", "BOOKING_ID_ASC", "STATUS_ASC"],
        ["ID_ASC", "SESSION_ID_ASC", "SESSION_ID_ASC"],
        ["STATUS_ASC"] * 100,
    ],
)
async def test_a_property_is_ordered_by_once(client: GraphQLClient, order: list[str]) -> None:
    assert (await refuse(client, ORDERS, value=order)).place == ("BAD_USER_INPUT", "orderBy")
    literal = f"{{ attendances(orderBy: [{', '.join(order)}]) {COUNT} }}"
    assert (await refuse(client, literal)).place == ("BAD_USER_INPUT", "orderBy")


LISTS: dict[str, tuple[str, Any]] = {
    "id": ("ID", GUID),
    "bookingId": ("ID", GUID),
    "sessionId": ("ID", "a session"),
    "status": ("AttendanceStatus", "ATTENDED"),
    "numberOfAttendees": ("Int", 1),
}


@pytest.mark.parametrize("of", LISTS)
async def test_a_list_of_a_filter_holds_at_most_100_values(client: GraphQLClient, of: str) -> None:
    kind, value = LISTS[of]
    query = f"query($values: [{kind}!]) {{ attendances(filter: {{{of}: {{in: $values}}}}) {{ totalCount }} }}"
    query = query.replace("[" + kind + "!])", "[" + kind + "!]!)")
    assert await client.data(query, values=[value] * 100) == {"attendances": {"totalCount": 0}}
    refusal = await refuse(client, query, values=[value] * 101)
    assert refusal.place == ("BAD_USER_INPUT", f"filter.{of}.in")
    assert "100" in refusal.message
    assert "101" in refusal.message


async def test_nodes_takes_at_most_100_ids(client: GraphQLClient) -> None:
    query = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"
    assert await client.data(query, ids=[GUID] * 100) == {"nodes": [None] * 100}
    assert await client.data(query, ids=[]) == {"nodes": []}
    refusal = await refuse(client, query, ids=[GUID] * 101)
    assert refusal.place == ("BAD_USER_INPUT", "ids")
    assert "100" in refusal.message


DIGITS = "9" * 5000
LONG_NUMBERS: dict[str, str] = {
    "an argument": f"{{ attendances(first: {DIGITS}) {{ totalCount }} }}",
    "a negative one": f"{{ attendances(first: -{DIGITS}) {{ totalCount }} }}",
    "a filter": f"{{ attendances(filter: {{numberOfAttendees: {{eq: {DIGITS}}}}}) {{ totalCount }} }}",
    "a list": f"{{ attendances(filter: {{numberOfAttendees: {{in: [1, {DIGITS}]}}}}) {{ totalCount }} }}",
    "a default": f"query($x: Int = {DIGITS}) {{ attendances(first: $x) {{ totalCount }} }}",
    "an enum": f"{{ attendances(filter: {{status: {{eq: {DIGITS}}}}}) {{ totalCount }} }}",
    "a directive": f"{{ __typename @include(if: {DIGITS}) }}",
    "a GUID": f"{{ attendance(id: {DIGITS}) {{ id }} }}",
    "a fraction": f"{{ attendances(first: {DIGITS}.5) {{ totalCount }} }}",
    "an input": (
        f'mutation {{ setAttendance(input: {{bookingId: "{GUID}", sessionId: "x", status: ATTENDED, '
        f"numberOfAttendees: {DIGITS}}}) {{ attendance {{ id }} }} }}"
    ),
}


@pytest.mark.parametrize("case", LONG_NUMBERS)
async def test_a_number_of_5000_digits_is_refused_without_the_words_of_the_runtime(
    client: GraphQLClient, case: str
) -> None:
    refusal = await refuse(client, LONG_NUMBERS[case])
    assert len(refusal.message) <= 1003
    assert not re.search("sys|limit|4300|encountered|conversion", refusal.message)


async def test_a_representation_with_a_number_of_5000_digits_gets_an_error_or_nothing(client: GraphQLClient) -> None:
    for name in ("Booking", "Session", "Attendance"):
        query = f'{{ _entities(representations: [{{__typename: "{name}", id: {DIGITS}}}]) {{ __typename }} }}'
        answer = await client.post(query)
        assert answer.status_code == 200
        assert not re.search("sys|4300|INTERNAL", answer.text)


async def test_long_names_and_values_are_cut_in_messages(client: GraphQLClient) -> None:
    name = "A" * 20_000
    for query in (
        f"{{ {name} }}",
        f"{{ attendances(orderBy: [{name}]) {{ totalCount }} }}",
        f'{{ attendances(first: "{name}") {{ totalCount }} }}',
        f'{{ attendances(after: "{name}") {{ totalCount }} }}',
        f"{{ ...{name} }}",
        f"query($x: {name}) {{ attendances(first: $x) {{ totalCount }} }}",
    ):
        answer = await client.post(query)
        assert {len(error["message"]) > 1003 for error in answer.json()["errors"]} == {False}


TWO_FILTERS = {"status": {"eq": "ATTENDED"}, "bookingId": {"eq": GUID}}
SECOND_FILTERS: dict[str, tuple[str, dict[str, Any]]] = {
    "literals": (
        f'{{ attendances(filter: {{status: {{eq: ATTENDED}}, bookingId: {{eq: "{GUID}"}}}}) {{ totalCount }} }}',
        {},
    ),
    "a variable": ("query($x: AttendanceFilter) { attendances(filter: $x) { totalCount } }", {"x": TWO_FILTERS}),
    "variables within": (
        "query($x: AttendanceStatusFilter!, $y: IDFilter!) "
        "{ attendances(filter: {status: $x, bookingId: $y}) { totalCount } }",
        {"x": TWO_FILTERS["status"], "y": TWO_FILTERS["bookingId"]},
    ),
    "a list": ("{ attendances(filter: [{status: {eq: ATTENDED}}, {id: {eq: 1}}]) { totalCount } }", {}),
    "a list in a variable": (
        "query($x: AttendanceFilter) { attendances(filter: $x) { totalCount } }",
        {"x": [TWO_FILTERS, TWO_FILTERS]},
    ),
}


@pytest.mark.parametrize("case", SECOND_FILTERS)
async def test_a_second_filter_is_told_where_it_belongs(client: GraphQLClient, case: str) -> None:
    query, variables = SECOND_FILTERS[case]
    refusal = await refuse(client, query, **variables)
    assert "`perspective`" in refusal.message
    assert refusal.argument == "filter"


async def test_a_second_argument_for_a_filter_is_told_where_it_belongs(client: GraphQLClient) -> None:
    query = '{ attendances(filter: {status: {eq: ATTENDED}}, filter: {id: {eq: "x"}}) { totalCount } }'
    assert "`perspective`" in (await refuse(client, query)).message


@pytest.mark.parametrize("value", [True, False, [None]])
@pytest.mark.parametrize("kind", ["Int", "String", "ID", "AttendanceFilter", "[AttendanceOrder!]!"])
async def test_a_refused_value_is_shown_as_json_has_it(client: GraphQLClient, kind: str, value: object) -> None:
    name = {"Int": "first", "String": "after", "AttendanceFilter": "filter"}.get(kind, "orderBy")
    field = "attendance(id: $x) { id }" if kind == "ID" else f"attendances({name}: $x) {{ totalCount }}"
    message = (await refuse(client, f"query($x: {kind}{'!' * (kind == 'ID')}) {{ {field} }}", x=value)).message
    assert not re.search(r"True|False", message)
    assert value == [None] or str(value).lower() in message


@pytest.mark.parametrize("share", ["1e400", "-1e400", "9" * 400])
async def test_a_share_beyond_all_numbers_is_refused_without_the_words_of_the_runtime(
    client: GraphQLClient, share: str
) -> None:
    refusal = await refuse(client, f"{{ absences(minimumMissedShare: {share}) {{ totalCount }} }}")
    assert (refusal.argument, "inf" in refusal.message) == ("minimumMissedShare", False)


async def test_a_long_name_is_cut_where_an_argument_is_named(client: GraphQLClient) -> None:
    answer = await client.post(f"query(${'x' * 20_000}: Int) {{ __typename }}")
    assert len(answer.json()["errors"][0]["extensions"]["argument"]) <= 1003


async def test_a_second_operator_is_not_told_of_perspectives(client: GraphQLClient) -> None:
    query = "{ attendances(filter: {status: {eq: ATTENDED, ne: NOT_SET}}) { totalCount } }"
    assert "`perspective`" not in (await refuse(client, query)).message
