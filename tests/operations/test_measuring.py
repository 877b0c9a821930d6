"""What is counted of the rows of a response bounds its bytes, so that few rows need not be written in pieces."""

from random import Random
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.documents.permissions import Caller
from app.engine import execution
from app.engine.measuring import count_records
from app.operations import response, running
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.schema.permissions import Permission
from tests.operations.test_one_engine import database, service, sites
from tests.support.random_operations import gather_content, make_operation, make_variables
from tests.support.service import Record

__all__ = ["database", "service", "sites"]

CASES = 300
RECORDS = "nodes { id session { attendances(first: 5) { nodes { sessionId } edges { cursor } } } }"
BELOW = f"attendances(first: 3) {{ {RECORDS} }}"
DEEP = (
    f"{{ attendances(first: 20) {{ nodes {{ booking {{ {BELOW} }} session {{ {BELOW} }} }} }} }}",
    f'{{ _entities(representations: [{{__typename: "Booking", id: "$id"}}, {{__typename: "Booking", id: "$id"}}]) '
    f"{{ ... on Booking {{ {BELOW} }} }} }}",
)


def count_items(data: Any) -> int:
    """The items of lists in a response; of several lists of one object, which hold the same records, those of one."""
    if isinstance(data, list):
        return sum(1 + count_items(each) for each in data)
    if not isinstance(data, dict):
        return 0
    lists = [count_items(each) for each in data.values() if isinstance(each, list)]
    return max(lists, default=0) + sum(count_items(each) for each in data.values() if isinstance(each, dict))


async def test_no_response_is_larger_than_its_rows_let_it_be(
    sites: tuple[UUID, UUID, list[Record]], service: GraphQLService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "LARGE_BYTES", -1)
    monkeypatch.setattr(response, "LARGE_BYTES", -1)
    bounds: dict[str, int] = {}
    record_bytes: dict[str, int] = {}

    def bound(compiled: Any, branches: Any) -> bool:
        counts = {each.field.key: count_records(each) for each in branches}
        bounds.update({key: count for key, count in counts.items() if count is not None})
        record_bytes.update(dict.fromkeys(counts, compiled.record_bytes))
        return False

    async def authenticate() -> Caller:
        return Caller(sites[0], frozenset(Permission))

    monkeypatch.setattr(execution, "needs_pieces", bound)
    content = gather_content([*sites[2][:12:2], sites[2][-1]])
    booking, compared = str(sites[2][0].booking_id), 0
    for seed in range(CASES + len(DEEP)):
        chance = Random(f"measured {seed}")
        bounds.clear()
        query = (
            DEEP[seed].replace("$id", booking) if seed < len(DEEP) else make_operation(chance, content, mutates=False)
        )
        request = GraphQLRequest(query, variables=make_variables(chance, content))
        answer = orjson.loads((await run_request(request, authenticate, service)).body)
        for key, most in bounds.items() if answer.get("data") else ():
            data = answer["data"][key]
            assert count_items(data) <= most, (seed, key, query)
            assert len(orjson.dumps(data)) <= most * record_bytes[key], (seed, key, query)
            compared += count_items(data) > 0
    assert compared > CASES / 6
