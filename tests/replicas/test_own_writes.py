"""Who has written reads what was written: by the revision that a request names, and within a process without it."""

import asyncio
from uuid import UUID, uuid4

import pytest

from tests.replicas.conftest import Cluster, ReadingService, Serve
from tests.support.mutations import BULK_SET, COUNT, DELETE, SET, count_records, make_input, set_one
from tests.support.service import GraphQLClient
from tests.support.waiting import wait_until

HEADER = "X-Attendance-Revision"
NESTED = "{ attendances { totalCount nodes { booking { attendances { totalCount } } } } }"


async def write(client: GraphQLClient) -> str:
    """Write one more record: the revision that the answer tells."""
    answer = await client.post(SET, {"input": make_input()})
    return answer.headers[HEADER]


async def count(client: GraphQLClient, **headers: str) -> int:
    answer = (await client.post(COUNT, **headers)).json()
    total: int = answer["data"]["attendances"]["totalCount"]
    return total


async def wait_for_replica(service: ReadingService, client: GraphQLClient) -> None:
    """Wait until the site's reads go to the replica."""

    async def is_read() -> bool:
        service.take_sent()
        await client.data(COUNT)
        return service.take_sent()[-1] != "primary"

    await wait_until(is_read, within=10)


async def test_a_query_that_names_a_revision_sees_what_another_process_has_written(
    cluster: Cluster, serve: Serve, site_id: UUID
) -> None:
    async with serve(cluster) as writing, serve(cluster) as reading:
        client = reading.client(site_id)
        await cluster.pause()
        revision = await write(writing.client(site_id))
        assert await count(client) == 0
        assert reading.take_sent() == ["replica 0"]
        assert await count(client, **{HEADER: revision}) == 1
        assert reading.take_sent() == ["replica 0", "primary"]
        await cluster.resume()

        async def has_caught_up() -> bool:
            reading.take_sent()
            assert await count(client, **{HEADER: revision}) == 1
            return "primary" not in reading.take_sent()

        await wait_until(has_caught_up)
        for _ in range(5):
            assert await count(client, **{HEADER: revision}) == 1
        assert reading.take_sent() == ["replica 0"] * 5


async def test_a_process_reads_its_own_writes_and_the_other_sites_stay_on_the_replica(
    cluster: Cluster, serve: Serve, site_id: UUID
) -> None:
    async with serve(cluster) as service:
        client, other = service.client(site_id), service.client(uuid4())
        await cluster.pause()
        for total in range(1, 4):
            await write(client)
            assert await count(client) == total
        service.take_sent()
        assert await count(other) == 0
        assert service.take_sent() == ["replica 0"]
        await cluster.resume()
        await wait_for_replica(service, client)
        assert await count(client) == 3
        assert service.take_sent() == ["replica 0"]


async def test_each_kind_of_write_is_read(cluster: Cluster, serve: Serve, site_id: UUID) -> None:
    async with serve(cluster) as service:
        client = service.client(site_id)
        kept = await set_one(client, make_input())
        await cluster.pause()
        await client.data(DELETE, id=kept["id"])
        assert await count_records(client) == 0
        await client.data(BULK_SET, input=[make_input() for _ in range(3)])
        assert await count_records(client) == 3


async def test_who_finds_nothing_left_to_delete_reads_that_it_is_gone(
    cluster: Cluster, serve: Serve, site_id: UUID
) -> None:
    async with serve(cluster) as deleting, serve(cluster) as repeating:
        client = repeating.client(site_id)
        record = await set_one(deleting.client(site_id), make_input())

        async def is_there() -> bool:
            return await count_records(client) == 1

        await wait_until(is_there)
        await cluster.pause()
        await deleting.client(site_id).data(DELETE, id=record["id"])
        assert await count_records(client) == 1
        again = await client.post(DELETE, {"id": record["id"]})
        assert "ATTENDANCE_NOT_FOUND" in again.text
        assert await count_records(client) == 0


async def test_who_has_been_told_of_a_change_reads_it(cluster: Cluster, serve: Serve, site_id: UUID) -> None:
    async with serve(cluster) as writing, serve(cluster) as following:
        client = following.client(site_id)
        await cluster.pause()
        await set_one(writing.client(site_id), make_input())
        assert await count_records(client) == 0
        assert await following.database.read_revisions({str(site_id): 0}) == {str(site_id): 1}
        assert await count_records(client) == 1


async def test_a_site_that_does_not_write_costs_nothing_more(cluster: Cluster, serve: Serve, site_id: UUID) -> None:
    async with serve(cluster) as service:
        client = service.client(site_id)
        await write(service.client(uuid4()))
        service.take_sent()
        for _ in range(20):
            await client.data("{ attendances { nodes { id } } }")
        assert service.take_sent() == ["replica 0"] * 20


async def test_a_site_that_has_written_asks_the_replica_once(cluster: Cluster, serve: Serve, site_id: UUID) -> None:
    async with serve(cluster) as service:
        client = service.client(site_id)
        revision = await write(client)
        await wait_for_replica(service, client)
        service.take_sent()
        for _ in range(10):
            await count(client, **{HEADER: revision})
        assert service.take_sent() == ["replica 0"] * 10


async def test_a_request_reads_from_one_server(cluster: Cluster, serve: Serve, site_id: UUID) -> None:
    async with serve(cluster, replicas=2) as service:
        client = service.client(site_id)
        for _ in range(4):
            await write(client)
        await wait_for_replica(service, client)
        await asyncio.sleep(0.3)
        for _ in range(10):
            service.take_sent()
            await client.data(NESTED)
            went = service.take_sent()
            assert len(went) >= 3
            assert len(set(went[-3:])) == 1


@pytest.mark.parametrize("late", [0, 1])
async def test_of_two_replicas_the_one_that_has_the_revision_is_read(
    cluster: Cluster, serve: Serve, site_id: UUID, late: int
) -> None:
    async with serve(cluster, replicas=2) as service:
        client = service.client(site_id)
        await cluster.pause(late)
        for total in range(1, 20):
            revision = await write(client)
            service.take_sent()
            assert await count(client, **{HEADER: revision}) == total
            assert service.take_sent()[-1] in (f"replica {1 - late}", "primary")
        await wait_for_replica(service, client)
        for _ in range(4):
            service.take_sent()
            assert await count(client, **{HEADER: revision}) == total
            assert service.take_sent()[-1] == f"replica {1 - late}"


async def test_replicas_that_lack_a_revision_are_asked_once_each_and_then_the_primary_is_read(
    cluster: Cluster, serve: Serve, site_id: UUID
) -> None:
    async with serve(cluster, replicas=2) as service:
        client = service.client(site_id)
        await cluster.pause()
        await write(client)
        service.take_sent()
        assert await count(client) == 1
        *asked, read = service.take_sent()
        assert sorted(asked) == ["replica 0", "replica 1"]
        assert read == "primary"


@pytest.mark.parametrize("revision", [str(2**63 - 1), "5"])
async def test_a_revision_that_no_server_has_is_read_from_the_primary(
    cluster: Cluster, serve: Serve, site_id: UUID, revision: str
) -> None:
    async with serve(cluster) as service:
        client = service.client(site_id)
        service.take_sent()
        assert await count(client, **{HEADER: revision}) == 0
        assert service.take_sent() == ["replica 0", "primary"]
        assert await count(client, **{HEADER: "0"}) == 0
        assert service.take_sent() == ["replica 0"]
