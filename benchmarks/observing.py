"""What observing costs: processor time that metrics and log add to a page.

The application runs in this process, on the sockets of Postgres but without HTTP, so what is added to it weighs more
than in the service. A turn answers pages, and then counts or logs them, as the service does twenty times a second.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import dataclass, replace
from unittest.mock import patch

import uvloop

from app.observing.logs import OperationLog
from app.observing.output import LineOutput
from app.observing.sharing import open_shared_directory
from app.settings import Settings
from app.web.application import Application, build_application
from benchmarks.calls import ask_page

# As many as a busy process answers before it counts and logs them.
PAGES_A_TURN = 200
CALLERS = 8
TURNS_A_ROUND = 20
GOAL = 0.03


@dataclass(frozen=True, slots=True)
class ObservingLine:
    """Microseconds of processor time for a page, and for observing it: the least of all turns; others are disturbed."""

    title: str
    page: float
    observing: float

    @property
    def share(self) -> float:
        return self.observing / self.page


def measure_observing(settings: Settings, token: str, rounds: int) -> Sequence[ObservingLine]:
    """The same page by applications that are observed in different ways, in turn."""
    with (
        build_applications(settings) as applications,
        patch(
            "app.observing.batch.FLUSH_SECONDS", 60
        ),  # A turn ends when its pages are answered, however long it takes.
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
    ):
        return runner.run(measure_applications(applications, token, rounds))


@contextmanager
def build_applications(settings: Settings) -> Iterator[Mapping[str, Application]]:
    silent = replace(settings, metrics=False, explorer=False)
    counted = replace(silent, metrics=True)
    with ExitStack() as stack:
        file = stack.enter_context((settings.data_dir / "observing.log").open("wb"))
        log = OperationLog(LineOutput(file.fileno()), settings.log_level)
        shared = stack.enter_context(open_shared_directory(1))
        yield {
            "metrics": build_application(counted),
            "metrics, one of several workers": build_application(counted, shared_directory=shared),
            "lines of the log": build_application(silent, log=log),
        }


async def measure_applications(
    applications: Mapping[str, Application], token: str, rounds: int
) -> Sequence[ObservingLine]:
    async with AsyncExitStack() as stack:
        for application in applications.values():
            await stack.enter_async_context(application.router.lifespan_context(application))
        turns = [
            [await use(application, token) for application in applications.values()]
            for _ in range((rounds + 1) * TURNS_A_ROUND)
        ]
    return [
        ObservingLine(title, *(min(nanoseconds) / 1000 / PAGES_A_TURN for nanoseconds in zip(*used, strict=True)))
        for title, used in zip(applications, zip(*turns, strict=True), strict=True)
    ]


async def use(application: Application, token: str) -> tuple[int, int]:
    """The nanoseconds of a turn's pages, and of counting and logging them."""

    async def ask() -> None:
        for _ in range(PAGES_A_TURN // CALLERS):
            await ask_page(application, token)

    batch = application.state.monitoring.batch
    batch.flush()
    begin = time.process_time_ns()
    await asyncio.gather(*(ask() for _ in range(CALLERS)))
    answered = time.process_time_ns()
    batch.flush()
    return answered - begin, time.process_time_ns() - answered
