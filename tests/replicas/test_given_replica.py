"""On a replica that the tests are given: queries read from it, and nobody misses what was written before.

They need `ATTENDANCE_TEST_REPLICA_URL`, a standby of the server that `ATTENDANCE_TEST_DATABASE_URL` names.
"""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from tests.support.given_servers import statement_counts, wait_until_read
from tests.support.mutations import BULK_SET, COUNT, DELETE, SET, count_records, make_input
from tests.support.private_service import ClientOf, open_service
from tests.support.service import GraphQLClient, RecordingDatabase

HEADER = "X-Attendance-Revision"
TURNS = 40


@pytest.fixture(autouse=True)
def replicated(database: RecordingDatabase) -> None:
    if database.replicas is None:
        pytest.skip("needs a replica: ATTENDANCE_TEST_REPLICA_URL")


@pytest.fixture
async def other_process(database_url: str) -> AsyncIterator[ClientOf]:
    """Callers of a second service, which knows nothing of what the first one has written."""
    database = RecordingDatabase(database_url)
    async with open_service(database) as client_of:
        await wait_until_read(database)
        yield client_of


async def test_a_site_that_has_not_written_is_read_from_the_replica(client: GraphQLClient) -> None:
    before = statement_counts.copy()
    for _ in range(TURNS):
        assert await count_records(client) == 0
    assert statement_counts["replicas"] - before["replicas"] == TURNS


async def test_a_process_reads_each_of_its_writes(client: GraphQLClient) -> None:
    for total in range(0, TURNS, 2):
        made = await client.data(SET, input=make_input())
        assert await count_records(client) == total + 1
        await client.data(BULK_SET, input=[make_input(), make_input()])
        assert await count_records(client) == total + 3
        await client.data(DELETE, id=made["setAttendance"]["attendance"]["id"])
        assert await count_records(client) == total + 2


async def test_whoever_sends_the_revision_reads_what_another_process_has_written(
    client: GraphQLClient, site_id: UUID, other_process: ClientOf
) -> None:
    other = other_process(site_id)
    for total in range(1, TURNS + 1):
        revision = (await client.post(SET, {"input": make_input()})).headers[HEADER]
        answer = (await other.post(COUNT, **{HEADER: revision})).json()
        assert answer["data"]["attendances"]["totalCount"] == total


async def test_sites_that_write_and_read_at_once_miss_nothing(other_process: ClientOf) -> None:
    async def use(client: GraphQLClient) -> None:
        for total in range(1, TURNS + 1):
            await client.data(SET, input=make_input())
            assert await count_records(client) == total

    await asyncio.gather(*(use(other_process(uuid4())) for _ in range(8)))
