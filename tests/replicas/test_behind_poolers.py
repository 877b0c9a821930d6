"""Without row security, a replica may be behind a pooler."""

from pathlib import Path
from uuid import UUID

from app.database.migrations import migrate
from tests.replicas.conftest import Serve, run_cluster
from tests.support.mutations import count_records, make_input, set_one
from tests.support.pgbouncer import run_pgbouncer
from tests.support.waiting import wait_until


async def test_a_replica_behind_a_pooler_is_read_and_what_was_written_is_seen(
    own_place: Path, serve: Serve, site_id: UUID
) -> None:
    async with run_cluster(own_place, 1) as cluster:
        await migrate(cluster.primary.url, row_security=False)
        with run_pgbouncer(cluster.standbys[0].url, mode="session") as url:
            async with serve(cluster, REPLICA_URL=url, ROW_SECURITY="off") as service:
                client = service.client(site_id)
                for total in range(1, 10):
                    await set_one(client, make_input())
                    assert await count_records(client) == total

                async def is_read_from_replica() -> bool:
                    service.take_sent()
                    assert await count_records(client) == 9
                    return service.take_sent()[-1] == "replica 0"

                await wait_until(is_read_from_replica)
