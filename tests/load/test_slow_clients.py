"""Clients that send slowly, too much, or not at all: their connections end, and others don't notice."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.web.headers import SECURITY_HEADERS
from app.web.serving import connection_monitor
from app.web.serving.connection_monitor import ConnectionMonitor
from app.web.serving.http_connections import HEAD_TIMEOUT_SECONDS, UNREAD_TIMEOUT_SECONDS, HTTPConnection
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
SLOW_READ_BYTES = 300_000


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
        assert all(
            HEAD_TIMEOUT_SECONDS - 1 < each < HEAD_TIMEOUT_SECONDS + 5 for each in [task.result() for task in trickling]
        )


class WatchedServer:
    """The endpoint behind a real server in this process, whose connections are looked at when the test says so."""

    def __init__(self, server: uvicorn.Server, url: str) -> None:
        self.server = server
        self.url = url
        self.monitor = ConnectionMonitor()

    @property
    def connections(self) -> list[HTTPConnection]:
        return [each for each in self.server.server_state.connections if isinstance(each, HTTPConnection)]

    async def check(self, now: float) -> None:
        self.monitor.check(self.connections, now)
        await asyncio.sleep(0)


@pytest.fixture
async def server(build_endpoint: BuildEndpoint) -> AsyncIterator[WatchedServer]:
    async with run_uvicorn(build_endpoint(), http=HTTPConnection, timeout_keep_alive=60) as (server, url):
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
        await server.check(0)
        await server.check(HEAD_TIMEOUT_SECONDS - 1)
        assert not wire.reader.at_eof()
        await server.check(HEAD_TIMEOUT_SECONDS)
        answer = await wire.receive()
        assert (answer.status, answer.headers["connection"]) == (408, "close")
        assert answer.content["errors"][0]["extensions"] == {"code": "TIMEOUT"}
        assert await wire.reader.read() == b""


async def test_a_connection_that_gets_on_lives(server: WatchedServer) -> None:
    async with connect(server.url) as wire:
        for now in range(0, 60, 6):
            assert (await wire.ask(TYPENAME)).status == 200
            await server.check(now)
            await wire.send(HALF_A_HEAD)
            await asyncio.sleep(0.01)
            await server.check(now + 3)
            await wire.send(TYPENAME[len(HALF_A_HEAD) :])
            assert (await wire.receive()).status == 200


async def test_an_idle_connection_lives_as_long_as_keep_alive_says(server: WatchedServer) -> None:
    async with connect(server.url) as wire:
        assert (await wire.ask(TYPENAME)).status == 200
        for now in range(0, 100, 5):
            await server.check(now)
        assert (await wire.ask(TYPENAME)).status == 200


LARGE_ANSWER = write_post("{ __schema { types { name description fields { name description } } } }")


async def leave_unread(server: WatchedServer, wire: Wire, requests: int = 100_000) -> HTTPConnection:
    """The connection of a client that asks and asks, and reads nothing, once its answers don't fit any buffer."""
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    port = wire.writer.get_extra_info("sockname")[1]
    await wait_until(lambda: any(each.client and each.client[1] == port for each in server.connections))
    [connection] = [each for each in server.connections if each.client and each.client[1] == port]
    async with asyncio.timeout(20):
        for _ in range(requests):
            if connection.flow.write_paused:
                break
            await wire.send(LARGE_ANSWER * 10)
            await asyncio.sleep(0)
        await wait_until(lambda: connection.flow.write_paused)
    return connection


async def test_a_connection_whose_answers_nobody_reads_ends(server: WatchedServer) -> None:
    async with connect(server.url) as wire:
        await leave_unread(server, wire)
        await server.check(0)
        await server.check(UNREAD_TIMEOUT_SECONDS - 1)
        assert server.connections
        await server.check(UNREAD_TIMEOUT_SECONDS)
        await wait_until(lambda: not server.connections)


class SlowReader:
    """A client with a small buffer that has asked for much, and reads as much of it as the test says."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        self.socket.connect((parts.hostname, parts.port))
        self.socket.sendall(LARGE_ANSWER * 2_000)
        self.socket.settimeout(0)

    async def read(self, size: int) -> None:
        while size > 0:
            size -= len(await asyncio.get_running_loop().sock_recv(self.socket, min(size, 8_192)))
        await asyncio.sleep(0.1)

    def close(self) -> None:
        self.socket.close()


async def settle(server: WatchedServer) -> None:
    """Wait until all buffers are full again, and stay so."""
    full = 0
    async with asyncio.timeout(60):
        while full < 3:
            await asyncio.sleep(0.2)
            full = full + 1 if all(each.flow.write_paused for each in server.connections) else 0


@pytest.fixture
async def slow_reader(server: WatchedServer) -> AsyncIterator[SlowReader]:
    """A client whose answers have filled all buffers."""
    reader = SlowReader(server.url)
    await wait_until(lambda: any(each.flow.write_paused for each in server.connections), within=20)
    await settle(server)
    yield reader
    reader.close()


async def test_a_client_that_reads_slowly_is_waited_for_and_one_that_stops_is_not(
    server: WatchedServer, slow_reader: SlowReader
) -> None:
    pause = UNREAD_TIMEOUT_SECONDS - 1
    for number in range(6):
        await server.check(number * pause)
        await slow_reader.read(SLOW_READ_BYTES)
    await settle(server)
    await server.check(6 * pause)
    assert server.connections
    await server.check(6 * pause + UNREAD_TIMEOUT_SECONDS)
    await wait_until(lambda: not server.connections)


async def test_a_client_that_reads_next_to_nothing_is_not_waited_for(
    server: WatchedServer, slow_reader: SlowReader
) -> None:
    for second in range(0, int(UNREAD_TIMEOUT_SECONDS), 3):
        await server.check(second)
        await slow_reader.read(10)
    await server.check(UNREAD_TIMEOUT_SECONDS)
    await wait_until(lambda: not server.connections)


async def test_what_all_clients_leave_unread_is_bounded(server: WatchedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    async with connect(server.url) as first, connect(server.url) as second, connect(server.url) as reading:
        oldest = await leave_unread(server, first)
        await server.check(0)
        newer = await leave_unread(server, second)
        await server.check(1)
        assert {oldest, newer} <= set(server.connections)
        bound = newer.count_unread_bytes()
        monkeypatch.setattr(connection_monitor, "MAX_UNREAD_BYTES", bound)
        await server.check(2)
        await wait_until(lambda: oldest not in server.connections)
        assert newer in server.connections
        assert (await reading.ask(TYPENAME)).status == 200


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


LARGE = b"y" * 100_000
NEARLY = b"y" * 60_000
HEAD_START = HEAD.encode() + b"content-length: 27\r\n"
UPGRADE = (
    b"GET /graphql HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: graphql-transport-ws\r\n"
)
REST = b'\r\n{"query": "{ __typename }"}'
WHOLE_AT_ONCE: dict[str, list[bytes]] = {
    "one header": [HEAD_START + b"x: " + LARGE + b"\r\n" + REST],
    "a header's name": [HEAD_START + LARGE + b": x\r\n" + REST],
    "white space": [HEAD_START + b"x:" + b" " * 100_000 + b"y\r\n" + REST],
    "white space in halves": [HEAD_START + b"x:" + b" " * 60_000, b" " * 60_000 + b"y\r\n" + REST],
    "many headers": [HEAD_START + b"".join(b"x%d: y\r\n" % number for number in range(300)) + REST],
    "an upgrade": [UPGRADE + b"x: " + LARGE + b"\r\n\r\n"],
    "an upgrade in halves": [UPGRADE + b"x: " + NEARLY, NEARLY + b"\r\n\r\n"],
    "an upgrade of many headers": [UPGRADE + b"".join(b"x%d: y\r\n" % number for number in range(300)) + b"\r\n"],
    "an address": [b"GET /graphql?query={__typename}&x=" + LARGE + b" HTTP/1.1\r\nhost: x\r\n\r\n"],
    "two halves": [HEAD_START + b"x: " + NEARLY, NEARLY + b"\r\n" + REST],
    "after a request": [TYPENAME + HEAD_START + b"x: " + LARGE + b"\r\n" + REST],
    "half of it after a body": [HALF_A_BODY, b"x" * 989 + HEAD_START + b"x: " + NEARLY, NEARLY + b"\r\n" + REST],
    "after a body": [HALF_A_BODY, b"x" * 989 + HEAD_START + b"x: " + LARGE + b"\r\n" + REST],
}


@pytest.mark.parametrize("case", WHOLE_AT_ONCE)
async def test_a_head_that_is_too_large_is_refused_when_it_arrives_at_once(server: WatchedServer, case: str) -> None:
    async with connect(server.url) as wire, asyncio.timeout(5):
        for part in WHOLE_AT_ONCE[case]:
            await send_quietly(wire, part)
            await asyncio.sleep(0.01)
        answer = await wire.receive()
        if "after" in case:
            assert answer.status in (200, 400)
            answer = await wire.receive()
        assert (answer.status, answer.headers["connection"]) == (431, "close")
        assert await wire.reader.read() == b""


async def test_a_request_whose_head_is_too_large_is_not_run(build_endpoint: BuildEndpoint) -> None:
    run: list[object] = []
    endpoint = build_endpoint()

    async def remember(scope: Scope, receive: Receive, send: Send) -> None:
        run.append(scope["path"])
        await endpoint(scope, receive, send)

    async with run_uvicorn(remember, http=HTTPConnection) as (_, url), connect(url) as wire, asyncio.timeout(5):
        assert (await wire.ask(TYPENAME)).status == 200
        assert (await wire.ask(WHOLE_AT_ONCE["many headers"][0])).status == 431
    assert run == ["/graphql"]


FITTING: dict[str, bytes] = {
    "a large header": HEAD_START + b"x: " + NEARLY + b"\r\n" + REST,
    "a large body": write_post("{ __typename }", x="y" * 150_000),
    "many requests": TYPENAME * 500,
}


@pytest.mark.parametrize("case", FITTING)
async def test_what_is_not_a_large_head_passes_at_once(server: WatchedServer, case: str) -> None:
    async with connect(server.url) as wire, asyncio.timeout(5):
        await wire.send(FITTING[case])
        for _ in range(FITTING[case].count(b"HTTP/1.1")):
            assert (await wire.receive()).status == 200


async def test_a_head_may_begin_with_the_end_of_a_large_body(server: WatchedServer) -> None:
    request = write_post("{ __typename }", x="y" * 200_000)
    async with connect(server.url) as wire, asyncio.timeout(5):
        await wire.send(request[:1000])
        await asyncio.sleep(0.01)
        await wire.send(request[1000:] + TYPENAME[:60])
        assert (await wire.receive()).status == 200
        await wire.send(TYPENAME[60:])
        assert (await wire.receive()).status == 200


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
