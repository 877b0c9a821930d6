"""What a body may be, byte for byte, and that nothing of one that has ended is buffered."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from app.web.load import body_reader
from app.web.load.body_reader import MAX_BUFFERED_BYTES, ClientDisconnected, RequestBodyReader
from app.web.load.queueing import Overloaded
from app.web.requests import HTTPError

LIMIT = 10
LEFT: dict[str, Any] = {"type": "http.disconnect"}


def piece(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def receive_from(messages: Iterable[dict[str, Any]]) -> Callable[[], Awaitable[dict[str, Any]]]:
    rest = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(rest)

    return receive


@pytest.fixture
def reader() -> RequestBodyReader:
    return RequestBodyReader(LIMIT)


WHOLE: dict[str, tuple[list[dict[str, Any]], bytes]] = {
    "one piece": ([piece(b"body", more=False)], b"body"),
    "one piece of the most bytes": ([piece(b"x" * LIMIT, more=False)], b"x" * LIMIT),
    "one piece that says nothing of more": ([{"type": "http.request", "body": b"body"}], b"body"),
    "nothing at all": ([{"type": "http.request"}], b""),
    "several pieces": ([piece(b"a"), piece(b"bc"), piece(b"d", more=False)], b"abcd"),
    "several pieces of the most bytes": ([piece(b"x" * 9), piece(b"y", more=False)], b"x" * 9 + b"y"),
    "an empty last piece": ([piece(b"ab"), {"type": "http.request"}], b"ab"),
    "a first message without a body": ([{"type": "http.request", "more_body": True}, piece(b"a", more=False)], b"a"),
}
TOO_LARGE: dict[str, list[dict[str, Any]]] = {
    "one piece": [piece(b"x" * (LIMIT + 1), more=False)],
    "two pieces": [piece(b"x" * LIMIT), piece(b"x", more=False)],
    "a large piece, and small ones": [piece(b"x" * (LIMIT + 1)), piece(b"x"), piece(b"x", more=False)],
}
CUT_OFF: dict[str, list[dict[str, Any]]] = {
    "at once": [LEFT],
    "after a piece": [piece(b"a"), LEFT],
    "after too much": [piece(b"x" * (LIMIT + 1)), LEFT],
    "with something of a body": [{**LEFT, "body": b"a"}],
}


@pytest.mark.parametrize("case", WHOLE)
async def test_a_body_is_taken_in_whole(reader: RequestBodyReader, case: str) -> None:
    messages, body = WHOLE[case]
    rest = iter([*messages, piece(b"of another body")])
    assert await reader.read_body(receive_from(rest)) == body
    assert next(rest)["body"] == b"of another body"
    assert reader.buffered == 0


@pytest.mark.parametrize("case", TOO_LARGE)
async def test_a_body_that_is_too_large_is_read_to_its_end_and_refused(reader: RequestBodyReader, case: str) -> None:
    rest = iter(TOO_LARGE[case])
    with pytest.raises(HTTPError) as refused:
        await reader.read_body(receive_from(rest))
    assert (refused.value.status, str(refused.value)) == (413, "The body is larger than 10 bytes.")
    assert list(rest) == []
    assert reader.buffered == 0


@pytest.mark.parametrize("case", CUT_OFF)
async def test_a_client_that_disconnects_before_the_end_releases_its_memory(
    reader: RequestBodyReader, case: str
) -> None:
    with pytest.raises(ClientDisconnected):
        await reader.read_body(receive_from(CUT_OFF[case]))
    assert reader.buffered == 0


async def test_what_has_come_of_a_body_is_held_until_the_body_has_ended(reader: RequestBodyReader) -> None:
    buffered: list[int] = []

    async def receive() -> dict[str, Any]:
        buffered.append(reader.buffered)
        return piece(b"abc", more=len(buffered) < 3)

    assert await reader.read_body(receive) == b"abc" * 3
    assert (buffered, reader.buffered) == ([0, 3, 6], 0)


async def test_of_a_body_that_has_become_too_large_no_more_is_held(reader: RequestBodyReader) -> None:
    buffered: list[int] = []

    async def receive() -> dict[str, Any]:
        buffered.append(reader.buffered)
        return piece(b"x" * 6, more=len(buffered) < 4)

    with pytest.raises(HTTPError):
        await reader.read_body(receive)
    assert (buffered, reader.buffered) == ([0, 6, 6, 6], 0)


async def test_all_bodies_together_may_be_as_large_as_the_memory_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_reader, "MAX_BUFFERED_BYTES", 12)
    reader = RequestBodyReader(LIMIT, buffered=7)
    assert await reader.read_body(receive_from([piece(b"abc"), piece(b"de", more=False)])) == b"abcde"
    assert reader.buffered == 7
    with pytest.raises(Overloaded):
        await reader.read_body(receive_from([piece(b"abc"), piece(b"def")]))
    assert reader.buffered == 7
    assert await reader.read_body(receive_from([piece(b"abcdef", more=False)])) == b"abcdef"


def test_32_mebibytes_may_be_on_their_way() -> None:
    assert MAX_BUFFERED_BYTES == 33_554_432
    assert RequestBodyReader(LIMIT).buffered == 0
