"""What a body may be, byte for byte, and that nothing of one that has ended is held."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any

import pytest

from app.web import intake
from app.web.intake import MOST_HELD_BYTES, ClientGone, Intake
from app.web.queueing import Overloaded
from app.web.requests import HTTPRefusal

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
def desk() -> Intake:
    return Intake(LIMIT)


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
async def test_a_body_is_taken_in_whole(desk: Intake, case: str) -> None:
    messages, body = WHOLE[case]
    rest = iter([*messages, piece(b"of another body")])
    assert await desk.read_body(receive_from(rest)) == body
    assert next(rest)["body"] == b"of another body"
    assert desk.held == 0


@pytest.mark.parametrize("case", TOO_LARGE)
async def test_a_body_that_is_too_large_is_read_to_its_end_and_refused(desk: Intake, case: str) -> None:
    rest = iter(TOO_LARGE[case])
    with pytest.raises(HTTPRefusal) as refused:
        await desk.read_body(receive_from(rest))
    assert (refused.value.status, str(refused.value)) == (413, "The body is larger than 10 bytes.")
    assert list(rest) == []
    assert desk.held == 0


@pytest.mark.parametrize("case", CUT_OFF)
async def test_a_client_who_leaves_before_the_end_gets_nothing_and_holds_nothing(desk: Intake, case: str) -> None:
    with pytest.raises(ClientGone):
        await desk.read_body(receive_from(CUT_OFF[case]))
    assert desk.held == 0


async def test_what_has_come_of_a_body_is_held_until_the_body_has_ended(desk: Intake) -> None:
    held: list[int] = []

    async def receive() -> dict[str, Any]:
        held.append(desk.held)
        return piece(b"abc", more=len(held) < 3)

    assert await desk.read_body(receive) == b"abc" * 3
    assert (held, desk.held) == ([0, 3, 6], 0)


async def test_of_a_body_that_has_become_too_large_no_more_is_held(desk: Intake) -> None:
    held: list[int] = []

    async def receive() -> dict[str, Any]:
        held.append(desk.held)
        return piece(b"x" * 6, more=len(held) < 4)

    with pytest.raises(HTTPRefusal):
        await desk.read_body(receive)
    assert (held, desk.held) == ([0, 6, 6, 6], 0)


async def test_all_bodies_together_may_be_as_large_as_the_memory_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MOST_HELD_BYTES", 12)
    desk = Intake(LIMIT, held=7)
    assert await desk.read_body(receive_from([piece(b"abc"), piece(b"de", more=False)])) == b"abcde"
    assert desk.held == 7
    with pytest.raises(Overloaded):
        await desk.read_body(receive_from([piece(b"abc"), piece(b"def")]))
    assert desk.held == 7
    assert await desk.read_body(receive_from([piece(b"abcdef", more=False)])) == b"abcdef"


def test_64_mebibytes_may_be_on_their_way() -> None:
    assert MOST_HELD_BYTES == 67_108_864
    assert Intake(LIMIT).held == 0
