"""The upgrade of a connection to a WebSocket, byte by byte."""

import asyncio
import logging
from collections.abc import Mapping
from urllib.parse import urlsplit
from uuid import uuid4

import orjson
import pytest

from tests.streams.conftest import LiveService
from tests.support.following import SUBPROTOCOL, open_socket
from tests.support.service import READ_SCOPE, make_token
from tests.support.wire import connect

HEAD = (
    "GET /graphql HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    "sec-websocket-version: 13\r\nsec-websocket-key: eHh4eHh4eHh4eHh4eHh4eA==\r\n"
    f"sec-websocket-protocol: {SUBPROTOCOL}\r\n\r\n"
).encode()


async def test_a_connection_may_come_in_pieces_with_what_follows_it(live: LiveService) -> None:
    """A client need not wait for the answer to its upgrade request."""
    parts = urlsplit(live.url)
    ping = orjson.dumps({"type": "ping"})
    frame = bytes([0x81, 0x80 | len(ping), 0, 0, 0, 0]) + ping
    for pieces in ([HEAD + frame], [HEAD[:50], HEAD[50:] + frame[:3], frame[3:]], [TYPENAME_BY_GET + HEAD + frame]):
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(5):
            received = await reader.readuntil(b'{"type":"pong"}')
        assert b"101 Switching Protocols" in received
        writer.close()


TYPENAME_BY_GET = b"GET /graphql?query={__typename} HTTP/1.1\r\nhost: test\r\n\r\n"
BROKEN_HANDSHAKES: Mapping[str, bytes] = {
    "without a key": b"sec-websocket-version: 13\r\n",
    "with a key that is none": b"sec-websocket-version: 13\r\nsec-websocket-key: x\r\n",
    "of another version": b"sec-websocket-version: 8\r\nsec-websocket-key: eHh4eHh4eHh4eHh4eHh4eA==\r\n",
    "with a long header": b"sec-websocket-key: " + b"x" * 10_000 + b"\r\n",
}


@pytest.mark.parametrize("case", BROKEN_HANDSHAKES)
async def test_a_broken_handshake_is_refused(live: LiveService, case: str) -> None:
    parts = urlsplit(live.url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    head = b"GET /graphql HTTP/1.1\r\nhost: test\r\nconnection: Upgrade\r\nupgrade: websocket\r\n"
    writer.write(head + BROKEN_HANDSHAKES[case] + b"\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read()
    assert answer.split()[1] in (b"400", b"426")
    writer.close()


async def test_a_handshake_may_have_many_headers_and_a_long_token(live: LiveService) -> None:
    headers = {f"x-{number}": "x" for number in range(150)} | {"cookie": "x" * 20_000}
    token = make_token(uuid4(), READ_SCOPE, filler="x" * 5_000)
    async with open_socket(live.url, additional_headers={**headers, "authorization": f"Bearer {token}"}) as socket:
        await socket.send("connection_init")
        assert await socket.receive() == {"type": "connection_ack"}


MASK = bytes(4)
EARLY_FRAMES: Mapping[str, tuple[bytes, bytes]] = {
    "a ping": (b"\x89\x81" + MASK + b"x", b"\x8a\x01x"),
    "a close": (b"\x88\x82" + MASK + b"\x03\xe8", b"\x88\x02\x03\xe8"),
    "one without a mask": (b"\x81\x02{}", b"\x88\x13\x03\xeaincorrect masking"),
    "one with a reserved bit": (b"\xc1\x82" + MASK + b"{}", b"\x88\x19\x03\xeareserved bits must be 0"),
    "one that goes on": (b"\x80\x82" + MASK + b"{}", b"\x88\x1f\x03\xeaunexpected continuation frame"),
    "one that is too large": (b"\x81\xff" + (1 << 40).to_bytes(8) + MASK, b"\x88"),
}


@pytest.mark.parametrize("case", EARLY_FRAMES)
async def test_what_comes_with_the_upgrade_request_is_answered_behind_its_answer(
    live: LiveService, case: str, caplog: pytest.LogCaptureFixture
) -> None:
    frame, answer = EARLY_FRAMES[case]
    async with connect(live.url) as wire:
        await wire.send(HEAD + frame)
        async with asyncio.timeout(5):
            head = await wire.reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 101 ")
            assert await wire.reader.readexactly(len(answer)) == answer
    await live.wait_until_free()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_a_refused_upgrade_is_no_fault_of_the_service(
    live: LiveService, caplog: pytest.LogCaptureFixture
) -> None:
    async with connect(live.url) as wire:
        answer = await wire.ask(HEAD.replace(b"host: test", b"host: test\r\norigin: https://elsewhere.example"))
    assert answer.status == 403
    await live.wait_until_free()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
