"""Where the microseconds of a request go: processor time in each stage, from the bytes of HTTP to those of the answer.

The application runs in this process behind its own HTTP protocol, whose transport keeps what is sent, so neither the
kernel's part of a socket nor a client is in the figures. The functions that begin a stage are replaced by ones that
note the time, and each stage has what is spent in it, but not in the stages that it calls. What noting the time costs
is measured first and taken off. A stage that waits for Postgres is not counted while it waits.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import orjson
import uvicorn
import uvloop
from uvicorn.server import ServerState

from app.settings import Settings
from app.web.application import Application, build_application
from app.web.serving.http_connections import HTTPConnection
from benchmarks.cases import Case
from benchmarks.stage_clock import REST, STAGES, StageClock, measure_notes, note_stages

CASES = ("record", "page", "summary")
REQUESTS_A_TURN, TURNS_A_ROUND = 200, 10
HEAD_BYTES = 1000


@dataclass(frozen=True, slots=True)
class StageColumn:
    """Microseconds of one request of a case in each stage, and as processor time without any notes of time."""

    title: str
    stages: Mapping[str, float]
    total: float


class KeepingTransport(asyncio.Transport):
    """Keeps how the last answer begins."""

    head = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.head = self.head or bytes(data[:HEAD_BYTES])

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Whatever is written is kept."""

    def is_closing(self) -> bool:
        return False


def write_request(case: Case, number: int, token: str) -> bytes:
    body = orjson.dumps(case.make_operation(number))
    head = (
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"accept: application/graphql-response+json\r\nauthorization: Bearer {token}\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def ask(connection: HTTPConnection, transport: KeepingTransport, request: bytes) -> None:
    transport.head = b""
    connection.data_received(request)
    await asyncio.gather(*connection.tasks)
    assert transport.head.startswith(b"HTTP/1.1 200"), transport.head


def measure_stages(settings: Settings, cases: Sequence[Case], token: str, rounds: int) -> list[StageColumn]:
    """The stages of a request of each case, on one connection to Postgres; the least turn of all."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(measure_cases(settings, cases, token, rounds))


async def measure_cases(settings: Settings, cases: Sequence[Case], token: str, rounds: int) -> list[StageColumn]:
    application = build_application(settings)
    async with application.router.lifespan_context(application):
        return [await measure_case(application, case, token, rounds) for case in cases if case.name in CASES]


async def measure_case(application: Application, case: Case, token: str, rounds: int) -> StageColumn:
    config = uvicorn.Config(application, lifespan="off", log_config=None, server_header=False, proxy_headers=False)
    config.load()
    connection, transport = HTTPConnection(config, ServerState(), {}), KeepingTransport()
    connection.connection_made(transport)
    requests = [write_request(case, number, token) for number in range(REQUESTS_A_TURN)]

    async def use() -> int:
        begin = time.process_time_ns()
        for each in requests:
            await ask(connection, transport, each)
        return time.process_time_ns() - begin

    turns = [await use() for _ in range((rounds + 1) * TURNS_A_ROUND)]
    inner, outer = measure_notes()
    noted: list[dict[str, float]] = []
    for _ in range((rounds + 1) * TURNS_A_ROUND):
        clock = StageClock()
        with note_stages(clock):
            await use()
        for (around, stage), times in clock.entered.items():
            clock.spent[around] -= round(times * outer)
            clock.spent[stage] -= round(times * inner)
        noted.append({stage: clock.spent[stage] / 1000 / REQUESTS_A_TURN for stage in STAGES})
    least = min(turns) / 1000 / REQUESTS_A_TURN
    stages = min(noted, key=lambda each: sum(each.values()))
    return StageColumn(case.title, {**stages, REST: least - sum(stages.values())}, least)
