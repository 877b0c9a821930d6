"""Requests whose framing lies: trailers that claim a token, and what follows a mutation on the same connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from uuid import UUID

import orjson
import pytest

from app.web.serving.http_connections import HTTPConnection
from tests.load.conftest import BuildEndpoint, Lock, build_endpoint, lock, wait_for_waiting
from tests.support.mutations import SET, make_input
from tests.support.service import READ_SCOPE, WRITE_SCOPE, RecordingDatabase, make_token
from tests.support.serving import run_uvicorn
from tests.support.wire import HEAD, Wire, connect, write_get, write_post

__all__ = ["build_endpoint", "lock"]

COUNT = "{ attendances { totalCount } }"
Send = Callable[[Wire], "asyncio.Future[None]"]


@pytest.fixture
async def url(build_endpoint: BuildEndpoint) -> AsyncIterator[str]:
    async with run_uvicorn(build_endpoint(), http=HTTPConnection, timeout_keep_alive=60) as (_, url):
        yield url


@pytest.fixture
def token(site_id: UUID) -> str:
    return make_token(site_id, READ_SCOPE, WRITE_SCOPE)


def write_chunked(query: str, *trailers: str, headers: str = "") -> bytes:
    body = orjson.dumps({"query": query})
    head = f"{HEAD}{headers}transfer-encoding: chunked\r\n\r\n{len(body):x}\r\n".encode()
    return head + body + "".join(f"{line}\r\n" for line in ("", "0", *trailers, "")).encode()


@pytest.mark.parametrize("name", ["Authorization", "authorization", "AUTHORIZATION"])
@pytest.mark.parametrize("parts", [1, 2, 7])
async def test_a_token_in_a_trailer_is_no_token(url: str, token: str, name: str, parts: int) -> None:
    request = write_chunked(COUNT, f"{name}: Bearer {token}", headers="trailer: authorization\r\n")
    size = len(request) // parts + 1
    async with connect(url) as wire, asyncio.timeout(5):
        for start in range(0, len(request), size):
            await wire.send(request[start : start + size])
            await asyncio.sleep(0.01)
        assert (await wire.receive()).status == 401


async def test_a_trailer_does_not_change_what_the_head_says(url: str, token: str) -> None:
    request = write_chunked(
        COUNT,
        "authorization: Bearer nonsense",
        "x-request-id: from-the-trailer",
        "content-type: text/plain",
        headers=f"authorization: Bearer {token}\r\nx-request-id: from-the-head\r\n",
    )
    async with connect(url) as wire, asyncio.timeout(5):
        for _ in range(2):
            answer = await wire.ask(request)
            assert (answer.status, answer.headers["x-request-id"]) == (200, "from-the-head")
        assert (await wire.ask(write_post(COUNT))).status == 401


@pytest.mark.parametrize("endless", [b"x: " + b"y" * 1000, b"y" * 1000, b"x: y\r\n" * 100])
async def test_endless_trailers_are_refused(url: str, endless: bytes) -> None:
    async with connect(url) as wire, asyncio.timeout(5):
        await wire.send(write_chunked("{ __typename }")[:-2] + b"z: ")
        closed = asyncio.create_task(wire.receive())
        for _ in range(100):
            if closed.done():
                break
            wire.writer.write(endless)
            await asyncio.sleep(0.002)
        assert (await closed).status == 431


GARBAGE = {
    "bytes": b"\xff\x00\xff\r\n\r\n",
    "half a head, then bytes": b"POST /graphql HTTP/1.1\r\nhost\x00",
    "a head without end": b"POST /graphql HTTP/1.1\r\nx: " + b"y" * 70_000,
    "a tunnel": b"CONNECT here:443 HTTP/1.1\r\nhost: here\r\n\r\n",
    "a bad chunk": HEAD.encode() + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": HEAD.encode() + b"content-length: 1\r\ncontent-length: 2\r\n\r\n{}",
    "a request, then bytes": write_get("/healthz") + b"\xff\x00",
}


@pytest.mark.parametrize("pause", [0, 0.05])
@pytest.mark.parametrize("case", GARBAGE)
async def test_garbage_after_a_mutation_gets_no_answer_that_could_be_the_mutations(
    url: str, lock: Lock, token: str, database: RecordingDatabase, site_id: UUID, case: str, pause: float
) -> None:
    request = write_post(SET, token, input=make_input())
    async with connect(url) as wire, asyncio.timeout(8):
        async with lock() as watcher:
            if pause:
                await wire.send(request)
                await wait_for_waiting(watcher, 1)
                await wire.send(GARBAGE[case])
                await asyncio.sleep(pause)
            else:
                await wire.send(request + GARBAGE[case])
                await wait_for_waiting(watcher, 1)
        answer = await wire.receive()
        assert answer.status == 200
        assert "errors" not in answer.content
        rest = await wire.reader.read() if "request" not in case else b""
        assert b"BAD_USER_INPUT" not in rest
    rows = await database.fetch_rows("SELECT FROM attendance WHERE site_id = $1", [site_id], site_id)
    assert len(rows) == 1


async def test_garbage_without_anything_before_it_is_refused(url: str) -> None:
    async with connect(url) as wire, asyncio.timeout(5):
        assert (await wire.ask(write_post("{ __typename }"))).status == 200
        answer = await wire.ask(GARBAGE["bytes"])
        assert (answer.status, answer.headers["connection"]) == (400, "close")
