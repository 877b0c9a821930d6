"""Whatever happens to Postgres, callers are told within two seconds, and served again soon after its return."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

import asyncpg
import httpx2
import pytest

from tests.embedded.commands import find_supervisor
from tests.faults.conftest import ANSWER_SECONDS, POOL_SIZE, READ, RETURN_SECONDS, WRITE, Caller, repair, url_of
from tests.support.commands import start_service
from tests.support.fault_proxy import FaultProxy
from tests.support.own_postgres import OwnPostgres
from tests.support.service import SECRET
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("whole")

Fault = Callable[[OwnPostgres, FaultProxy], object]
OUTAGE_SECONDS = 2.2


def end(how: signal.Signals) -> Fault:
    return lambda postgres, _proxy: postgres.stop(how)


FAULTS: dict[str, Fault] = {
    "killed": end(signal.SIGKILL),
    "shut down at once": end(signal.SIGQUIT),
    "shut down": end(signal.SIGINT),
    "frozen": lambda postgres, _proxy: postgres.freeze(),
    "swallowed": lambda _postgres, proxy: proxy.swallow(),
    "stalled": lambda _postgres, proxy: proxy.stall(),
    "refused": lambda _postgres, proxy: proxy.refuse(),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
async def test_a_server_that_is_gone_is_told_in_time_and_found_again(
    fault: Fault, caller: Caller, postgres: OwnPostgres, proxy: FaultProxy
) -> None:
    async with caller.asking():
        await asyncio.sleep(0.2)
        begin = time.monotonic()
        fault(postgres, proxy)
        await asyncio.sleep(OUTAGE_SECONDS)
        during = [each for each in caller.outcomes if each.begin > begin + 0.1]
        assert during
        assert {each.code for each in during} == {"SERVICE_UNAVAILABLE"}
        await repair(postgres, proxy)
        returned = await caller.wait_until_served()
        caller.check(begin)
    assert returned < RETURN_SECONDS


LOCK = "LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE"


@asynccontextmanager
async def locked_table(postgres: OwnPostgres) -> AsyncIterator[None]:
    """A time in which every statement of the service waits."""
    owner = await asyncpg.connect(postgres.url)
    try:
        await owner.execute(f"BEGIN; {LOCK}")
        yield
    finally:
        owner.terminate()  # The server may stand still.


@pytest.mark.parametrize("name", ["frozen", "swallowed", "stalled"])
async def test_a_statement_that_waits_on_a_server_that_dies_is_told_in_time(
    name: str, caller: Caller, postgres: OwnPostgres, proxy: FaultProxy
) -> None:
    async with httpx2.AsyncClient() as http:
        assert (await caller.ask(http)).code is None
        async with locked_table(postgres):
            waiting = [asyncio.create_task(caller.ask(http, query)) for query in (READ, WRITE)]
            await asyncio.sleep(0.5)
            begin = time.monotonic()
            FAULTS[name](postgres, proxy)
            outcomes = await asyncio.gather(*waiting)
            waited = time.monotonic() - begin
        await repair(postgres, proxy)
        assert {each.code for each in outcomes} == {"SERVICE_UNAVAILABLE"}
        assert waited < ANSWER_SECONDS
        await wait_until_served(caller, http)


async def wait_until_served(caller: Caller, http: httpx2.AsyncClient, *, within: float = RETURN_SECONDS) -> None:
    async def is_served() -> bool:
        return (await caller.ask(http)).code is None

    await wait_until(is_served, within=within)


async def test_a_slow_statement_of_a_server_that_lives_has_its_five_seconds_and_others_are_told_of_a_full_pool(
    caller: Caller, postgres: OwnPostgres
) -> None:
    async with httpx2.AsyncClient() as http:
        assert (await caller.ask(http)).code is None
        async with locked_table(postgres):
            waiting = [asyncio.create_task(caller.ask(http)) for _ in range(POOL_SIZE)]
            await asyncio.sleep(0.3)
            late = await asyncio.gather(*(caller.ask(http, query) for query in (READ, WRITE)))
            slow = await asyncio.gather(*waiting)
        assert [(each.status, each.code) for each in late] == [(503, "SERVICE_UNAVAILABLE")] * 2
        assert max(each.seconds for each in late) < ANSWER_SECONDS
        assert {each.code for each in slow} == {"TIMEOUT"}
        assert min(each.seconds for each in slow) > 4.9
        assert (await caller.ask(http)).code is None


async def test_a_service_whose_embedded_server_lost_its_supervisor_serves_again(tmp_path: Path, site_id: UUID) -> None:
    with start_service(tmp_path, "serve", JWT_SECRET=SECRET) as service:
        caller = Caller(service.url, site_id)
        async with httpx2.AsyncClient() as http:
            assert (await caller.ask(http, WRITE)).code is None
            os.kill(find_supervisor(tmp_path), signal.SIGKILL)
            await asyncio.sleep(0.5)
            await wait_until_served(caller, http, within=20)
            assert (await caller.ask(http, WRITE)).code is None


async def test_a_service_that_starts_before_its_database_serves_as_soon_as_that_is_there(
    proxy: FaultProxy, postgres: OwnPostgres, tmp_path: Path, site_id: UUID
) -> None:
    proxy.refuse()
    settings = {"DATABASE_URL": url_of(proxy), "JWT_SECRET": SECRET}
    with start_service(tmp_path, "serve", **settings) as service:
        caller = Caller(service.url, site_id)
        async with httpx2.AsyncClient() as http:
            early = await caller.ask(http)
            assert (early.status, early.code) == (503, "SERVICE_UNAVAILABLE")
            assert early.seconds < ANSWER_SECONDS
            await repair(postgres, proxy)
            await wait_until_served(caller, http)
