"""The short way through plain selections answers like graphql-core, byte for byte."""

from uuid import UUID, uuid4

import pytest
from graphql.execution import Executor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.operations import running
from app.operations.documents import Documents
from app.operations.executing import ProjectingExecutor
from app.operations.limits import Limits
from app.operations.permissions import Caller
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.schema.permissions import Permission
from app.schema.schema import print_schema
from tests.reading.test_oracle import make_records
from tests.support.random_operations import draw_operation
from tests.support.service import Record, RecordingDatabase, store

CASES = 600
WIDE = Limits(tokens=5000, depth=100, aliases=10_000, cost=10**9)


@pytest.fixture(scope="module")
async def site(database: RecordingDatabase) -> tuple[UUID, list[Record]]:
    site_id, records = uuid4(), make_records(4)
    await store(database, site_id, records)
    return site_id, records


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_both_executors_give_the_same_answer(
    data: st.DataObject, site: tuple[UUID, list[Record]], database: RecordingDatabase
) -> None:
    site_id, records = site
    ids = [str(record.id) for record in records[:4]] + [str(UUID(int=0)), "no guid"]
    bookings = [str(record.booking_id) for record in records[:3]]
    query = data.draw(draw_operation(ids, bookings, [record.session_id for record in records[:3]]))
    size = data.draw(st.sampled_from([None, 2, 101]))
    service = GraphQLService(Documents(size=10, limits=WIDE, introspection=False), database, print_schema())

    async def authenticate() -> Caller:
        return Caller(site_id, frozenset(Permission))

    async def answer(executor: type[Executor]) -> bytes:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "ProjectingExecutor", executor)
            request = GraphQLRequest(query, variables={"size": size})
            return (await run_request(request, authenticate, service)).body

    short = await answer(ProjectingExecutor)
    assert short == await answer(Executor)
    assert b"GRAPHQL_VALIDATION_FAILED" not in short
