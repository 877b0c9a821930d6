"""No response ever holds more records than its operation's cost says, whatever the operation."""

from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from graphql import FieldNode, NameNode, SelectionSetNode, Visitor, parse, print_ast, visit
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.operations.documents import Documents
from app.operations.limits import Limits
from app.operations.permissions import Caller
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.schema.permissions import Permission
from app.schema.schema import print_schema
from tests.support.random_operations import draw_operation
from tests.support.service import Record, RecordingDatabase, store

WIDE = Limits(tokens=50_000, characters=10**6, depth=100, aliases=10**5, cost=10**9)
TYPE = "type_of_this"
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


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_no_response_holds_more_records_than_its_operation_costs(
    data: st.DataObject, site: tuple[UUID, list[Record]], database: RecordingDatabase
) -> None:
    site_id, records = site
    drawn = data.draw(draw_operation([str(each.id) for each in records[:4]], list(map(str, BOOKINGS)), ["session 1"]))
    text = print_ast(visit(parse(drawn), TypeAsker()))
    variables = {"size": data.draw(st.sampled_from([None, 2, 40]))}
    documents = Documents(size=1, limits=WIDE, introspection=False)

    async def authenticate() -> Caller:
        return Caller(site_id, frozenset(Permission))

    service = GraphQLService(documents, database, print_schema())
    answer = orjson.loads((await run_request(GraphQLRequest(text, variables=variables), authenticate, service)).body)
    assert count_records(answer["data"]) <= documents.find_operation(text, None).cost(variables)


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
    cost = documents.find_operation(text, None).cost(request.variables)
    assert count_records(orjson.loads(response.body)["data"]) == cost == 65 * 12
