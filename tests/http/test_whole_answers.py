"""The head of an answer is sent with its body, and nothing of an answer is ever held back for good."""

import asyncio
from collections.abc import Sequence

import pytest
from starlette.types import Receive, Scope, Send

from app.web.connections import CONTINUE, Connection, WholeAnswer
from tests.support.serving import run_uvicorn
from tests.support.wire import HEAD, connect, write_post

CONTENT = b"what was asked for"


class KeepingTransport(asyncio.Transport):
    """Keeps what is sent, each piece by itself."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent.append(bytes(data))

    def writelines(self, list_of_data: Sequence[bytes | bytearray | memoryview]) -> None:  # type: ignore[override]
        self.sent.append(b"".join(list_of_data))

    def close(self) -> None:
        self.is_closed = True

    def is_closing(self) -> bool:
        return self.is_closed


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ([b"head", b"body"], [b"headbody"]),
        ([b"head", b""], [b"head"]),
        ([b"head", b"one", b"two", b"three"], [b"headone", b"two", b"three"]),
        ([CONTINUE], [CONTINUE]),
        ([CONTINUE, b"head", b"body"], [CONTINUE, b"headbody"]),
        ([b"head"], []),
    ],
)
def test_a_head_waits_for_the_beginning_of_its_body(written: list[bytes], sent: list[bytes]) -> None:
    transport = KeepingTransport()
    answer = WholeAnswer(transport)
    for piece in written:
        answer.write(piece)
    assert transport.sent == sent


def test_a_head_whose_body_never_comes_is_sent_before_the_end() -> None:
    transport = KeepingTransport()
    answer = WholeAnswer(transport)
    answer.write(b"head")
    assert not answer.is_closing()
    answer.close()
    assert answer.is_closing()
    assert transport.sent == [b"head"]


async def echo_method(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    headers = [(b"content-length", str(len(CONTENT)).encode()), (b"x-method", scope["method"].encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if scope["path"] == "/broken":
        raise RuntimeError("what comes after the head")
    await send({"type": "http.response.body", "body": CONTENT})


async def test_an_answer_to_head_comes_without_a_body() -> None:
    async with run_uvicorn(echo_method, http=Connection) as (_, url), connect(url) as wire:
        for _ in range(2):
            await wire.send(b"HEAD / HTTP/1.1\r\nhost: test\r\n\r\n")
            head = await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5)
            assert b"x-method: HEAD" in head
        assert (await wire.ask(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n")).body == CONTENT


async def test_a_client_that_waits_to_be_told_to_go_on_is_told() -> None:
    request = write_post("{ __typename }").replace(HEAD.encode(), HEAD.encode() + b"expect: 100-continue\r\n")
    head, body = request.split(b"\r\n\r\n")
    async with run_uvicorn(echo_method, http=Connection) as (_, url), connect(url) as wire:
        await wire.send(head + b"\r\n\r\n")
        assert await asyncio.wait_for(wire.reader.readuntil(b"\r\n\r\n"), 5) == CONTINUE
        assert (await wire.ask(body)).body == CONTENT


async def test_requests_that_come_at_once_are_answered_in_turn() -> None:
    requests = [f"{method} / HTTP/1.1\r\nhost: test\r\ncontent-length: 0\r\n\r\n" for method in ("PUT", "POST", "GET")]
    async with run_uvicorn(echo_method, http=Connection) as (_, url), connect(url) as wire:
        await wire.send("".join(requests).encode())
        answers = [await asyncio.wait_for(wire.receive(), 5) for _ in requests]
    assert [(answer.headers["x-method"], answer.body) for answer in answers] == [
        ("put", CONTENT),
        ("post", CONTENT),
        ("get", CONTENT),
    ]


async def test_an_answer_that_breaks_off_behind_its_head_ends_the_connection() -> None:
    async with run_uvicorn(echo_method, http=Connection) as (_, url), connect(url) as wire:
        await wire.send(b"GET /broken HTTP/1.1\r\nhost: test\r\n\r\n")
        assert (await asyncio.wait_for(wire.reader.read(), 5)).endswith(b"x-method: GET\r\n\r\n")
