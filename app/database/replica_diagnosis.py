"""What is right and wrong about the replicas of a configuration, one after another, for `attendance check`."""

import asyncio
import time
from typing import Any

from app.database.connector import CONNECT_SECONDS
from app.database.diagnosis import DESCRIBE_SERVER, Diagnosis
from app.database.failures import CONNECT_ERRORS
from app.database.hosts import Address, split_all_hosts
from app.database.owner import explain_connect_failure, open_owner
from app.database.pool import build_connector
from app.database.positions import READ_POSITION
from app.database.server import PostgresServer
from app.errors import ConfigurationError

MOST_WAIT_SECONDS = 10.0
POLL_SECONDS = 0.1
TAKES_WRITES = "it takes writes, so queries do not read from it: name a standby, or leave ATTENDANCE_REPLICA_URL out"
FALLS_BEHIND = (
    "it is more than {:g} s behind the primary, so queries do not read from it: look at pg_stat_wal_receiver and "
    "pg_get_wal_replay_pause_state() there, or raise ATTENDANCE_REPLICA_MAX_LAG"
)
NOT_THERE_YET = (
    "not at the primary's position after {:g} s; queries read from it unless it is more than {:g} s behind "
    "(ATTENDANCE_REPLICA_MAX_LAG)"
)


async def diagnose_replicas(
    url: str | None, primary_url: str, *, row_security: bool, max_lag: float
) -> list[Diagnosis]:
    """Check that queries can read from each replica, if there are any."""
    if url is None:
        return [Diagnosis("replica", "none")]
    addresses = split_all_hosts(url)
    position = await read_primary_position(primary_url)
    found = []
    for address in addresses:
        diagnosis = await diagnose_replica(url, address, position, row_security=row_security, max_lag=max_lag)
        found.append(diagnosis if len(addresses) == 1 else name_host(diagnosis, address))
    return found


def name_host(diagnosis: Diagnosis, address: Address) -> Diagnosis:
    trouble = None if diagnosis.trouble is None else f"{address.name}: {diagnosis.trouble}"
    return Diagnosis(diagnosis.subject, f"{address.name}: {diagnosis.detail}", trouble)


async def read_primary_position(url: str) -> int:
    """Where the primary is; 0 if that cannot be found out, which is told elsewhere."""
    try:
        async with open_owner(url) as owner:
            found = await owner.fetchrow(READ_POSITION)
    except (ConfigurationError, *CONNECT_ERRORS):
        return 0
    return found["position"] or 0


async def diagnose_replica(
    url: str, address: Address, position: int, *, row_security: bool, max_lag: float
) -> Diagnosis:
    """Check one replica: that it is one, that the service can use it, and that it reaches the primary's position.

    A replica that may be further behind than the check waits is not wrong when the wait has ended.
    """
    connector = build_connector(url, row_security=row_security, address=address)
    server = PostgresServer(connector, pool_size=1)
    try:
        connection = await connector.connect_plainly(address)
        try:
            found = await connection.fetchrow(DESCRIBE_SERVER)
            if not found["is_standby"]:
                return Diagnosis("replica", trouble=TAKES_WRITES)
            trouble = await server.explain_unreadiness()
            lag = await measure_lag(connection, position, min(max_lag, MOST_WAIT_SECONDS))
        finally:
            connection.terminate()
    except CONNECT_ERRORS as failure:
        return Diagnosis("replica", trouble=explain_connect_failure(failure, CONNECT_SECONDS))
    finally:
        await server.close()
    if trouble is None and lag is None and max_lag <= MOST_WAIT_SECONDS:
        trouble = FALLS_BEHIND.format(max_lag)
    progress = NOT_THERE_YET.format(MOST_WAIT_SECONDS, max_lag) if lag is None else f"{lag:.1f} s behind"
    return Diagnosis("replica", f"Postgres {found['version']}, a standby, {progress}", trouble)


async def measure_lag(connection: Any, position: int, at_most: float) -> float | None:
    """The seconds until a standby has a position of the primary; None if it takes longer than `at_most`."""
    begin = time.monotonic()
    while ((await connection.fetchrow(READ_POSITION))["position"] or 0) < position:
        if time.monotonic() - begin > at_most:
            return None
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - begin
