"""2,000 operations that a fuzzer draws from the schema, the same ones each time: never a 500, never a leak."""

from collections import Counter
from uuid import UUID, uuid4

import httpx2
import pytest
from graphql import NameNode, ObjectFieldNode, ValueNode
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import Mode, from_schema, nodes

from app.errors import InternalServerError
from app.schema.schema import SCHEMA
from tests.support.leaks import find_leaks
from tests.support.media_types import GRAPHQL_RESPONSE
from tests.support.service import READ_SCOPE, WRITE_SCOPE, Record, RecordingDatabase, make_token, store

VALID, INVALID = 1500, 500
RECORDS = [Record(UUID(int=n), f"session {n}", number_of_attendees=n, id=UUID(int=n)) for n in range(1, 9)]
EXPECTED = {200, 400, 401, 403}
FUZZING = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}

TYPES = ["Attendance", "Booking", "Session", "Nothing"]
texts = st.text(st.characters(codec="utf-8"), max_size=40).map(nodes.String)
ids = (
    st.sampled_from([str(record.id) for record in RECORDS]).map(nodes.String)
    | st.just(nodes.String("session 1"))
    | texts
)
representations = st.builds(
    lambda kind, key: nodes.Object([write_member("__typename", nodes.String(kind)), write_member("id", key)]),
    st.sampled_from(TYPES),
    ids,
)
SCALARS = {"_Any": representations | texts, "ID": ids, "DateTime": texts}


def write_member(name: str, value: ValueNode) -> ObjectFieldNode:
    return ObjectFieldNode(name=NameNode(value=name), value=value)


@pytest.fixture(scope="module")
async def token(database: RecordingDatabase) -> str:
    site = uuid4()
    await store(database, site, RECORDS)
    return make_token(site, READ_SCOPE, WRITE_SCOPE)


@pytest.fixture(scope="module")
def answers() -> Counter[int]:
    """How many answers of each status there were."""
    return Counter()


async def send(http: httpx2.AsyncClient, token: str, operation: str) -> httpx2.Response:
    """The answer to an operation, which is an answer that any operation may get."""
    headers = {"authorization": f"Bearer {token}", "accept": GRAPHQL_RESPONSE}
    answer = await http.post("/graphql", json={"query": operation}, headers=headers)
    assert answer.status_code in EXPECTED, (operation, answer.text)
    errors = answer.json().get("errors", [])
    assert InternalServerError.code not in {error["extensions"]["code"] for error in errors}, (operation, errors)
    assert find_leaks(" ".join(error["message"] for error in errors), operation) == []
    return answer


@settings(max_examples=VALID, **FUZZING)
@given(operation=from_schema(SCHEMA, custom_scalars=SCALARS))
async def test_a_random_operation_of_the_schema_is_no_fault_of_the_service(
    http: httpx2.AsyncClient, token: str, answers: Counter[int], operation: str
) -> None:
    answer = await send(http, token, operation)
    answers[answer.status_code] += 1


@settings(max_examples=INVALID, **FUZZING)
@given(operation=from_schema(SCHEMA, custom_scalars=SCALARS, mode=Mode.NEGATIVE))
async def test_a_random_operation_that_breaks_the_schema_is_refused(
    http: httpx2.AsyncClient, token: str, answers: Counter[int], operation: str
) -> None:
    answer = await send(http, token, operation)
    answers[answer.status_code] += 1


def test_the_random_operations_were_many_and_of_every_kind(answers: Counter[int]) -> None:
    assert answers.total() >= VALID + INVALID
    assert answers[200] > VALID / 3
    assert answers[400] > INVALID
