"""What an operation costs: the records that it can return, multiplied down nested connections."""

from collections.abc import Mapping
from typing import Any

import pytest
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    execute_sync,
    get_introspection_query,
    get_named_type,
    get_nullable_type,
    is_introspection_type,
    is_list_type,
    parse,
)

from app.documents.cost import Cost, Size, add, multiply
from app.documents.costing import LONGEST_LISTS, longest, measure_introspection
from app.documents.documents import Documents, read_operations
from app.documents.errors import RequestRefused
from app.documents.limits import Limits
from app.schema.schema import SCHEMA

ENOUGH = Limits(cost=10**9, aliases=1000)
BOOKING = "... on Booking { attendances(first: 9) { nodes { id } } }"
SESSION = "... on Session { attendances(first: 7) { nodes { id } } }"
ENTITIES = f"query($of: [_Any!]!) {{ _entities(representations: $of) {{ {BOOKING} }} }}"
PAGE = "query($first: Int, $last: Int = 7) { attendances(first: $first) { nodes { id } } }"
DEFAULTED = "query($first: Int = 7) { attendances(first: $first) { nodes { id } } }"
EITHER = "query($first: Int, $last: Int) { attendances(first: $first, last: $last) { nodes { id } } }"
BELOW = "booking { attendances(first: 5) { nodes { id } } }"
NODES = "query($ids: [ID!]!) { nodes(ids: $ids) { id } }"


def cost(text: str, **variables: Any) -> int:
    [operation] = read_operations(text, ENOUGH, introspection=True).values()
    return operation.cost(variables)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ __typename }", 0),
        ("{ _service { sdl } }", 1),
        ('{ attendance(id: "x") { id } }', 1),
        ('{ node(id: "x") { id } }', 1),
        ('{ attendance(id: "x") { booking { attendances(first: 10) { nodes { id } } } } }', 11),
        ('{ nodes(ids: ["x", "y", "z"]) { id } }', 3),
        ('{ nodes(ids: "x") { id } }', 1),
        ("{ nodes(ids: []) { id } }", 1),
        ('{ nodes(ids: ["x", "y"]) { ... on Attendance { session { attendances(last: 4) { nodes { id } } } } } }', 10),
        ("{ attendances { nodes { id } } }", 50),
        ("{ attendances(first: null, last: null) { nodes { id } } }", 50),
        ("{ attendances(first: 12) { edges { node { id } } pageInfo { hasNextPage endCursor } totalCount } }", 12),
        ("{ attendances(last: 12) { edges { cursor } } }", 12),
        ("{ attendances(first: 12) { edges { cursor } nodes { id } } }", 24),
        ("{ attendances(first: 100) { totalCount summary { total } pageInfo { hasNextPage } } }", 1),
        ("{ attendances(first: 0) { nodes { id booking { attendances { nodes { id } } } } } }", 1),
        ("{ attendances(first: 101) { nodes { id } } }", 100),
        ("{ attendances(first: -1) { nodes { id } } }", 1),
        ("{ attendances(first: 50) { nodes { booking { attendances(first: 10) { nodes { id } } } } } }", 550),
        ("{ attendances(first: 50) { edges { node { booking { attendances(first: 10) { totalCount } } } } } }", 100),
        ("{ a: attendances(first: 5) { nodes { id } } b: attendances(first: 6) { nodes { id } } }", 11),
        ("{ attendances(first: 5) { nodes { id } } attendances(first: 5) { nodes { id } } }", 10),
        ("{ attendances(first: 5) @skip(if: true) { nodes @include(if: false) { id } } }", 5),
        ("{ ... { ... on Query { attendances(first: 5) { ...F } } } } fragment F on AttendanceConnection "
         "{ nodes { ...G } } fragment G on Attendance { session { attendances(first: 2) { nodes { id } } } }", 15),
        ('{ _entities(representations: [{__typename: "Booking", id: "x"}, 1, 2]) { __typename } }', 3),
        (f"{{ _entities(representations: [1, 2]) {{ {BOOKING} {SESSION} }} }}", 18),
        ("{ _entities(representations: [1, 2]) { ... on Attendance { booking { attendances(first: 4) "
         "{ nodes { id } } } } } }", 10),
        ('mutation { deleteAttendance(id: "x") { deletedId } }', 1),
        ('mutation { bulkDeleteAttendance(ids: ["x", "y"]) { results { deletedId } } }', 2),
        ('mutation { bulkSetAttendance(input: [{bookingId: "x", sessionId: "y", status: ATTENDED}]) '
         "{ results { attendance { booking { attendances(first: 3) { nodes { id } } } } } } }", 4),
        ("mutation { bulkDeleteAttendance(ids: []) { totalSuccesses } }", 1),
        ("{ absences { nodes { missedShare } } }", 50),
        ("{ absences(last: 12) { edges { cursor node { booking { id } summary { total } } } totalCount } }", 12),
        ("{ absences(first: 100) { totalCount pageInfo { hasNextPage } } }", 1),
        ("{ absences(first: 20) { nodes { booking { attendances(first: 10) { nodes { id } } } session { attendances"
         "(first: 4) { totalCount } } } } }", 240),
    ],
)  # fmt: skip
def test_a_cost_is_how_many_records_can_be_returned(text: str, expected: int) -> None:
    assert cost(text) == expected


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        (PAGE, {"first": 3}, 3),
        (PAGE, {"first": 3.0}, 3),
        (PAGE, {"first": None}, 50),
        (PAGE, {}, 50),
        (PAGE, {"first": 0}, 1),
        (PAGE, {"first": 10**30}, 100),
        (PAGE, {"first": 1e300}, 100),
        (PAGE, {"first": -(10**30)}, 1),
        (PAGE, {"first": "3"}, 50),
        (PAGE, {"first": [3]}, 50),
        (DEFAULTED, {}, 7),
        (DEFAULTED, {"first": None}, 50),
        (DEFAULTED, {"first": 8}, 8),
        (EITHER, {"last": 9}, 9),
        (EITHER, {"first": None, "last": 9}, 9),
        (EITHER, {"first": 0, "last": 9}, 1),
        (EITHER, {}, 50),
        (NODES, {"ids": ["x"] * 70}, 70),
        (NODES, {"ids": "x"}, 1),
        (NODES, {"ids": None}, 1),
        (NODES, {}, 1),
        (ENTITIES, {"of": [{}] * 1000}, 9000),
        (ENTITIES, {"of": [{}] * 100}, 900),
        (ENTITIES.replace("[_Any!]!", '[_Any!]! = [{id: "x"}, {id: "y"}]'), {}, 18),
        (ENTITIES.replace("first: 9", "first: 0"), {"of": [{}] * 30}, 30),
    ],
)
def test_sizes_and_lists_may_come_from_variables(text: str, variables: dict[str, Any], expected: int) -> None:
    assert cost(text.replace(", $last: Int = 7", ""), **variables) == expected


@pytest.mark.parametrize(
    ("text", "most"),
    [
        ("{ attendances(first: 12) { nodes { id } } }", 12),
        (DEFAULTED, 100),
        (
            f"query($n: Int) {{ a: attendances(first: $n) {{ nodes {{ id }} }} b: attendance(id: 1) {{ {BELOW} }} }}",
            106,
        ),
        (f"query($n: Int) {{ attendances(last: $n) {{ nodes {{ id {BELOW} }} }} }}", 600),
        ("query($n: Int) { attendances(first: 0) { nodes { booking { attendances(first: $n) { totalCount } } } } }", 1),
        (f"query($n: Int) {{ attendances(first: 9) {{ nodes {{ {BELOW.replace('5', '$n')} }} }} }}", 909),
    ],
)
def test_the_most_that_variables_can_bring_a_cost_to_is_known_beforehand(text: str, most: int) -> None:
    [operation] = read_operations(text, ENOUGH, introspection=True).values()
    assert operation.most_cost == most == operation.cost({"n": 100, "first": 100})


@pytest.mark.parametrize("text", [NODES, ENTITIES])
def test_a_cost_that_grows_with_a_list_has_no_bound(text: str) -> None:
    [operation] = read_operations(text, ENOUGH, introspection=True).values()
    assert operation.most_cost > ENOUGH.cost // 2


def test_variables_count_at_each_place_where_they_are_used() -> None:
    inner = "booking { attendances(first: $few) { nodes { id } } } session { attendances(last: $few) { nodes { id } } }"
    text = f"query($many: Int!, $few: Int!) {{ attendances(first: $many) {{ nodes {{ {inner} }} }} }}"
    assert cost(text, many=10, few=3) == 10 * (1 + 3 + 3)


def test_doubling_fragments_are_costed_without_being_followed() -> None:
    depth, spreads, size = 4, 12, 2
    below = [f"attendances(first: $size) {{ nodes {{ {f'...F{level + 1} ' * spreads} }} }}" for level in range(depth)]
    fragments = [
        f"fragment F{level} on Attendance {{ booking {{ {text} }} session {{ {text} }} }}"
        for level, text in enumerate(below)
    ]
    fragments.append(f"fragment F{depth} on Attendance {{ id }}")
    text = f"query($size: Int) {{ attendances(first: $size) {{ nodes {{ ...F0 }} }} }} {' '.join(fragments)}"
    expected = 0
    for _ in range(depth):
        expected = 2 * size * (1 + (spreads * expected))
    assert cost(text, size=size) == size * (1 + expected)


BELOW = "booking { attendances(first: 10) { nodes { id } } }"
KEYS = f"query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Attendance {{ {BELOW} }} }} }}"


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        (KEYS, {}, 1),
        (KEYS, {"ids": None}, 1),
        (KEYS, {"ids": []}, 1),
        (KEYS, {"ids": "xyz"}, 11),
        (KEYS, {"ids": ["x", "y"]}, 22),
        (KEYS.replace("query($ids: [ID!]!)", "").replace("$ids", '"xyz"'), {}, 11),
        ("query($last: Int) { attendances(first: 3, last: $last) { nodes { id } } }", {"last": 9}, 3),
        ("query($first: Int) { attendances(first: $first, last: 4) { nodes { id } } }", {}, 4),
        (f"{{ node(id: 1) {{ ... on Node {{ ... on Attendance {{ {BELOW} }} }} }} }}", {}, 11),
        ("{ _entities(representations: [1, 2]) { ... on Node { ... on Attendance { " + BELOW + " } } } }", {}, 22),
        (
            "{ _entities(representations: [1, 2]) { ...B ...S } } "
            f"fragment B {BOOKING[4:]} fragment S {SESSION[4:]}",
            {},
            18,
        ),
    ],
)
def test_what_is_below_counts_as_often_as_its_record(text: str, variables: dict[str, Any], expected: int) -> None:
    assert cost(text, **variables) == expected


def find_lists(value: Any, found: dict[str, int]) -> dict[str, int]:
    """The length of the longest list of objects by the name of its field."""
    for name, each in value.items() if isinstance(value, dict) else ():
        if isinstance(each, list) and each and isinstance(each[0], dict):
            found[name] = max(found.get(name, 0), len(each))
            for item in each:
                find_lists(item, found)
        find_lists(each, found)
    return found


def test_introspections_lists_count_as_long_as_they_are() -> None:
    query = get_introspection_query(input_value_deprecation=True)
    answer = execute_sync(SCHEMA, parse(query)).data
    assert measure_introspection() == LONGEST_LISTS == find_lists(answer, {})
    assert longest([]) == 0
    assert longest(["a", "bcd", "ef"]) == 3


def test_what_occurs_often_is_computed_once() -> None:
    asked: list[Mapping[str, Any]] = []
    shared = multiply(Size(lambda variables: asked.append(variables) or 3), [Cost(2)])
    parents = [multiply(Size(lambda _: 5), [add([shared, shared])]) for _ in range(4)]
    assert add([*parents, shared, Cost(1)]).compute({"x": 1}, {}) == 4 * 5 * 2 * 6 + 6 + 1
    assert asked == [{"x": 1}]


def test_nothing_counts_as_one() -> None:
    assert multiply(7, []).fixed == 1
    assert multiply(Size(lambda _: 7), []).compute({}, {}) == 1
    assert multiply(Size(lambda _: 7), []).most_varying == 1


def read_refusal(text: str, limits: Limits) -> tuple[str | None, str]:
    with pytest.raises(RequestRefused) as caught:
        read_operations(text, limits, introspection=True)
    return caught.value.limit, caught.value.errors[0]["message"]


def test_an_operation_that_costs_too_much_is_refused_with_both_figures() -> None:
    text = "{ attendances(first: 100) { nodes { booking { attendances(first: %d) { nodes { id } } } } } }"
    assert read_operations(text % 99, Limits(), introspection=True)
    limit, message = read_refusal(text % 100, Limits())
    assert limit == "cost"
    assert message.startswith("The operation can return 10100 records; the limit is 10000. It bounds how many records")


def test_each_operation_of_a_document_is_held_against_the_limit() -> None:
    text = "query A { __typename } query B { attendances(first: 9) { nodes { id } } }"
    assert read_refusal(text, Limits(cost=8))[0] == "cost"
    assert len(read_operations(text, Limits(cost=9), introspection=True)) == 2


def test_introspection_is_bounded_and_the_standard_query_passes() -> None:
    standard = get_introspection_query(one_of=True, input_value_deprecation=True, specified_by_url=True)
    assert read_operations(standard, Limits(), introspection=True)
    operation, fragments = standard.split("fragment ", 1)
    schema = operation[operation.index("__schema") : operation.rindex("}")]
    three = " ".join(f"schema{n}: {schema}" for n in range(3))
    assert read_refusal(f"{{ {three} }} fragment {fragments}", Limits())[0] == "cost"


def find_fields() -> dict[str, GraphQLField]:
    """The fields of the service's own types."""
    types = [type_ for type_ in SCHEMA.type_map.values() if isinstance(type_, GraphQLObjectType)]
    own = [type_ for type_ in types if not is_introspection_type(type_)]
    return {f"{type_.name}.{name}": field for type_ in own for name, field in type_.fields.items()}


def test_no_list_of_the_schema_is_free() -> None:
    """Each list of objects is a root field's, or stands in what multiplies it: a connection, batch or bulk payload."""
    fields = find_fields()
    lists = {name for name, field in fields.items() if is_list_type(get_nullable_type(field.type))}
    assert lists == {
        "Query._entities",
        "Query.nodes",
        "AbsenceConnection.edges",
        "AbsenceConnection.nodes",
        "AttendanceConnection.edges",
        "AttendanceConnection.nodes",
        "AttendanceChanges.changes",
        "BulkSetAttendancePayload.results",
        "BulkDeleteAttendancePayload.results",
    }
    multiplied = {
        "AttendanceConnection",
        "AbsenceConnection",
        "AttendanceChanges",
        "BulkSetAttendancePayload",
        "BulkDeleteAttendancePayload",
    }
    leading = {name: field for name, field in fields.items() if get_named_type(field.type).name in multiplied}
    taking = {
        name: [each for each in ("first", "input", "ids") if each in field.args] for name, field in leading.items()
    }
    assert taking == {
        "Query.absences": ["first"],
        "Query.attendances": ["first"],
        "Query.attendanceChanges": ["first"],
        "Subscription.attendanceChanges": [],
        "Booking.attendances": ["first"],
        "Session.attendances": ["first"],
        "Mutation.bulkSetAttendance": ["input"],
        "Mutation.bulkDeleteAttendance": ["ids"],
    }


def test_variables_that_make_an_operation_too_dear_are_refused() -> None:
    documents = Documents(size=1, limits=Limits(), introspection=False)
    operation = documents.find(ENTITIES, None)
    documents.check_request(operation, {"of": [{}] * 1000})
    with pytest.raises(RequestRefused) as caught:
        documents.check_request(operation, {"of": [{}] * 1112})
    assert (caught.value.limit, caught.value.errors[0]["extensions"]["code"]) == ("cost", "OPERATION_TOO_COMPLEX")


def test_a_page_is_as_dear_as_it_may_become_by_variables() -> None:
    documents = Documents(size=1, limits=Limits(cost=99), introspection=False)
    operation = documents.find(DEFAULTED, None)
    documents.check_request(operation, {"first": 99})
    with pytest.raises(RequestRefused):
        documents.check_request(operation, {"first": 100})


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        ("{ attendances(first: 10) { nodes { id status } totalCount pageInfo { endCursor } } }", {}, 22),
        ("{ attendances(first: 10) { ...F } } fragment F on AttendanceConnection { nodes { id } totalCount }", {}, 11),
        ("{ attendances(first: 10) { edges { cursor node { id booking { id } } } } }", {}, 30),
        ("query($n: Int) { attendances(first: $n) { nodes { a: id b: id c: id } } }", {"n": 7}, 21),
        ("{ attendances(first: 3) { nodes { booking { attendances(first: 4) { nodes { id status } } } } } }", {}, 24),
        ("{ absences(first: 10) { nodes { missedShare summary { total } } totalCount } }", {}, 21),
        ('{ nodes(ids: ["x", "y"]) { id ... on Attendance { status } } }', {}, 4),
        ("query($of: [_Any!]!) { _entities(representations: $of) { __typename } }", {"of": [{}] * 5}, 5),
        ("{ attendances(first: 5) { nodes { id id ...F ...F } } } fragment F on Attendance { id status }", {}, 10),
        ("{ __typename __schema { types { name fields { name } } } }", {}, 1),
    ],
)
def test_values_are_what_is_selected_of_all_records(text: str, variables: dict[str, Any], expected: int) -> None:
    [operation] = read_operations(text, ENOUGH, introspection=True).values()
    assert operation.count_values(variables) == expected


def test_an_operation_with_too_many_values_is_refused_by_its_document_or_its_variables() -> None:
    aliases = " ".join(f"a{number}: sessionId" for number in range(30))
    below = f"session {{ attendances(first: %s) {{ nodes {{ {aliases} }} }} }}"
    text = f"{{ attendances(first: 99) {{ nodes {{ {below % 99} }} }} }}"
    limit, message = read_refusal(text, Limits())
    assert limit == "values"
    assert message.startswith("The operation can return 294030 values; the limit is 200000. It bounds what is selected")
    documents = Documents(size=1, limits=Limits(), introspection=False)
    varying = f"query($n: Int) {{ attendances(first: 99) {{ nodes {{ {below % '$n'} }} }} }}"
    operation = documents.find(varying, None)
    documents.check_request(operation, {"n": 60})
    with pytest.raises(RequestRefused) as caught:
        documents.check_request(operation, {"n": 99})
    assert caught.value.limit == "values"
