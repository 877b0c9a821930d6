"""The log names a replica that cannot be used, and says why: once, and again when the reason changes."""

from collections.abc import Callable

import asyncpg
import pytest

from app.database.migrations import migrate
from app.database.pool import build_connector
from app.database.positions import PrimaryPositions
from app.database.replica import OUT_OF_REACH, PROMOTED, Replica

CHECKS = 3
REVOKE = "REVOKE DELETE ON attendance FROM attendance_service"
GRANT = "GRANT DELETE ON attendance TO attendance_service"


def build_replica(url: str, *, row_security: bool = True) -> Replica:
    return Replica(build_connector(url, row_security=row_security), PrimaryPositions(), pool_size=1, max_lag=10)


async def test_a_replica_that_is_out_of_reach_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    replica = build_replica("postgresql://nobody@127.0.0.1:1/nothing")
    for _ in range(CHECKS):
        await replica.check()
    [line] = caplog.messages
    assert line.startswith("the replica 127.0.0.1:1: the database cannot be reached: ConnectionRefusedError")
    await replica.close()


async def test_what_a_replica_lacks_is_logged_once_and_again_when_it_changes(
    create_database: Callable[[], str], caplog: pytest.LogCaptureFixture
) -> None:
    url = create_database()
    await migrate(url, row_security=True)
    owner = await asyncpg.connect(url)
    replica, unsecured = build_replica(url), build_replica(url, row_security=False)
    prefix = f"the replica {replica.name}: the database cannot be used: "

    async def take_lines(checked: Replica) -> list[str]:
        caplog.clear()
        for _ in range(CHECKS):
            await checked.check()
        return list(caplog.messages)

    await owner.execute(REVOKE)
    [line] = await take_lines(replica)
    assert line.startswith(f"{prefix}the role attendance_service lacks privileges")
    assert replica.trouble == OUT_OF_REACH
    await owner.execute("UPDATE attendance_migrations SET version = -1 WHERE version = 1")
    await owner.execute(GRANT)
    [line] = await take_lines(replica)
    assert line.startswith(prefix)
    assert "migration" in line
    await owner.execute("UPDATE attendance_migrations SET version = 1 WHERE version = -1")
    [line] = await take_lines(unsecured)
    assert line.startswith(f"{prefix}row security of the table and ATTENDANCE_ROW_SECURITY differ")
    [line] = await take_lines(replica)
    assert line == f"reads do not go to the replica {replica.name}: it is {PROMOTED}"
    replica.suspend()
    await owner.execute(REVOKE)
    assert f"{prefix}the role" in "".join(await take_lines(replica))
    await owner.close()
    await replica.close()
    await unsecured.close()
