"""The attacks of the load tests, one or all at once, from a process of their own.

`python -m tests.support.attacks` reads a target as JSON, and attacks it until its seconds are over.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import uvloop

from tests.load.test_shares import SUMMARIES
from tests.operations.test_memory import LARGE_DOCUMENTS
from tests.support.mutations import make_input
from tests.support.wire import HEAD, Wire, connect, write_post
from tests.support.worst_documents import WORST_DOCUMENTS, multiply_connections

ROOT = Path(__file__).parents[2]
BULK = "bulkSetAttendance(input: $input) { totalSuccesses }"
BULKS = f"mutation($input: [AttendanceInput!]!) {{ {' '.join(f'm{number}: {BULK}' for number in range(30))} }}"
# Of a session of 100 records with the longest id, the first one has almost as many bytes as a response may have.
RECORDS = "{ attendances(first: 99) { nodes { session { attendances(first: 99) { nodes { @ } } } } } }"
LARGE = RECORDS.replace("@", "sessionId")
TOO_LARGE = RECORDS.replace("@", " ".join(f"a{number}: sessionId" for number in range(18)))
HANG_UP_SECONDS, HOLD_SECONDS, PAUSE_SECONDS = 0.15, 5.0, 0.05
EMOJI = "\U0001f600" * 32_000
UNFINISHED_HEAD = b"GET /x HTTP/1.1\r\nx: " + b"x" * 65_000
UNFINISHED_BODY = HEAD.encode() + b"content-length: 262144\r\n\r\n" + b" " * 262_000
AHEAD = b"GET /x HTTP/1.1\r\n\r\n" * 14_000

numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Target:
    """A service, tokens of its sites by their use, tokens whose keys are unknown, and how long to attack.

    `only` names the attack that is made, None all of them.
    """

    url: str
    tokens: dict[str, str]
    junk: Sequence[str]
    seconds: float
    only: str | None = None


async def hang_up(target: Target, wire: Wire) -> None:
    """Send a mutation of thirty bulks, and disconnect while it runs."""
    await wire.send(write_post(BULKS, target.tokens["write"], input=[make_input() for _ in range(100)]))
    await asyncio.sleep(HANG_UP_SECONDS)


async def count_records(target: Target, wire: Wire) -> None:
    await ask(wire, write_post(SUMMARIES, target.tokens["count"]))


async def read_nothing(target: Target, wire: Wire) -> None:
    await send_and_hold(wire, write_post(LARGE, target.tokens["read"]))


async def ask_too_much(target: Target, wire: Wire) -> None:
    await ask(wire, write_post(TOO_LARGE, target.tokens["read"]))


async def send_ahead(_target: Target, wire: Wire) -> None:
    await send_and_hold(wire, AHEAD)


async def stop_in_head(_target: Target, wire: Wire) -> None:
    await send_and_hold(wire, UNFINISHED_HEAD)


async def stop_in_body(_target: Target, wire: Wire) -> None:
    await send_and_hold(wire, UNFINISHED_BODY)


async def send_junk(target: Target, wire: Wire) -> None:
    await ask(wire, write_post("{ attendances { totalCount } }", target.junk[next(numbers) % len(target.junk)]))


async def send_documents(target: Target, wire: Wire) -> None:
    """Send one of the worst documents, each time another one, with a token or without, to be kept by its hash."""
    number = next(numbers)
    worst = [*WORST_DOCUMENTS.values(), *(text.replace("#", f"_{number}") for text in LARGE_DOCUMENTS.values())]
    texts = (
        f"{worst[number % len(worst)]} #{number}",
        f"{{ __typename }} # {number} {EMOJI}",
        multiply_connections(2, 14, name=f"tree{number}_"),
    )
    text = texts[number % len(texts)]
    persisted = {"version": 1, "sha256Hash": sha256(text.encode()).hexdigest()}
    content = {"query": text, "variables": {"x": "x"}, "extensions": {"persistedQuery": persisted}}
    await ask(wire, write_content(content, target.tokens["documents"] if number % 2 else None))


# Each attack, and how many connections make it at once.
ATTACKS: dict[Callable[[Target, Wire], Awaitable[None]], int] = {
    hang_up: 3,
    count_records: 4,
    read_nothing: 20,
    ask_too_much: 1,
    send_ahead: 100,
    stop_in_head: 200,
    stop_in_body: 200,
    send_junk: 40,
    send_documents: 2,
}


def write_content(content: Any, token: str | None) -> bytes:
    body = orjson.dumps(content)
    authorization = "" if token is None else f"authorization: Bearer {token}\r\n"
    return f"{HEAD}{authorization}content-length: {len(body)}\r\n\r\n".encode() + body


async def ask(wire: Wire, request: bytes) -> None:
    answer = await wire.ask(request)
    if answer.status != 200:
        await asyncio.sleep(PAUSE_SECONDS)


async def send_and_hold(wire: Wire, content: bytes) -> None:
    """Send, read nothing, and keep the connection for a while."""
    wire.writer.transport.pause_reading()  # type: ignore[attr-defined]
    wire.writer.write(content)
    await asyncio.sleep(HOLD_SECONDS)


async def attack(target: Target) -> None:
    async def repeat(make: Callable[[Target, Wire], Awaitable[None]]) -> None:
        while True:
            try:
                async with connect(target.url) as wire:
                    await make(target, wire)
            except (OSError, asyncio.IncompleteReadError):
                await asyncio.sleep(PAUSE_SECONDS)

    chosen = {make: count for make, count in ATTACKS.items() if target.only in (None, make.__name__)}
    attacking = [asyncio.create_task(repeat(make)) for make, count in chosen.items() for _ in range(count)]
    done, _ = await asyncio.wait(attacking, timeout=target.seconds, return_when=asyncio.FIRST_COMPLETED)
    for each in attacking:
        each.cancel()
    await asyncio.gather(*attacking, return_exceptions=True)
    for each in done:
        each.result()


async def start_attacks(target: Target) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.support.attacks", stdin=-1, cwd=ROOT)
    assert process.stdin is not None
    process.stdin.write(orjson.dumps(asdict(target)))
    process.stdin.close()
    return process


if __name__ == "__main__":
    os.nice(10)  # What is measured is the service, not the attackers' share of the processors.
    uvloop.run(attack(Target(**orjson.loads(sys.stdin.buffer.read()))))
