"""Compiled operations answer like the reference path, error for error and byte for byte, whatever they are."""

from dataclasses import replace
from random import Random
from uuid import UUID, uuid4

import orjson
import pytest

from app.operations.documents import Documents
from app.operations.permissions import Caller
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.operations.variants import PathCounts
from app.schema.permissions import Permission
from app.schema.schema import print_schema
from tests.operations.test_projection import WIDE
from tests.reading.test_oracle import make_records
from tests.support import differential
from tests.support.random_operations import gather_content, make_operation, make_variables
from tests.support.service import Record, RecordingDatabase, store
from tests.writing.test_odd_sessions import ODD_SESSIONS

REASONS = {
    "public",
    "input",
    "field",
    "cursor of several connections",
    "BAD_USER_INPUT",
    "CURSOR_INVALID",
    "CURSOR_MISMATCH",
}


@pytest.fixture(scope="module")
async def site(database: RecordingDatabase) -> tuple[UUID, list[Record]]:
    booking = uuid4()
    odd = [Record(booking, session, "NOT_SET", number) for number, session in enumerate(ODD_SESSIONS.values())]
    site_id, records = uuid4(), [*odd, *make_records(4)]
    await store(database, site_id, records)
    return site_id, records


@pytest.fixture(scope="module")
def services(database: RecordingDatabase) -> tuple[GraphQLService, GraphQLService]:
    """The service that compiles, and the one that does not."""
    documents = Documents(size=10, limits=WIDE, introspection=False)
    compiled = GraphQLService(documents, database, print_schema())
    return compiled, replace(compiled, compiles=False, paths=PathCounts())


# When one root field fails, graphql-core cancels those that have not begun.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_both_paths_give_the_same_answer(
    site: tuple[UUID, list[Record]], services: tuple[GraphQLService, GraphQLService]
) -> None:
    site_id, records = site
    content = gather_content(records[:12:2])

    async def authenticate() -> Caller:
        return Caller(site_id, frozenset(Permission))

    for seed in range(differential.CASES):
        chance = Random(seed)
        request = GraphQLRequest(make_operation(chance, content), variables=make_variables(chance, content))
        short, long = [await run_request(request, authenticate, service) for service in services]
        assert orjson.loads(short.body) == orjson.loads(long.body), (seed, request.query, request.variables)
        assert short.verdict is long.verdict, (seed, request.query, request.variables)
        assert b"GRAPHQL_VALIDATION_FAILED" not in long.body, (seed, request.query, request.variables)
        assert b"INTERNAL_SERVER_ERROR" not in long.body, (seed, request.query, request.variables)


def test_operations_are_left_to_the_reference_path_for_their_input_alone(
    services: tuple[GraphQLService, GraphQLService],
) -> None:
    paths = services[0].paths
    if not paths.compiled:
        pytest.skip("counts what the comparison before it has run")
    assert paths.compiled["query"] > differential.CASES / 4
    assert paths.reference.keys() <= REASONS
