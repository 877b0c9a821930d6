"""Clients of streams that read slowly, or not at all: they cost little, and end with the latest state."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import orjson
import pytest

from app.web.serving import connection_monitor
from app.web.serving.connection_monitor import ConnectionMonitor
from app.web.serving.http_connections import UNREAD_TIMEOUT_SECONDS
from tests.streams.conftest import LiveService
from tests.support.following import CHANGES, MULTIPART_TYPE, SSE_TYPE, SUBPROTOCOL, parse_events, parse_parts
from tests.support.mutations import make_input, set_many
from tests.support.service import READ_SCOPE, GraphQLClient, make_token
from tests.support.waiting import wait_until

RECORDS = 100
ROUNDS = 60
MOST_BUFFERED = 200_000
FOR_EVER = 10_000.0


def write_post(token: str, accept: str) -> bytes:
    body = orjson.dumps({"query": CHANGES})
    head = (
        f"POST /graphql HTTP/1.1\r\nhost: test\r\naccept: {accept}\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def write_frame(content: Any) -> bytes:
    data = orjson.dumps(content)
    assert 126 <= len(data) < 65_536
    return bytes([0x81, 0x80 | 126]) + len(data).to_bytes(2, "big") + bytes(4) + data


def write_upgrade(token: str) -> bytes:
    head = (
        "GET /graphql HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
        "sec-websocket-version: 13\r\nsec-websocket-key: eHh4eHh4eHh4eHh4eHh4eA==\r\n"
        f"sec-websocket-protocol: {SUBPROTOCOL}\r\n\r\n"
    ).encode()
    begin = write_frame({"type": "connection_init", "payload": {"Authorization": f"Bearer {token}"}})
    return head + begin + write_frame({"type": "subscribe", "id": "1", "payload": {"query": CHANGES}})


async def parse_chunks(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The content of a chunked body, after the head of its response."""
    content = b""
    is_in_body = False
    async for received in chunks:
        content += received
        if not is_in_body:
            if b"\r\n\r\n" not in content:
                continue
            content = content.split(b"\r\n\r\n", 1)[1]
            is_in_body = True
        while b"\r\n" in content:
            size, rest = content.split(b"\r\n", 1)
            length = int(size, 16)
            if len(rest) < length + 2:
                break
            yield rest[:length]
            content = rest[length + 2 :]


async def parse_sse(chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for event in parse_events(parse_chunks(chunks)):
        yield event


async def parse_multipart(chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    async for event in parse_parts(parse_chunks(chunks)):
        yield event


async def parse_frames(chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """The payloads of `next` messages, from unmasked frames after the head."""
    content = b""
    is_open = False
    async for received in chunks:
        content += received
        if not is_open:
            if b"\r\n\r\n" not in content:
                continue
            content = content.split(b"\r\n\r\n", 1)[1]
            is_open = True
        while len(content) >= 2:
            short = content[1]
            head, length = 2, short
            if short == 126:
                head, length = 4, int.from_bytes(content[2:4], "big")
            elif short == 127:
                head, length = 10, int.from_bytes(content[2:10], "big")
            if len(content) < head + length:
                break
            if content[0] == 0x81:
                message = orjson.loads(content[head : head + length])
                if message["type"] == "next":
                    yield message["payload"]
            content = content[head + length :]


Parse = Callable[[AsyncIterator[bytes]], AsyncIterator[Any]]
WAYS: dict[str, tuple[Callable[[str], bytes], Parse]] = {
    "sse": (lambda token: write_post(token, SSE_TYPE), parse_sse),
    "multipart": (lambda token: write_post(token, MULTIPART_TYPE), parse_multipart),
    "websocket": (write_upgrade, parse_frames),
}


class Reader:
    """A client with a small buffer, which reads when the test says so."""

    def __init__(self, url: str, request: bytes) -> None:
        parts = urlsplit(url)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_192)
        self.socket.connect((parts.hostname, parts.port))
        self.socket.settimeout(0)
        self.socket.send(request)

    async def read_chunks(self) -> AsyncIterator[bytes]:
        while chunk := await asyncio.get_running_loop().sock_recv(self.socket, 65_536):
            yield chunk


@asynccontextmanager
async def open_reader(live: LiveService, way: str, token: str | None = None) -> AsyncIterator[tuple[Reader, Parse]]:
    """A client that has asked for a stream, and reads nothing of it."""
    write_request, parse = WAYS[way]
    reader = Reader(live.url, write_request(token or live.token))
    try:
        await wait_until(lambda: live.limits.streaming == 1)
        yield reader, parse
    finally:
        reader.socket.close()


async def write_much(live: LiveService, inputs: list[dict[str, Any]], rounds: int = ROUNDS) -> None:
    """Change all of some records again and again: the number of attendees is that of the round."""
    async with httpx2.AsyncClient(base_url=live.url, timeout=30) as http:
        client = GraphQLClient(http, live.token)
        for number in range(1, rounds + 1):
            await set_many(client, [{**each, "numberOfAttendees": number} for each in inputs])


def count_buffered(live: LiveService) -> int:
    return sum(each.transport.get_write_buffer_size() for each in live.limits.watched)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


async def test_a_reader_that_stops_is_not_cut_off_and_ends_with_the_latest_state(live: LiveService, way: str) -> None:
    inputs = [make_input() for _ in range(RECORDS)]
    monitor = ConnectionMonitor()
    async with open_reader(live, way) as (reader, parse):
        await write_much(live, inputs)
        assert count_buffered(live) < MOST_BUFFERED
        for now in (0.0, FOR_EVER):
            monitor.check(live.limits.watched, now)
        state: dict[str, int] = {}
        changes = 0
        async with asyncio.timeout(30):
            async for event in parse(reader.read_chunks()):
                if event == {}:
                    continue
                for change in event["data"]["attendanceChanges"]["changes"]:
                    state[change["attendanceId"]] = change["attendance"]["numberOfAttendees"]
                    changes += 1
                if len(state) == RECORDS and set(state.values()) == {ROUNDS}:
                    break
        assert changes < RECORDS * ROUNDS / 2
    await live.wait_until_free()


async def test_what_readers_leave_unread_is_bounded(
    live: LiveService, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_monitor, "MAX_UNREAD_BYTES", 0)
    async with open_reader(live, way):
        await write_much(live, [make_input() for _ in range(RECORDS)])
        await wait_until(lambda: count_buffered(live) > 0)
        ConnectionMonitor().check(live.limits.watched, 0.0)
        await live.wait_until_free()


async def test_a_stream_that_has_ended_must_be_read_to_its_end(live: LiveService, way: str, site_id: UUID) -> None:
    token = make_token(site_id, READ_SCOPE, exp=int(time.time()) + 4)
    monitor = ConnectionMonitor()
    async with open_reader(live, way, token):
        await write_much(live, [make_input() for _ in range(RECORDS)], rounds=20)
        await wait_until(lambda: count_buffered(live) > 0)
        monitor.check(live.limits.watched, 0.0)
        await wait_until(lambda: live.streams.count == 0, within=10)
        for member in live.application.endpoint.heartbeats:
            member.beat()
        for now in (1.0, 2.0 + UNREAD_TIMEOUT_SECONDS):
            monitor.check(live.limits.watched, now)
        await live.wait_until_free()
