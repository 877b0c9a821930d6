"""Which replicas are read: those that still are replicas, and near enough to the primary."""

import asyncio
import signal
import time
from uuid import UUID, uuid4

import pytest

from tests.replicas.conftest import Cluster, ReadingService, Serve, execute
from tests.support.mutations import COUNT, SET, count_records, make_input, set_one
from tests.support.service import GraphQLClient
from tests.support.waiting import wait_until
from tests.support.watching import Numbers, read_numbers

HEADER = "X-Attendance-Revision"
MAX_LAG = "2"
LAG, IN_USE = "attendance_replica_lag_seconds", "attendance_replica_in_use"


async def read_metrics(service: ReadingService) -> Numbers:
    return read_numbers((await service.http.get("/metrics")).text)


async def read_from(service: ReadingService, client: GraphQLClient) -> str:
    """Where a query was read."""
    service.take_sent()
    await client.data(COUNT)
    return service.take_sent()[-1]


async def test_a_replica_that_is_too_far_behind_is_not_read_until_it_has_caught_up(
    cluster: Cluster, serve: Serve, site_id: UUID
) -> None:
    async with serve(cluster, REPLICA_MAX_LAG=MAX_LAG) as service:
        [replica] = service.replicas
        reader = service.client(uuid4())
        assert (await read_metrics(service))[LAG, replica.name] < 1
        await cluster.pause()
        writer = service.client(site_id)

        async def is_too_far_behind() -> bool:
            await set_one(writer, make_input())
            return replica.trouble is not None

        assert await wait_until(is_too_far_behind, within=20) > 1
        assert service.database.explain_replica() == "too far behind: reads go to the primary"
        assert await read_from(service, reader) == "primary"
        numbers = await read_metrics(service)
        assert numbers[LAG, replica.name] > int(MAX_LAG)
        assert numbers[IN_USE, replica.name] == 0
        ready = await service.http.get("/readyz")
        assert (ready.status_code, ready.json()["replica"]) == (200, "too far behind: reads go to the primary")
        await cluster.resume()
        await service.wait_for("in use")
        assert await read_from(service, reader) == "replica 0"
        assert (await read_metrics(service))[LAG, replica.name] < 1


async def test_a_primary_that_writes_nothing_leaves_no_replica_behind(
    cluster: Cluster, serve: Serve, site_id: UUID
) -> None:
    async with serve(cluster, REPLICA_MAX_LAG="1") as service:
        [replica] = service.replicas
        await set_one(service.client(site_id), make_input())
        await asyncio.sleep(4)
        assert replica.trouble is None
        assert replica.lag_seconds < 1


async def test_reads_are_spread_over_the_replicas(cluster: Cluster, serve: Serve) -> None:
    async with serve(cluster, replicas=2) as service:
        clients = [service.client(uuid4()) for _ in range(4)]
        service.take_sent()
        for _ in range(20):
            await asyncio.gather(*(client.data(COUNT) for client in clients * 2))
        went = service.take_sent()
        assert set(went) == {"replica 0", "replica 1"}
        assert abs(went.count("replica 0") - 80) < 30
        for _ in range(10):  # also one after the other, and of one site
            await clients[0].data(COUNT)
        assert set(service.take_sent()) == {"replica 0", "replica 1"}


async def test_a_replica_that_is_lost_leaves_its_reads_to_the_other(own_cluster: Cluster, serve: Serve) -> None:
    async with serve(own_cluster, replicas=2) as service:
        client = service.client(uuid4())
        gone = own_cluster.standbys[0]
        gone.stop(signal.SIGKILL)
        for _ in range(20):
            assert await count_records(client) == 0
        state = f"1 of 2 in use; {gone.socket.parent}:5432 is out of reach"
        await service.wait_for(state)
        assert (await service.http.get("/readyz")).json() == {"status": "ready", "replica": state}
        service.take_sent()
        await count_records(client)
        assert service.take_sent() == ["replica 1"]
        await asyncio.to_thread(gone.start)
        await service.wait_for("in use")


async def test_a_replica_that_was_promoted_is_not_read(
    own_cluster: Cluster, serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    async with serve(own_cluster) as service:
        client = service.client(uuid4())
        assert await read_from(service, client) == "replica 0"
        await asyncio.to_thread(own_cluster.standbys[0].promote)
        await service.wait_for("promoted, so that it takes writes: reads go to the primary")
        assert await read_from(service, client) == "primary"
        assert [line for line in caplog.messages if "promoted" in line] == [
            f"reads do not go to the replica {service.replicas[0].name}: it is promoted, so that it takes writes"
        ]


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGSTOP])
async def test_queries_go_on_while_the_primary_is_gone(
    own_cluster: Cluster, serve: Serve, site_id: UUID, how: signal.Signals
) -> None:
    async with serve(own_cluster) as service:
        client, other = service.client(site_id), service.client(uuid4())
        written = await client.post(SET, {"input": make_input()})
        await count_records(client)
        await asyncio.sleep(0.5)  # The replica has received it.
        if how is signal.SIGSTOP:
            own_cluster.primary.freeze()
        else:
            await asyncio.to_thread(own_cluster.primary.stop, how)

        async def is_refused() -> bool:
            return (await service.http.get("/readyz")).status_code == 503

        await wait_until(is_refused)
        ready = await service.http.get("/readyz?reads=1")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready for reads")
        for _ in range(3):
            assert await count_records(client) == 1  # It is known to have what this process has written.
            assert await count_records(other) == 0
        revision = int(written.headers[HEADER])
        seen = await client.post(COUNT, **{HEADER: str(revision)})
        assert seen.json() == {"data": {"attendances": {"totalCount": 1}}}
        unseen = await client.post(COUNT, **{HEADER: str(revision + 1)})
        refused = await client.post(SET, {"input": make_input()})
        for answer in (unseen, refused):
            assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert await count_records(client) == 1
        own_cluster.primary.thaw() if how is signal.SIGSTOP else await asyncio.to_thread(own_cluster.primary.start)

        async def is_written() -> bool:
            return (await client.post(SET, {"input": make_input()})).status_code == 200

        await wait_until(is_written, within=10)
        assert await count_records(client) == 2
        assert (await service.http.get("/readyz?reads=1")).json() == {"status": "ready", "replica": "in use"}


async def test_what_only_the_lost_primary_had_is_waited_for_and_never_left_out(
    own_cluster: Cluster, serve: Serve, site_id: UUID
) -> None:
    async with serve(own_cluster, REPLICA_MAX_LAG="4") as service:
        client, other = service.client(site_id), service.client(uuid4())
        await own_cluster.pause()
        await set_one(client, make_input())
        await asyncio.sleep(1.1)  # The replica has received it, and the primary has told of it.
        await asyncio.to_thread(own_cluster.primary.stop, signal.SIGKILL)
        begin = time.monotonic()
        assert (await client.post(COUNT)).status_code == 503
        assert time.monotonic() - begin < 2
        assert await count_records(other) == 0
        await asyncio.sleep(5)
        assert await count_records(other) == 0  # A replica falls no further behind a primary that is gone.
        assert (await service.http.get("/readyz?reads=1")).status_code == 200
        waiting = asyncio.create_task(client.post(COUNT))
        await asyncio.sleep(0.2)
        await own_cluster.resume()
        assert (await waiting).json() == {"data": {"attendances": {"totalCount": 1}}}


async def test_a_process_that_is_older_than_its_primary_is_not_ready_for_reads(cluster: Cluster, serve: Serve) -> None:
    async with serve(cluster) as service:
        await execute(
            cluster.primary.url,
            "INSERT INTO attendance_migrations (version, name, checksum) VALUES (9999, '9999_later', '')",
        )
        ready = await service.http.get("/readyz?reads=1")
        await execute(cluster.primary.url, "DELETE FROM attendance_migrations WHERE version = 9999")
        assert (ready.status_code, ready.json()["status"]) == (503, "not ready")


async def test_a_service_without_primary_or_replica_is_not_ready_for_reads(own_cluster: Cluster, serve: Serve) -> None:
    async with serve(own_cluster) as service:
        own_cluster.primary.stop()
        own_cluster.standbys[0].stop()
        await service.wait_for("out of reach: reads go to the primary")
        ready = await service.http.get("/readyz?reads=1")
        assert (ready.status_code, ready.json()["status"]) == (503, "not ready")


async def test_a_service_that_starts_without_the_primary_reads(own_cluster: Cluster, serve: Serve) -> None:
    own_cluster.primary.stop()
    async with serve(own_cluster) as service:
        assert await count_records(service.client(uuid4())) == 0
        assert (await service.http.get("/readyz?reads=1")).status_code == 200
        assert (await service.http.get("/readyz")).status_code == 503
