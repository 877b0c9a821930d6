"""Several server processes, and the one that watches over them."""

import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from types import FrameType

from uvicorn.config import STARTUP_FAILURE

from app.web.listening import Listeners

LOOK_SECONDS = 0.1
LEAST_SECONDS_OF_LIFE = 1.0
MOST_SECONDS_TO_END = 9.5

logger = logging.getLogger("attendance.server")
RunWorker = Callable[[Listeners, int], None]


@dataclass(slots=True)
class Orders:
    """Whether this process has been told to end."""

    is_told_to_end: bool = False

    def receive(self, _signal: int, _frame: FrameType | None) -> None:
        self.is_told_to_end = True


@dataclass(frozen=True, slots=True)
class Worker:
    """A server process, since when it runs, and what it listens on."""

    process: BaseProcess
    started: float
    listeners: Listeners


def supervise(run_worker: RunWorker, listeners: Sequence[Listeners]) -> None:
    """Keep one worker running for each listeners until a signal, then have them end, and wait for it.

    A worker that dies is replaced; its listeners, which are held here too, keep the connections that wait meanwhile.
    Where one cannot even start, all end, with exit code 1.
    """
    with catch_signals() as orders:
        workers = [start_worker(run_worker, each) for each in listeners]
        can_start = True
        while can_start and not orders.is_told_to_end:
            wait([worker.process.sentinel for worker in workers], LOOK_SECONDS)
            can_start = all(worker.process.exitcode != STARTUP_FAILURE for worker in workers)
            if can_start:
                workers = [replace_dead(worker, run_worker) for worker in workers]
        end_workers(workers)
    if not can_start:
        sys.exit(1)


def start_worker(run_worker: RunWorker, listeners: Listeners) -> Worker:
    process = multiprocessing.get_context("spawn").Process(target=run_worker, args=(listeners, os.getpid()))
    process.start()
    return Worker(process, time.monotonic(), listeners)


def replace_dead(worker: Worker, run_worker: RunWorker) -> Worker:
    """The worker, or another one in its place, but not more often than once a second."""
    if worker.process.is_alive() or time.monotonic() - worker.started < LEAST_SECONDS_OF_LIFE:
        return worker
    logger.error("worker %s has died with exit code %s", worker.process.pid, worker.process.exitcode)
    return start_worker(run_worker, worker.listeners)


def end_workers(workers: Sequence[Worker]) -> None:
    """Have all workers end; kill those that take too long."""
    for worker in workers:
        worker.process.terminate()
        for each in worker.listeners:  # As long as one process holds them, the kernel takes connections for them.
            each.close()
    deadline = time.monotonic() + MOST_SECONDS_TO_END
    for worker in workers:
        worker.process.join(max(0.0, deadline - time.monotonic()))
        if worker.process.is_alive():
            logger.error("worker %s has not ended in time and is killed", worker.process.pid)
            worker.process.kill()
            worker.process.join()


@contextmanager
def catch_signals() -> Iterator[Orders]:
    orders = Orders()
    before = {number: signal.signal(number, orders.receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield orders
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
