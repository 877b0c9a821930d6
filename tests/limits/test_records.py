"""No response ever holds more records than its operation's cost says, whatever the operation."""

from random import Random
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from graphql import FieldNode, NameNode, SelectionSetNode, Visitor, parse, print_ast, visit

from app.documents.documents import Documents
from app.documents.limits import Limits
from app.documents.permissions import Caller
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.schema.permissions import Permission
from app.schema.schema import print_schema
from tests.support.service import Record, RecordingDatabase, store

WIDE = Limits(tokens=50_000, characters=10**6, depth=100, aliases=10**5, cost=10**9)
TYPE = "type_of_this"
VARIABLES = {"$size": "Int", "$id": "ID!", "$other": "_Any!"}
BOOKINGS = [uuid4() for _ in range(4)]


class TypeAsker(Visitor):
    """Has every object of a response tell its type."""

    def leave_selection_set(self, node: SelectionSetNode, *_: Any) -> SelectionSetNode:
        asking = FieldNode(alias=NameNode(value=TYPE), name=NameNode(value="__typename"))
        return SelectionSetNode(selections=(*node.selections, asking))


def count_records(value: Any) -> int:
    if isinstance(value, list):
        return sum(map(count_records, value))
    if not isinstance(value, dict):
        return 0
    return (value.get(TYPE) == "Attendance") + sum(map(count_records, value.values()))


@pytest.fixture(scope="module")
async def site(database: RecordingDatabase) -> tuple[UUID, list[Record]]:
    """Bookings and sessions with more records than the pages of random operations take."""
    site_id = uuid4()
    records = [Record(booking, f"session {n}", status="NOT_SET") for booking in BOOKINGS for n in range(15)]
    await store(database, site_id, records)
    return site_id, records


def write_connection(chance: Random, depth: int) -> str:
    """A connection of random size, in which the same fields may stand several times, and in fragments."""
    size = chance.choice(
        ["", "(first: $size)", "(last: $size)", "(first: 0)", "(first: 3)", "(last: 12)", "(first: 20)"]
    )
    parts = ["totalCount", "pageInfo { endCursor }", "edges { cursor }"]
    parts += [f"nodes {{ {write_record(chance, depth)} }}", f"edges {{ node {{ {write_record(chance, depth)} }} }}"] * 2
    inside = " ".join(chance.choices(parts, k=chance.randint(1, 3)))
    wrapped = chance.choice(
        [inside, f"... {{ {inside} }}", f"... on AttendanceConnection @skip(if: false) {{ {inside} }}"]
    )
    return f"a{chance.randrange(10**6)}: attendances{size} {{ {wrapped} }}"


def write_record(chance: Random, depth: int) -> str:
    if depth == 0:
        return "id"
    parents = chance.choices(["booking", "session"], k=chance.randint(0, 2))
    below = " ".join(f"{parent} {{ {write_connection(chance, depth - 1)} }}" for parent in parents)
    return chance.choice(["id {}", "{} __typename", "... on Node {{ id ... on Attendance {{ id {} }} }}"]).format(below)


def write_operation(chance: Random, records: list[Record]) -> str:
    ids = ", ".join(f'"{record.id}"' for record in chance.sample(records, 4))
    keys = ", ".join(f'{{__typename: "Booking", id: "{booking}"}}' for booking in BOOKINGS)
    fields = [
        f"attendance(id: $id) {{ {write_record(chance, 2)} }}",
        f"nodes(ids: [{ids}]) {{ ... on Attendance {{ {write_record(chance, 1)} }} }}",
        f"_entities(representations: [{keys}, $other]) {{ ... on Booking {{ {write_connection(chance, 1)} }} "
        f"... on Session {{ {write_connection(chance, 1)} }} ... on Attendance {{ {write_record(chance, 1)} }} }}",
        *[write_connection(chance, 2)] * 3,
    ]
    chosen = [field if ": att" in field else f"b{n}: {field}" for n, field in enumerate(chance.choices(fields, k=2))]
    text = " ".join(chosen)
    declared = ", ".join(f"{name}: {kind}" for name, kind in VARIABLES.items() if name in text)
    return f"query({declared}) {{ {text} }}" if declared else f"{{ {text} }}"


async def test_no_response_holds_more_records_than_its_operation_costs(
    site: tuple[UUID, list[Record]], database: RecordingDatabase
) -> None:
    site_id, records = site
    documents = Documents(size=1, limits=WIDE, introspection=False)
    service = GraphQLService(documents, database, print_schema())

    async def authenticate() -> Caller:
        return Caller(site_id, frozenset(Permission))

    found = 0
    for seed in range(200):
        chance = Random(seed)
        text = print_ast(visit(parse(write_operation(chance, records)), TypeAsker()))
        other = chance.choice([{"__typename": "Session", "id": "session 1"}, {"__typename": "Attendance"}])
        variables = {"size": chance.choice([None, 2, 14]), "id": str(records[0].id), "other": other}
        answer = orjson.loads(
            (await run_request(GraphQLRequest(text, variables=variables), authenticate, service)).body
        )
        count, cost = count_records(answer["data"]), documents.find(text, None).cost(variables)
        assert count <= cost, (seed, text)
        found += count
    assert found > 10_000


async def test_a_full_response_holds_as_many_records_as_its_operation_costs(
    site: tuple[UUID, list[Record]], database: RecordingDatabase
) -> None:
    site_id, _ = site
    below = f"booking {{ attendances(last: 11) {{ nodes {{ {TYPE}: __typename }} }} }}"
    inner = f"{{ nodes {{ {TYPE}: __typename {below} }} }}"
    text = f"query($first: Int!) {{ a: attendances(first: $first) {inner} b: attendances(first: 5) {inner} }}"
    documents = Documents(size=1, limits=Limits(), introspection=False)

    async def authenticate() -> Caller:
        return Caller(site_id, frozenset({Permission.READ}))

    request = GraphQLRequest(text, variables={"first": 60})
    response = await run_request(request, authenticate, GraphQLService(documents, database, sdl=""))
    cost = documents.find(text, None).cost(request.variables)
    assert count_records(orjson.loads(response.body)["data"]) == cost == 65 * 12
