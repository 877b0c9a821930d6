"""A standby: queries read from it while it is there, and it takes over when the primary is lost."""

import asyncio
import json
import signal
import time
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database.connector import SESSION_SETTINGS
from app.database.migrations import SERVICE_ROLE, migrate
from app.database.pool import Database
from tests.faults.conftest import RETURN_SECONDS, Caller, make_postgres, url_of
from tests.support.commands import RunningService, start_service
from tests.support.fault_proxy import FaultProxy, open_proxy
from tests.support.own_postgres import OwnPostgres
from tests.support.pgbouncer import run_pgbouncer
from tests.support.service import SECRET
from tests.support.waiting import wait_until
from tests.support.watching import Numbers, read_numbers

OUTAGE_SECONDS = 2.0
ACQUIRED = "attendance_pool_acquired_total"
COUNT_READERS = """
SELECT count(*) FROM pg_stat_activity WHERE application_name = 'attendance' AND query LIKE '%FROM "attendance"%'
"""


@dataclass(frozen=True, slots=True)
class Pair:
    """A primary and its standby, each with a way to it."""

    primary: OwnPostgres
    standby: OwnPostgres
    primary_way: FaultProxy
    standby_way: FaultProxy


@pytest.fixture
async def pair(faults_place: Path) -> AsyncIterator[Pair]:
    place = faults_place / uuid4().hex[:8]
    place.mkdir(mode=0o755)
    primary = make_postgres(place, "a")
    primary.start()
    await migrate(primary.url, row_security=True)
    primary.stop(signal.SIGINT)
    standby = make_postgres(place, "b", standby_of=primary)
    primary.start()
    standby.start()
    async with AsyncExitStack() as ways:
        opened = [await ways.enter_async_context(open_proxy(server.socket)) for server in (primary, standby)]
        yield Pair(primary, standby, *opened)
    for server in (standby, primary):
        server.stop()


@contextmanager
def serve(place: Path, site_id: UUID, **settings: str) -> Iterator[tuple[RunningService, Caller]]:
    with start_service(place, "serve", JWT_SECRET=SECRET, POOL_SIZE="4", **settings) as service:
        yield service, Caller(service.url, site_id)


async def read_readiness(service: RunningService) -> dict[str, str]:
    def read() -> dict[str, str]:
        with urllib.request.urlopen(f"{service.url}/readyz", timeout=10) as response:
            content: dict[str, str] = json.load(response)
            return content

    return await asyncio.to_thread(read)


async def wait_for_replica(service: RunningService, state: str) -> float:
    async def is_in_state() -> bool:
        return (await read_readiness(service))["replica"].startswith(state)

    return await wait_until(is_in_state, within=2 * RETURN_SECONDS)


async def count_readers(server: OwnPostgres) -> int:
    """How many connections of the service to a server read records at the moment, or did so last."""
    connection = await asyncpg.connect(server.url)
    try:
        count: int = await connection.fetchval(COUNT_READERS)
        return count
    finally:
        await connection.close()


async def test_queries_read_from_the_replica_and_from_the_primary_while_it_is_gone(
    pair: Pair, tmp_path: Path, site_id: UUID
) -> None:
    urls = {"DATABASE_URL": url_of(pair.primary_way), "REPLICA_URL": url_of(pair.standby_way)}
    with serve(tmp_path, site_id, **urls) as (service, caller):
        await wait_for_replica(service, "in use")
        async with caller.asking(readers=4, writers=0):
            await asyncio.sleep(0.3)
            assert await count_readers(pair.standby) > 0
            assert await count_readers(pair.primary) == 0
            numbers = await asyncio.to_thread(fetch_numbers, service)
            assert numbers[ACQUIRED, "replica"] > numbers[ACQUIRED, "primary"] > 0
        async with caller.asking():
            begin = time.monotonic()
            pair.standby_way.swallow()
            await asyncio.sleep(OUTAGE_SECONDS)
            await wait_for_replica(service, "out of reach")
            codes = caller.check(begin)
            assert codes == {None}
            await pair.standby_way.heal()
            returned = await wait_for_replica(service, "in use")
        assert returned < RETURN_SECONDS
        silence = [line for line in service.output.read_text().splitlines() if "does not answer" in line]
        assert silence
        assert all(f"the replica 127.0.0.1:{pair.standby_way.port}: " in line for line in silence)


def fetch_numbers(service: RunningService) -> Numbers:
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=5) as answer:
        return read_numbers(answer.read().decode())


FAULTS: dict[str, Callable[[Pair], object]] = {
    "killed": lambda pair: pair.primary.stop(signal.SIGKILL),
    "swallowed": lambda pair: pair.primary_way.swallow(),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_standby_that_is_promoted_takes_over(
    fault: Callable[[Pair], object], pair: Pair, tmp_path: Path, site_id: UUID
) -> None:
    url = url_of(pair.primary_way, pair.standby_way, target_session_attrs="read-write")
    with serve(tmp_path, site_id, DATABASE_URL=url) as (_, caller):
        async with caller.asking():
            begin = time.monotonic()
            fault(pair)
            await asyncio.sleep(OUTAGE_SECONDS)
            assert "SERVICE_UNAVAILABLE" in {each.code for each in caller.outcomes if each.begin > begin}
            await asyncio.to_thread(pair.standby.promote)
            returned = await caller.wait_until_served()
            caller.check(begin)
        assert returned < RETURN_SECONDS


async def test_a_standby_behind_a_pooler_is_not_used_and_the_reason_is_logged(
    pair: Pair, site_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    owner = await asyncpg.connect(pair.primary.url)
    settings = {**SESSION_SETTINGS, "statement_timeout": "5000"}
    for command in ("LOGIN", *(f"SET {name} = '{value}'" for name, value in settings.items())):
        await owner.execute(f"ALTER ROLE {SERVICE_ROLE} {command}")
    await owner.close()
    with run_pgbouncer(
        pair.standby.url, mode="session", ignored=["role", *settings], users=[SERVICE_ROLE]
    ) as replica_url:
        database = Database(pair.primary.url, pool_size=2, row_security=True, replica_url=replica_url)
        await database.open()

        async def has_reason() -> bool:
            return any("connect to the standby directly" in message for message in caplog.messages)

        await wait_until(has_reason, within=20)
        assert database.explain_replica() == "out of reach: reads go to the primary"
        assert await database.open_reads(0).read_rows("SELECT 1 AS one", (), site_id)
        await database.close()
