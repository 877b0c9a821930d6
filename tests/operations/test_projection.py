"""The short way through plain selections answers like graphql-core."""

from random import Random
from uuid import UUID, uuid4

import orjson
import pytest
from graphql.execution import Executor

from app.operations import running
from app.operations.documents import Documents
from app.operations.executing import ProjectingExecutor
from app.operations.limits import Limits
from app.operations.permissions import Caller
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.schema.permissions import Permission
from app.schema.schema import print_schema
from tests.reading.test_oracle import make_records
from tests.support.random_operations import gather_content, make_operation, make_variables
from tests.support.service import Record, RecordingDatabase, store

CASES = 600
WIDE = Limits(tokens=50_000, characters=10**6, depth=100, aliases=10**5, cost=10**9)


@pytest.fixture(scope="module")
async def site(database: RecordingDatabase) -> tuple[UUID, list[Record]]:
    site_id, records = uuid4(), make_records(4)
    await store(database, site_id, records)
    return site_id, records


# When one root field fails, graphql-core cancels those that have not begun.
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited", "ignore::pytest.PytestUnraisableExceptionWarning")
async def test_both_executors_give_the_same_answer(
    site: tuple[UUID, list[Record]], database: RecordingDatabase
) -> None:
    site_id, records = site
    content = gather_content(records[:4])
    documents = Documents(size=10, limits=WIDE, introspection=False)
    service = GraphQLService(documents, database, print_schema(), compiles=False)

    async def authenticate() -> Caller:
        return Caller(site_id, frozenset(Permission))

    async def answer(request: GraphQLRequest, executor: type[Executor]) -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "ProjectingExecutor", executor)
            return (await run_request(request, authenticate, service)).body

    for seed in range(CASES):
        chance = Random(seed)
        request = GraphQLRequest(make_operation(chance, content), variables=make_variables(chance, content))
        short, long = [orjson.loads(await answer(request, each)) for each in (ProjectingExecutor, Executor)]
        for error in long.get("errors", ()):
            error["locations"] = error["locations"][:1]  # An error is located at its field's first selection.
        for result in (short, long):  # Fields that read at once fail in the order in which their reads end.
            result.get("errors", []).sort(key=orjson.dumps)
        assert short == long, (seed, request)
