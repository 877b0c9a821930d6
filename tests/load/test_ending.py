"""Server processes and their ends: told to, they lose nothing; killed, they leave nothing behind."""

import asyncio
import os
import signal
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, AsyncExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from tests.load.conftest import Lock, wait_for_waiting
from tests.support.commands import RunningService, list_workers, run_command, start_service
from tests.support.mutations import SET, make_input
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, RecordingDatabase, make_token
from tests.support.waiting import wait_until
from tests.support.wire import Answer, connect, write_get, write_post

COUNT = "{ attendances { totalCount } }"
SECONDS_TO_END = 10

StartService = Callable[[int], AbstractContextManager[RunningService]]


@pytest.fixture
def serve(tmp_path: Path, database_url: str) -> StartService:
    """The service on the tests' database, by so many workers."""
    return lambda workers: start_service(
        tmp_path, "serve", "--workers", str(workers), DATABASE_URL=database_url, JWT_SECRET=SECRET
    )


@pytest.fixture
def token(site_id: UUID) -> str:
    return make_token(site_id, READ_SCOPE, WRITE_SCOPE)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def end(service: RunningService) -> int:
    """The exit code of a service that is told to end; fails when that takes longer than it may."""
    started = time.monotonic()
    service.process.terminate()
    code = await asyncio.to_thread(service.process.wait, SECONDS_TO_END + 5)
    assert time.monotonic() - started < SECONDS_TO_END
    return code


@dataclass(slots=True)
class Writers:
    """Callers who set records of their own, one after the other, until the service takes no more of them."""

    url: str
    token: str
    acknowledged: set[str] = field(default_factory=set)
    is_over: bool = False

    async def write(self) -> None:
        while not self.is_over:
            try:
                async with connect(self.url) as wire:
                    answer = await self.set_one(wire.ask)
                    while answer.headers.get("connection") != "close":
                        answer = await self.set_one(wire.ask)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.01)

    async def set_one(self, send: Callable[[bytes], Awaitable[Answer]]) -> Answer:
        booking = str(uuid4())
        answer = await send(write_post(SET, self.token, input=make_input(bookingId=booking)))
        assert answer.status == 200, answer.body
        self.acknowledged.add(booking)
        return answer


@pytest.mark.parametrize("workers", [1, 4])
async def test_told_to_end_under_load_a_service_answers_whatever_it_has_taken_on(
    serve: StartService, token: str, database: RecordingDatabase, site_id: UUID, workers: int
) -> None:
    with serve(workers) as service:
        writers = Writers(service.url, token)
        writing = [asyncio.create_task(writers.write()) for _ in range(16)]
        await wait_until(lambda: len(writers.acknowledged) > 200, within=20)
        assert await end(service) == 0
        writers.is_over = True
        await asyncio.gather(*writing)
    rows = await database.fetch_rows("SELECT booking_id FROM attendance WHERE site_id = $1", [site_id], site_id)
    written = {str(row["booking_id"]) for row in rows}
    assert written == writers.acknowledged


async def test_a_service_that_ends_says_so_before_it_closes(serve: StartService, lock: Lock, token: str) -> None:
    with serve(1) as service:
        async with connect(service.url) as idle, connect(service.url) as busy, connect(service.url) as probe:
            assert (await idle.ask(write_get("/healthz"))).status == 200
            async with lock() as watcher:
                reading = asyncio.create_task(busy.ask(write_post(COUNT, token)))
                await wait_for_waiting(watcher, 1)
                ending = asyncio.create_task(end(service))
                ready = await probe.ask(write_get("/readyz"))
                while ready.status == 200:
                    await asyncio.sleep(0.01)
                    ready = await probe.ask(write_get("/readyz"))
                assert (ready.status, ready.content["reason"]) == (503, "the service is being stopped")
                async with connect(service.url) as late:
                    answer = await late.ask(write_post("{ __typename }"))
                assert (answer.status, answer.headers["connection"]) == (200, "close")
                assert await idle.reader.read() == b""
                assert not reading.done()
            assert (await reading).status == 200
            assert await ending == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_whoever_is_connected_before_nobody_is_any_more_gets_an_answer(serve: StartService, workers: int) -> None:
    """But for whoever is connected in the very instant in which a worker stops to listen, which the kernel resets."""
    with serve(workers) as service:
        ending = asyncio.create_task(end(service))
        async with AsyncExitStack() as connections:
            made = []
            with suppress(OSError):
                while True:
                    made.append(await connections.enter_async_context(connect(service.url)))
                    await asyncio.sleep(0.005)
            asking = (wire.ask(write_post("{ __typename }")) for wire in made[-20:])
            outcomes = await asyncio.gather(*asking, return_exceptions=True)
        answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
        assert len(answers) >= 20 - workers
        assert {(answer.status, answer.headers["connection"]) for answer in answers} == {(200, "close")}
        assert await ending == 0


@pytest.mark.parametrize("workers", [1, 2])
async def test_idle_and_unfinished_connections_do_not_hold_an_ending_service(serve: StartService, workers: int) -> None:
    with serve(workers) as service:
        async with connect(service.url) as idle, connect(service.url) as silent, connect(service.url) as trickling:
            assert (await idle.ask(write_get("/healthz"))).status == 200
            await trickling.send(b"POST /graphql HTTP/1.1\r\nhost:")
            assert silent
            assert await end(service) == 0


async def test_a_killed_parent_leaves_no_worker_behind(serve: StartService) -> None:
    with serve(3) as service:
        workers = list_workers(service.process.pid)
        assert len(workers) == 3
        os.kill(service.process.pid, signal.SIGKILL)
        await wait_until(lambda: not any(is_running(worker) for worker in workers), within=5)
        port = urlsplit(service.url).port
        assert port
        socket.create_server(("127.0.0.1", port)).close()


async def test_a_worker_that_dies_is_replaced(serve: StartService) -> None:
    with serve(2) as service:
        victim, other = list_workers(service.process.pid)
        await asyncio.sleep(1)
        os.kill(victim, signal.SIGKILL)
        await wait_until(lambda: len({*list_workers(service.process.pid)} - {victim}) == 2)
        assert other in list_workers(service.process.pid)
        for _ in range(20):
            async with connect(service.url) as wire:
                assert (await wire.ask(write_post("{ __typename }"))).status == 200
        assert await end(service) == 0


async def test_a_demo_ends_well(tmp_path: Path) -> None:
    with start_service(tmp_path, "demo") as demo:
        assert await end(demo) == 0


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_two_services_cannot_listen_at_the_same_place(serve: StartService, tmp_path: Path, workers: str) -> None:
    with serve(2) as service:
        port = str(urlsplit(service.url).port)
        refused = run_command(tmp_path, "serve", "--port", port, "--workers", workers, JWT_SECRET=SECRET)
    assert refused.returncode == 2
    assert f"cannot listen on 127.0.0.1, port {port}" in refused.stderr
