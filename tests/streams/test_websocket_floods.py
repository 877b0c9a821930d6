"""Clients of WebSockets that send very much, or do not finish: they take neither memory nor time from others."""

import asyncio
import time
from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
from websockets.frames import Frame, Opcode

from app.web.load import connections as limits_module
from app.web.load.connections import ConnectionLimits
from app.web.serving.connection_monitor import ConnectionMonitor
from app.web.serving.http_connections import HEAD_TIMEOUT_SECONDS
from app.web.serving.websocket_frames import FrameBuffer, measure_frame
from tests.operations.test_memory import read_memory
from tests.streams.conftest import LiveService
from tests.support.commands import start_service
from tests.support.following import CHANGES, open_socket
from tests.support.service import SECRET
from tests.support.waiting import wait_until
from tests.support.wire import Wire, connect, write_get

HANDSHAKE = (
    b"GET /graphql HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: Upgrade\r\n"
    b"sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-version: 13\r\n"
    b"sec-websocket-protocol: graphql-transport-ws\r\n\r\n"
)
CROWD = 100
MOST_MEGABYTES = 170.0
MOST_SECONDS_OF_A_PROBE = 2.0
MOST_PAYLOAD = 262_144


def write_frame(payload: bytes, opcode: Opcode = Opcode.TEXT, *, fin: bool = True) -> bytes:
    return Frame(opcode, payload, fin).serialize(mask=True)


PING, PART = write_frame(b'{"type":"ping"}'), write_frame(b"ab", Opcode.CONT, fin=False)
BEGINNING = write_frame(b"ab", fin=False)
FLOODS = {
    "messages": PING * 12_000,
    "messages behind the handshake": HANDSHAKE + PING * 12_000,
    "pings of the protocol": write_frame(b"", Opcode.PING) * 40_000,
    "a message of many parts": BEGINNING + PART * 100_000,
    "a message without an end": write_frame(b"x" * MOST_PAYLOAD)[:-1],
}


async def send_unread(wire: Wire, flood: bytes) -> None:
    """Send a flood after the handshake, or with it, and read nothing from then on."""
    if not flood.startswith(HANDSHAKE):
        wire.writer.write(HANDSHAKE)
        await wire.reader.readuntil(b"\r\n\r\n")
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    wire.writer.write(flood)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the memory of a process is read from /proc")
async def test_floods_over_websockets_take_no_memory_and_no_time(tmp_path: Path, database_url: str) -> None:
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        for case, flood in FLOODS.items():
            memory, seconds = [], []
            async with AsyncExitStack() as stack, connect(service.url) as probe:
                for _ in range(CROWD):
                    await send_unread(await stack.enter_async_context(connect(service.url)), flood)
                for _ in range(20):
                    started = time.monotonic()
                    assert (await probe.ask(write_get("/healthz"))).status == 200
                    seconds.append(time.monotonic() - started)
                    memory.append(read_memory(service.process.pid))
                    await asyncio.sleep(0.05)
            assert max(memory) < MOST_MEGABYTES, case
            assert max(seconds) < MOST_SECONDS_OF_A_PROBE, case


async def test_messages_sent_ahead_are_handled_in_their_order(live: LiveService) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        await asyncio.gather(*(socket.send("ping", payload={"number": number}) for number in range(500)))
        numbers = [(await socket.receive())["payload"]["number"] for _ in range(500)]
        assert numbers == sorted(numbers)
        assert live.limits.bytes_of_messages == 0


async def test_all_messages_on_their_way_have_a_bound(live: LiveService, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits_module, "MAX_BYTES_OF_MESSAGES", 100_000)
    unfinished = write_frame(b"x" * 90_000)[:-1]
    async with connect(live.url) as first, connect(live.url) as second, connect(live.url) as third:
        first.writer.write(HANDSHAKE + unfinished)
        await wait_until(lambda: live.limits.bytes_of_messages == len(unfinished))
        second.writer.write(HANDSHAKE + unfinished)
        await wait_until(lambda: live.limits.open == 2)
        third.writer.write(HANDSHAKE + BEGINNING + PART * 500)
        await wait_until(lambda: live.limits.open == 1)
        assert live.limits.bytes_of_messages == len(unfinished)
    await wait_until(lambda: live.limits.bytes_of_messages == 0)


@pytest.mark.parametrize("content", [write_frame(b"x" * 1000)[:-1], BEGINNING + PART, BEGINNING + PING[:1]])
async def test_a_message_has_to_be_finished_in_time_even_beside_a_stream(live: LiveService, content: bytes) -> None:
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        await socket.subscribe("1", CHANGES)
        assert (await socket.receive())["type"] == "next"
        monitor = ConnectionMonitor()
        assert not live.limits.watched
        socket.connection.transport.write(content)
        await wait_until(lambda: len(live.limits.watched) == 1)
        monitor.check(tuple(live.limits.watched), 100.0)
        monitor.check(tuple(live.limits.watched), 100.0 + HEAD_TIMEOUT_SECONDS - 1)
        assert live.limits.streaming == 1
        monitor.check(tuple(live.limits.watched), 100.0 + HEAD_TIMEOUT_SECONDS)
        await wait_until(lambda: live.limits.streaming == 0)
    assert live.limits.bytes_of_messages == 0


async def test_a_finished_message_is_expected_no_more(live: LiveService) -> None:
    message = write_frame(b'{"type":"ping"}')
    async with open_socket(live.url) as socket:
        await socket.initialise(live.token)
        await socket.subscribe("1", CHANGES)
        assert (await socket.receive())["type"] == "next"
        socket.connection.transport.write(message[:5])
        await wait_until(lambda: len(live.limits.watched) == 1)
        socket.connection.transport.write(message[5:])
        assert (await socket.receive())["type"] == "pong"
        assert not live.limits.watched


@pytest.mark.parametrize("seed", range(20))
def test_frames_are_found_however_they_arrive(seed: int) -> None:
    random = Random(seed)
    sizes = [random.choice([0, 1, 125, 126, 127, 65_535, 65_536, 70_000]) for _ in range(8)]
    frames = [write_frame(random.randbytes(size), Opcode.BINARY) for size in sizes]
    content, limits = b"".join(frames), ConnectionLimits()
    buffer, found = FrameBuffer(limits, MOST_PAYLOAD), []
    cuts = sorted(random.sample(range(len(content)), 30))
    for begin, end in pairwise([0, *cuts, len(content)]):
        assert buffer.add(content[begin:end])
        while (frame := buffer.take_frame()) is not None:
            found.append(frame)
    assert found == frames
    assert (buffer.is_empty, limits.bytes_of_messages) == (True, 0)


def test_a_frame_that_is_too_large_is_not_waited_for() -> None:
    head = write_frame(b"x" * (MOST_PAYLOAD + 1))[:20]
    assert measure_frame(head, MOST_PAYLOAD) == 20
    assert measure_frame(write_frame(b"x" * MOST_PAYLOAD)[:20], MOST_PAYLOAD) is None


def test_parts_count_until_their_message_is_finished() -> None:
    limits = ConnectionLimits()
    buffer = FrameBuffer(limits, MOST_PAYLOAD)
    for frame in (BEGINNING, write_frame(b"", Opcode.PING), PART):
        assert buffer.count(frame)
    assert buffer.is_inside_message
    assert limits.bytes_of_messages > len(BEGINNING) + len(PART)
    assert buffer.count(write_frame(b"", Opcode.CONT))
    assert (buffer.is_inside_message, limits.bytes_of_messages) == (False, 0)
    assert buffer.count(BEGINNING)
    buffer.clear()
    assert limits.bytes_of_messages == 0
