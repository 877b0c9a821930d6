"""Clients that send slowly, too much, or not at all: their connections end, and others don't notice."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path

import pytest
import uvicorn

from app.web.connections import HEAD_SECONDS, UNREAD_SECONDS, Connection, ConnectionWatch
from app.web.headers import SECURITY_HEADERS
from tests.load.conftest import BuildEndpoint
from tests.support.commands import start_service
from tests.support.service import SECRET
from tests.support.serving import run_uvicorn
from tests.support.waiting import wait_until
from tests.support.wire import HEAD, Wire, connect, write_post

TYPENAME = write_post("{ __typename }")
HALF_A_HEAD = HEAD[:60].encode()
HALF_A_BODY = HEAD.encode() + b'content-length: 1000\r\n\r\n{"query": "'
SLOW = [b"", HALF_A_HEAD, HALF_A_BODY, TYPENAME + HALF_A_HEAD]
SECONDS_A_BYTE = 1.0


async def trickle(url: str, start: bytes) -> float:
    """Send a start and then one byte after the other; the seconds until the server has had enough."""
    started = time.monotonic()
    async with connect(url) as wire:
        await wire.send(start)
        closed = asyncio.create_task(wire.reader.read())
        while not closed.done():
            await asyncio.wait([closed], timeout=SECONDS_A_BYTE)
            if start:
                await send_quietly(wire, b"x")
        await asyncio.gather(closed, return_exceptions=True)
    return time.monotonic() - started


async def send_quietly(wire: Wire, content: bytes) -> None:
    with suppress(ConnectionError):
        await wire.send(content)


async def test_two_hundred_trickling_clients_end_and_hurt_nobody(tmp_path: Path, database_url: str) -> None:
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        trickling = [asyncio.create_task(trickle(service.url, SLOW[number % 4])) for number in range(200)]
        seconds = []
        while not all(task.done() for task in trickling):
            started = time.monotonic()
            async with connect(service.url) as wire:
                assert (await wire.ask(TYPENAME)).status == 200
            seconds.append(time.monotonic() - started)
            await asyncio.sleep(0.1)
        assert sorted(seconds)[len(seconds) // 2] < 0.1
        assert all(HEAD_SECONDS - 1 < each < HEAD_SECONDS + 5 for each in [task.result() for task in trickling])


class WatchedServer:
    """The endpoint behind a real server in this process, whose connections are looked at when the test says so."""

    def __init__(self, server: uvicorn.Server, url: str) -> None:
        self.server = server
        self.url = url
        self.watch = ConnectionWatch()

    @property
    def connections(self) -> list[Connection]:
        return [each for each in self.server.server_state.connections if isinstance(each, Connection)]

    async def look(self, now: float) -> None:
        self.watch.look(self.connections, now)
        await asyncio.sleep(0)


@pytest.fixture
async def server(build_endpoint: BuildEndpoint) -> AsyncIterator[WatchedServer]:
    async with run_uvicorn(build_endpoint(), http=Connection, timeout_keep_alive=60) as (server, url):
        yield WatchedServer(server, url)


STUCK: dict[str, list[bytes]] = {
    "silence": [b""],
    "line breaks alone": [b"\r\n\r\n"],
    "half a head": [HALF_A_HEAD],
    "half a head after a request": [TYPENAME + HALF_A_HEAD, b""],
    "line breaks after a request": [TYPENAME, b"\r\n"],
    "half a body that was refused already": [HALF_A_BODY.replace(b"/json", b"/xml"), b"more"],
}


@pytest.mark.parametrize("case", STUCK)
async def test_a_connection_ends_that_is_stuck_at(server: WatchedServer, case: str) -> None:
    async with connect(server.url) as wire, asyncio.timeout(5):
        first, *more = STUCK[case]
        await wire.send(first)
        for part in more:
            await wire.receive()
            await wire.send(part)
        await asyncio.sleep(0.05)
        await server.look(0)
        await server.look(HEAD_SECONDS - 1)
        assert not wire.reader.at_eof()
        await server.look(HEAD_SECONDS)
        answer = await wire.receive()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert answer.content["errors"][0]["extensions"] == {"code": "TIMEOUT"}
        assert await wire.reader.read() == b""


async def test_a_connection_that_gets_on_lives(server: WatchedServer) -> None:
    async with connect(server.url) as wire:
        for now in range(0, 60, 6):
            assert (await wire.ask(TYPENAME)).status == 200
            await server.look(now)
            await wire.send(HALF_A_HEAD)
            await asyncio.sleep(0.01)
            await server.look(now + 3)
            await wire.send(TYPENAME[len(HALF_A_HEAD) :])
            assert (await wire.receive()).status == 200


async def test_an_idle_connection_lives_as_long_as_keep_alive_says(server: WatchedServer) -> None:
    async with connect(server.url) as wire:
        assert (await wire.ask(TYPENAME)).status == 200
        for now in range(0, 100, 5):
            await server.look(now)
        assert (await wire.ask(TYPENAME)).status == 200


async def test_a_connection_whose_answers_nobody_reads_ends(server: WatchedServer) -> None:
    broken = write_post("{ " + "x" * 2000 + " }")
    async with connect(server.url) as wire:
        wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await wait_until(lambda: bool(server.connections))
        [connection] = server.connections
        for _ in range(10_000):
            if connection.flow.write_paused:
                break
            wire.writer.write(broken * 10)
            await asyncio.sleep(0)
        assert connection.flow.write_paused
        await server.look(0)
        await server.look(UNREAD_SECONDS - 1)
        assert server.connections
        await server.look(UNREAD_SECONDS)
        await wait_until(lambda: not server.connections)


TOO_LARGE: dict[str, Callable[[], list[bytes]]] = {
    "one header": lambda: [HALF_A_HEAD + b"\r\nx: ", *[b"y" * 1000] * 65, b"y" * 1000],
    "many headers": lambda: [HEAD.encode(), *[b"x: y\r\n" * 100] * 3],
    "an address": lambda: [b"GET /graphql?query=", *[b"y" * 1000] * 65, b"y" * 1000],
    "what follows a body": lambda: [
        HEAD.encode() + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n0\r\n",
        *[b"x: y\r\n" * 100] * 3,
    ],
}


@pytest.mark.parametrize("case", TOO_LARGE)
async def test_a_head_that_is_too_large_is_refused(server: WatchedServer, case: str) -> None:
    async with connect(server.url) as wire, asyncio.timeout(5):
        for part in TOO_LARGE[case]():
            await send_quietly(wire, part)
            await asyncio.sleep(0.002)
        answer = await wire.receive()
        assert (answer.status, answer.headers["connection"]) == (431, "close")
        assert answer.content["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}


OFFERS = [
    b"connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQ\r\n",
    b"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: eHh4eA==\r\n",
]


@pytest.mark.parametrize("offer", OFFERS)
@pytest.mark.parametrize("parts", [1, 2, 3])
async def test_a_client_that_offers_another_protocol_is_answered_in_this_one(
    server: WatchedServer, offer: bytes, parts: int
) -> None:
    request = TYPENAME.replace(b"content-length", offer + b"content-length")
    size = len(request) // parts + 1
    async with connect(server.url) as wire, asyncio.timeout(5):
        for _ in range(2):
            for start in range(0, len(request), size):
                await wire.send(request[start : start + size])
                await asyncio.sleep(0.01)
            assert (await wire.receive()).content == {"data": {"__typename": "Query"}}


@pytest.mark.parametrize(
    "content", [b"GRAPHQL\r\n\r\n", b"CONNECT here:443 HTTP/1.1\r\nhost: here\r\n\r\n", b"\xff" * 50]
)
async def test_what_is_not_http_is_refused(server: WatchedServer, content: bytes) -> None:
    async with connect(server.url) as wire, asyncio.timeout(5):
        answer = await wire.ask(content)
        assert (answer.status, answer.headers["connection"]) == (400, "close")
        assert answer.content["errors"][0]["extensions"] == {"code": "BAD_USER_INPUT"}
        assert {
            name.decode(): value.decode().lower() for name, value in SECURITY_HEADERS
        }.items() <= answer.headers.items()
