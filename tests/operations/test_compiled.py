"""Compiled operations answer like the reference path, error for error and byte for byte, whatever they are."""

from collections import Counter
from dataclasses import replace
from random import Random
from uuid import UUID, uuid4

import orjson
import pytest

from app.operations.documents import Documents
from app.operations.permissions import Caller
from app.operations.record import COMPILED, OperationRecord
from app.operations.running import GraphQLRequest, GraphQLService, run_request
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
    return compiled, replace(compiled, compiles=False)


# When one root field fails, graphql-core cancels those that have not begun.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_both_paths_give_the_same_answer_and_the_long_one_is_taken_for_input_alone(
    site: tuple[UUID, list[Record]], services: tuple[GraphQLService, GraphQLService]
) -> None:
    site_id, records = site
    content = gather_content(records[:12:2])

    async def authenticate() -> Caller:
        return Caller(site_id, frozenset(Permission))

    paths: Counter[str | None] = Counter()
    for seed in range(differential.CASES):
        chance = Random(seed)
        request = GraphQLRequest(make_operation(chance, content), variables=make_variables(chance, content))
        record = OperationRecord()
        short = await run_request(request, authenticate, services[0], record)
        long = await run_request(request, authenticate, services[1])
        paths[record.reason or record.path] += 1
        assert orjson.loads(short.body) == orjson.loads(long.body), (seed, request.query, request.variables)
        assert short.verdict is long.verdict, (seed, request.query, request.variables)
        assert b"GRAPHQL_VALIDATION_FAILED" not in long.body, (seed, request.query, request.variables)
        assert b"INTERNAL_SERVER_ERROR" not in long.body, (seed, request.query, request.variables)
    assert paths[COMPILED] > differential.CASES / 4
    assert paths.keys() <= {COMPILED, *REASONS}
