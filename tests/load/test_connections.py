"""Connections: how many there may be, and how much of what a client sends ahead is taken on."""

import asyncio
import resource
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import orjson
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.web.load import connections as limits_module
from app.web.load.connections import ConnectionLimits, PipelineQueue, share_files
from app.web.serving.http_connections import HTTPConnection
from tests.load.conftest import BuildEndpoint
from tests.support.commands import start_service
from tests.support.service import SECRET
from tests.support.serving import run_uvicorn
from tests.support.waiting import wait_until
from tests.support.wire import HEAD, Wire, connect, write_get, write_post

TYPENAME = write_post("{ __typename }")
BARE = b"GET /x HTTP/1.1\r\n\r\n"
CROWD = 100
AHEAD = 256 * 1024
MOST_MEMORY = 200e6
MOST_SECONDS_OF_A_PROBE = 0.5


class Gate:
    """An application whose requests wait until they are let through."""

    def __init__(self) -> None:
        self.open = asyncio.Event()
        self.begun = 0

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.begun += 1
        while (await receive()).get("more_body"):
            pass
        await self.open.wait()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def serve(application: object, limits: ConnectionLimits) -> AsyncIterator[tuple[uvicorn.Server, str]]:
    async with run_uvicorn(application, http=partial(HTTPConnection, limits=limits)) as served:  # type: ignore[arg-type]
        yield served


async def send_quietly(wire: Wire, content: bytes) -> None:
    wire.writer.write(content)
    await asyncio.sleep(0.1)


AHEAD_OF_AN_ANSWER = {
    "bare requests": BARE * 14_000,
    "probes": write_get("/healthz") * 5_000,
    "mutations": write_post("mutation { x }") * 1_000,
    "a body": HEAD.encode() + b"content-length: 300000000\r\n\r\n" + b"{" * 20_000_000,
    "chunks": HEAD.encode() + b"transfer-encoding: chunked\r\n\r\n" + (b"8000\r\n" + b"{" * 0x8000 + b"\r\n") * 600,
    "line breaks in a body": HEAD.encode() + b"content-length: 300000000\r\n\r\n" + b"\r\n" * 10_000_000,
}


@pytest.mark.parametrize("case", AHEAD_OF_AN_ANSWER)
async def test_what_is_sent_ahead_of_an_answer_waits_at_the_client(case: str) -> None:
    gate, limits = Gate(), ConnectionLimits()
    async with serve(gate, limits) as (server, url), connect(url) as wire:
        await send_quietly(wire, BARE + AHEAD_OF_AN_ANSWER[case])
        [connection] = server.server_state.connections
        assert isinstance(connection, HTTPConnection)
        assert (gate.begun, len(connection.pipeline) <= 30) == (1, True)
        held = sum(len(cycle.body) for cycle, _ in connection.pipeline)
        assert limits.bytes_ahead + held <= 600_000
        gate.open.set()
    await wait_until(lambda: (limits.open, limits.bytes_ahead) == (0, 0))


async def test_requests_sent_ahead_are_answered_one_after_the_other(build_endpoint: BuildEndpoint) -> None:
    queries = [f"{{ {'a' * (number % 90 + 1)}: __typename }}" for number in range(700)]
    limits = ConnectionLimits()
    async with serve(build_endpoint(), limits) as (_, url), connect(url) as wire, asyncio.timeout(10):
        await wire.send(b"".join(write_post(query) for query in queries))
        for query in queries:
            assert list((await wire.receive()).content["data"]) == [query[2:].split(":")[0]]
        assert (await wire.ask(TYPENAME)).status == 200
        assert limits.bytes_ahead == 0


async def test_between_two_requests_sent_ahead_others_get_their_turn() -> None:
    queue, begun = PipelineQueue(), list[int]()

    def go_on(number: int) -> None:
        begun.append(number)
        if len(begun) < 300:
            queue.add(partial(go_on, number))

    for number in range(100):
        queue.add(partial(go_on, number))
    for rounds in range(1, 300):
        await asyncio.sleep(0)
        assert len(begun) == rounds
    assert begun == [*range(100), *range(100), *range(99)]


async def test_what_all_clients_send_ahead_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "MAX_BYTES_AHEAD", 1_000_000)
    gate, limits = Gate(), ConnectionLimits()
    async with serve(gate, limits) as (_, url), AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(connect(url)) for _ in range(10)]
        for wire in wires:
            await send_quietly(wire, BARE * 20_000)
        assert limits.bytes_ahead <= 1_000_000
        gate.open.set()
        reading = (asyncio.wait_for(wire.reader.readline(), 5) for wire in wires)
        first_lines = await asyncio.gather(*reading, return_exceptions=True)
        answered = [line for line in first_lines if isinstance(line, bytes)]
        assert {line.split()[1] for line in answered} <= {b"200", b"503"}
        assert {type(line) for line in first_lines} <= {bytes, ConnectionResetError}
        assert len(answered) >= 3


async def test_connections_that_send_requests_and_read_nothing_take_no_memory_and_no_time(
    tmp_path: Path, database_url: str
) -> None:
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        async with AsyncExitStack() as stack, connect(service.url) as probe:
            seconds = []
            for _ in range(CROWD):
                wire = await stack.enter_async_context(connect(service.url))
                wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
                wire.writer.write(BARE * (AHEAD // len(BARE)))
            for _ in range(50):
                started = time.monotonic()
                assert (await probe.ask(write_get("/healthz"))).status == 200
                seconds.append(time.monotonic() - started)
                await asyncio.sleep(0.05)
            metrics = (await probe.ask(write_get("/metrics"))).body.decode()
    memory = next(float(line.split()[1]) for line in metrics.splitlines() if line.startswith("attendance_memory_bytes"))
    assert memory < MOST_MEMORY
    assert max(seconds) < MOST_SECONDS_OF_A_PROBE


async def test_a_connection_too_many_is_refused_and_told_when_to_come_back(build_endpoint: BuildEndpoint) -> None:
    limits = ConnectionLimits(max_open=3)
    async with serve(build_endpoint(), limits) as (_, url), AsyncExitStack() as stack, asyncio.timeout(10):
        wires = [await stack.enter_async_context(connect(url)) for _ in range(3)]
        await wait_until(lambda: limits.open == 3)
        for content in (b"", TYPENAME, TYPENAME * 100):
            async with connect(url) as refused:
                await refused.send(content)
                answer = await refused.receive()
                assert (answer.status, answer.headers["retry-after"]) == (503, "1")
                assert answer.headers["connection"] == "close"
                assert orjson.loads(answer.body)["errors"][0]["extensions"] == {"code": "SERVICE_UNAVAILABLE"}
                assert await refused.reader.read() == b""
        assert (limits.open, limits.refused) == (3, 3)
        for wire in wires:
            assert (await wire.ask(TYPENAME)).status == 200
        wires[0].writer.close()
        await wait_until(lambda: limits.open == 2)
        async with connect(url) as wire:
            assert (await wire.ask(TYPENAME)).status == 200
        await wait_until(lambda: limits.lingering == 0)


async def test_a_service_counts_its_connections_and_refuses_those_beyond_its_limit(
    tmp_path: Path, database_url: str
) -> None:
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        async with AsyncExitStack() as stack, connect(service.url) as probe, asyncio.timeout(20):
            assert (await probe.ask(write_get("/healthz"))).status == 200
            idle = [await stack.enter_async_context(connect(service.url)) for _ in range(limits_module.MAX_CONNECTIONS)]
            answer = await idle[-1].receive()
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            text = (await probe.ask(write_get("/metrics"))).body.decode()
    assert f"attendance_connections {limits_module.MAX_CONNECTIONS}.0" in text
    assert f"attendance_connections_limit {limits_module.MAX_CONNECTIONS}.0" in text
    assert "attendance_connections_refused_total 1.0" in text


@pytest.mark.parametrize(
    ("soft", "hard", "shares", "raised_to"),
    [
        (20_000, 20_000, (1_000, 10_000), 20_000),
        (1_024, 20_000, (1_000, 10_000), 11_200),
        (1_024, 4_096, (1_000, 2_896), 4_096),
        (1_024, 1_024, (412, 412), 1_024),
        (100, 100, (1, 1), 100),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, (1_000, 10_000), resource.RLIM_INFINITY),
        (1_024, resource.RLIM_INFINITY, (1_000, 10_000), 11_200),
    ],
)
def test_open_files_are_shared_by_requests_and_streams(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, shares: tuple[int, int], raised_to: int
) -> None:
    limits = [soft, hard]
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, values: limits.__setitem__(slice(None), values))
    assert share_files.__wrapped__(10_000) == shares
    assert limits == [raised_to, hard]
