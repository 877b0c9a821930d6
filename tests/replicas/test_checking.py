"""`attendance check` tells of each replica whether queries will read from it."""

import asyncio
import signal
from pathlib import Path
from uuid import uuid4

from app.database.pool import Database
from tests.replicas.conftest import Cluster
from tests.support.commands import run_command
from tests.support.service import SECRET, Record, store


async def check(place: Path, cluster: Cluster, replicas: int) -> tuple[int, list[str]]:
    """The exit code, and what is said of the replicas."""
    done = await asyncio.to_thread(
        run_command,
        place,
        "check",
        DATABASE_URL=cluster.primary.url,
        REPLICA_URL=cluster.replica_url(replicas),
        REPLICA_MAX_LAG="1",
        JWT_SECRET=SECRET,
    )
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    return done.returncode, [line[1] for line in lines if line[0] == "replica"]


async def write(cluster: Cluster) -> None:
    database = Database(cluster.primary.url, pool_size=1, row_security=True)
    await database.open()
    await store(database, uuid4(), [Record()])  # type: ignore[arg-type]
    await database.close()


async def test_a_replica_that_follows_is_right_and_one_that_does_not_is_wrong(cluster: Cluster, tmp_path: Path) -> None:
    await write(cluster)
    code, [line] = await check(tmp_path, cluster, 1)
    assert code == 0
    assert line.startswith("ok: Postgres ")
    assert line.endswith(" a standby, 0.0 s behind")
    await cluster.pause(0)
    await write(cluster)
    code, lines = await check(tmp_path, cluster, 2)
    assert code == 1
    assert [line.partition(":")[0] for line in lines] == ["wrong", "ok"]
    assert f"{cluster.standbys[0].socket.parent}:5432: it is more than 1 s behind the primary" in lines[0]


async def test_a_replica_that_is_promoted_or_gone_is_wrong(own_cluster: Cluster, tmp_path: Path) -> None:
    await asyncio.to_thread(own_cluster.standbys[0].promote)
    own_cluster.standbys[1].stop(signal.SIGKILL)
    code, lines = await check(tmp_path, own_cluster, 2)
    assert code == 1
    assert [line.partition(":")[0] for line in lines] == ["wrong", "wrong"]
    assert "it takes writes, so queries do not read from it" in lines[0]
    assert "the database cannot be reached" in lines[1]
