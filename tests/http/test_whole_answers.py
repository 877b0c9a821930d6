"""The head of an answer is sent with its body, and nothing of an answer is ever held back for good."""

import asyncio

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send
from uvicorn.server import ServerState

from app.web.serving.http_connections import HTTPConnection
from tests.support.serving import run_uvicorn
from tests.support.wire import HEAD, connect, write_post

CONTENT = b"what was asked for"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


HEADERS = [(b"content-length", b"%d" % len(CONTENT)), (b"x-own", b"1")]
HALVES = [CONTENT[:5], CONTENT[5:]]


class KeepingTransport(asyncio.Transport):
    """Keeps what is sent, each piece by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Whatever is written is kept."""

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def write_body(body: bytes, *, more_body: bool = False) -> Message:
    return {"type": "http.response.body", "body": body, "more_body": more_body}


async def answer_with(*messages: Message, request: bytes = b"GET / HTTP/1.1\r\n\r\n") -> KeepingTransport:
    """What is sent of an answer that consists of these messages."""

    async def application(_scope: Scope, _receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    config = uvicorn.Config(application, lifespan="off", log_config=None)
    config.load()
    connection, transport = HTTPConnection(config, ServerState(), {}), KeepingTransport()
    connection.connection_made(transport)
    connection.data_received(request)
    await asyncio.gather(*connection.tasks)
    return transport


async def test_a_whole_answer_is_one_write() -> None:
    transport = await answer_with(start(*HEADERS), write_body(CONTENT))
    assert transport.sent == [b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\nx-own: 1\r\n\r\n%b" % (len(CONTENT), CONTENT)]
    assert not transport.is_closing()


async def test_the_head_of_an_answer_in_parts_is_sent_with_its_first_part() -> None:
    first, second = HALVES
    transport = await answer_with(start(*HEADERS), write_body(first, more_body=True), write_body(second))
    assert b"".join(transport.sent).endswith(b"x-own: 1\r\n\r\n" + CONTENT)
    transport = await answer_with(start(), write_body(first, more_body=True), write_body(second))
    assert b"transfer-encoding: chunked" in transport.sent[0]
    assert transport.sent[1:] == [b"5\r\n%b\r\n" % first, b"%x\r\n%b\r\n0\r\n\r\n" % (len(second), second)]


@pytest.mark.parametrize("request_line", [b"GET / HTTP/1.0", b"GET / HTTP/1.1\r\nconnection: close"])
async def test_an_answer_says_that_its_connection_closes(request_line: bytes) -> None:
    transport = await answer_with(start(*HEADERS), write_body(CONTENT), request=request_line + b"\r\n\r\n")
    assert transport.sent[0].count(b"connection: close\r\n") == 1
    assert transport.is_closing()
    transport = await answer_with(start(*HEADERS, (b"connection", b"close")), write_body(CONTENT))
    assert transport.sent[0].count(b"connection: close\r\n") == 1
    assert transport.is_closing()


WRONG: dict[str, list[Message]] = {
    "nothing": [],
    "a head alone": [start(*HEADERS)],
    "a line break in a header": [start(*HEADERS, (b"x", b"y\r\nz: 1")), write_body(CONTENT)],
    "a line feed in a header": [start(*HEADERS, (b"x", b"y\nz: 1")), write_body(CONTENT)],
}


@pytest.mark.parametrize("case", WRONG)
async def test_a_wrong_answer_is_replaced_by_an_error(case: str) -> None:
    [sent] = (await answer_with(*WRONG[case])).sent
    assert sent.startswith(b"HTTP/1.1 500 ")
    assert b"z: 1" not in sent


@pytest.mark.parametrize("length", [len(CONTENT) - 1, len(CONTENT) + 1])
async def test_an_answer_of_another_length_than_it_says_ends_the_connection(length: int) -> None:
    transport = await answer_with(start((b"content-length", b"%d" % length)), write_body(CONTENT))
    assert transport.is_closing()


async def test_nothing_is_sent_after_a_whole_answer() -> None:
    transport = await answer_with(start(*HEADERS), write_body(CONTENT), start(*HEADERS), write_body(CONTENT))
    assert len(transport.sent) == 1


async def echo_method(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = [(b"content-length", str(len(CONTENT)).encode()), (b"x-method", scope["method"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/broken":
        raise RuntimeError("what comes after the head")
    await send({"type": "http.response.body", "body": CONTENT})


async def test_an_answer_to_head_comes_without_a_body() -> None:
    async with run_uvicorn(echo_method, http=HTTPConnection) as (_, url), connect(url) as wire:
        for _ in range(2):
            await wire.send(b"HEAD / HTTP/1.1\r\nhost: test\r\n\r\n")
            head = await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5)
            assert b"x-method: HEAD" in head
        assert (await wire.ask(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")).body == CONTENT


async def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    request = write_post("{ __typename }").replace(HEAD.encode(), HEAD.encode() + b"expect: 100-continue\r\n")
    head, body = request.split(b"\r\n\r\n")
    async with run_uvicorn(echo_method, http=HTTPConnection) as (_, url), connect(url) as wire:
        await wire.send(head + b"\r\n\r\n")
        assert await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5) == CONTINUE
        assert (await wire.ask(body)).body == CONTENT


async def test_requests_that_come_at_once_are_answered_in_turn() -> None:
    requests = [f"{method} / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n" for method in ("PUT", "POST", "GET")]
    async with run_uvicorn(echo_method, http=HTTPConnection) as (_, url), connect(url) as wire:
        await wire.send("".join(requests).encode())
        answers = [await asyncio.wait_for(wire.receive(), 5) for _ in requests]
    assert [(answer.headers["x-method"], answer.body) for answer in answers] == [
        ("put", CONTENT),
        ("post", CONTENT),
        ("get", CONTENT),
    ]


async def test_an_answer_that_fails_behind_its_head_is_an_error() -> None:
    async with run_uvicorn(echo_method, http=HTTPConnection) as (_, url), connect(url) as wire:
        answer = await asyncio.wait_for(wire.ask(b"GET /broken HTTP/1.1\r\nhost: test\r\n\r\n"), 5)
        assert (answer.status, answer.headers["connection"]) == (500, "close")
