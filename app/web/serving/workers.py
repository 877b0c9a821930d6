"""Several processes that serve the same sockets, under uvicorn's supervisor."""

import sys
from collections.abc import Callable
from functools import partial
from socket import socket

from uvicorn import Config, Server
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import multiprocess

MAX_SHUTDOWN_SECONDS = 8.5


class Worker(multiprocess.Process):
    """A process that runs the server which `build_server` builds in it."""

    def __init__(self, build_server: Callable[[Config], Server], config: Config, sockets: list[socket]) -> None:
        self._build_server = build_server
        super().__init__(config, sockets)

    def target(self, sockets: list[socket] | None = None) -> None:
        self._server = self._build_server(self.config)
        super().target(sockets)

    def is_alive(self, timeout: float = 0) -> bool:  # noqa: ARG002 (uvicorn's)
        """Whether the process runs. uvicorn would wait for its answer, and handle no signal meanwhile."""
        return self.process.is_alive()

    def join(self) -> None:
        self.process.join(MAX_SHUTDOWN_SECONDS)
        self.process.kill()
        super().join()


class Supervisor(multiprocess.Multiprocess):
    """uvicorn's supervisor. When it stops its workers it closes its sockets, so that nobody listens after them."""

    def terminate_all(self) -> None:
        super().terminate_all()
        for each in self.sockets:
            each.close()


def supervise(build_server: Callable[[Config], Server], config: Config, sockets: list[socket]) -> None:
    """Run `config.workers` processes until a signal. Exits with code 1 if one of them cannot start."""
    multiprocess.Process = partial(Worker, build_server)  # type: ignore[assignment, misc]
    supervisor = Supervisor(config, sockets)
    supervisor.run()
    if any(each.exitcode == STARTUP_FAILURE for each in supervisor.processes):
        sys.exit(1)
