"""Several workers: each takes its share of connections, and one that is stopped, dies or is replaced is not missed."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.load.test_ending import end, is_running
from tests.support.commands import RunningService, list_workers, start_service
from tests.support.service import SECRET
from tests.support.waiting import wait_until
from tests.support.wire import Wire, connect, write_post

TYPENAME = write_post("{ __typename }")
CONNECTIONS = 60
LEAST_SHARE = 0.7
START_SECONDS = 30
STARTED = "Application startup complete"
ESTABLISHED = "01"


@pytest.fixture
def service(tmp_path: Path, database_url: str) -> Iterator[RunningService]:
    """A service of two workers."""
    settings = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET}
    with start_service(tmp_path, "serve", "--workers", "2", **settings) as running:
        yield running


def count_connections(service: RunningService, pid: int) -> int:
    """The connections of clients that a worker has accepted."""
    port = f":{urlsplit(service.url).port:04X}"
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    accepted = {f"socket:[{fields[9]}]" for fields in sockets if fields[1].endswith(port) and fields[3] == ESTABLISHED}
    return sum(str(each.readlink()) in accepted for each in Path(f"/proc/{pid}/fd").iterdir())


async def wait_for_workers(service: RunningService, started: int = 2) -> list[int]:
    """The workers of the service, once so many have started since its beginning."""
    await wait_until(lambda: service.output.read_text().count(STARTED) == started, within=START_SECONDS)
    return list_workers(service.process.pid)


async def open_many(stack: AsyncExitStack, service: RunningService, count: int, *, pause: float = 0) -> list[Wire]:
    """Connections that have all been answered once."""

    async def open_one(number: int) -> Wire:
        await asyncio.sleep(number * pause)
        wire = await stack.enter_async_context(connect(service.url))
        assert (await wire.ask(TYPENAME)).status == 200
        return wire

    return await asyncio.gather(*map(open_one, range(count)))


@pytest.mark.parametrize("pause", [0, 0.005])
async def test_workers_take_equal_shares_of_the_connections(service: RunningService, pause: float) -> None:
    workers = await wait_for_workers(service)
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        await open_many(stack, service, CONNECTIONS, pause=pause)
        idler, busier = sorted(count_connections(service, each) for each in workers)
        assert idler + busier == CONNECTIONS
        assert idler >= LEAST_SHARE * busier


async def test_a_new_worker_takes_new_connections_until_it_has_as_many(service: RunningService) -> None:
    killed, lasting = await wait_for_workers(service)
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        await open_many(stack, service, CONNECTIONS)
        os.kill(killed, signal.SIGKILL)
        [new] = set(await wait_for_workers(service, 3)) - {lasting}
        await open_many(stack, service, CONNECTIONS // 3)
        assert count_connections(service, new) >= CONNECTIONS // 3 * LEAST_SHARE


async def test_connections_are_served_by_the_other_worker_while_one_is_stopped(service: RunningService) -> None:
    stopped, _ = await wait_for_workers(service)
    os.kill(stopped, signal.SIGSTOP)
    async with AsyncExitStack() as stack, asyncio.timeout(30):
        await open_many(stack, service, CONNECTIONS)
        os.kill(stopped, signal.SIGKILL)
        await open_many(stack, service, CONNECTIONS)


async def test_a_worker_that_does_not_stop_is_killed_in_time(service: RunningService) -> None:
    stopped, _ = await wait_for_workers(service)
    os.kill(stopped, signal.SIGSTOP)
    assert await end(service) == 0
    assert not is_running(stopped)


async def test_a_hangup_replaces_the_workers_one_after_the_other_and_fails_no_request(service: RunningService) -> None:
    old = await wait_for_workers(service)
    is_over = False

    async def ask_until_over() -> int:
        """Ask over one connection after the other, each as long as it is open."""
        answered = 0
        while not is_over:
            async with connect(service.url) as wire:
                answer = await wire.ask(TYPENAME)
                while answer.headers.get("connection") != "close" and not is_over:
                    answered += answer.status == 200
                    await asyncio.sleep(0.01)
                    answer = await wire.ask(TYPENAME)
        return answered

    asking = [asyncio.create_task(ask_until_over()) for _ in range(8)]
    service.process.send_signal(signal.SIGHUP)
    await wait_for_workers(service, 4)
    await wait_until(lambda: not set(old) & set(list_workers(service.process.pid)))
    is_over = True
    assert all(await asyncio.gather(*asking))
    assert await end(service) == 0
