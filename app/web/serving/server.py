"""Server processes: uvicorn with a graceful shutdown, one process or several."""

import asyncio
import ctypes
import os
import signal
import sys
from ctypes import Array, c_double
from functools import partial
from multiprocessing import RawArray, parent_process
from pathlib import Path
from socket import socket
from time import monotonic

import uvicorn

from app.settings import Settings
from app.web.application import Application, create_application
from app.web.metrics import share_metrics
from app.web.serving.accepting import Acceptor, hold_lead
from app.web.serving.connection_monitor import ConnectionMonitor
from app.web.serving.http_connections import HTTPConnection
from app.web.serving.memory import return_free_memory, return_large_blocks
from app.web.serving.workers import supervise

READINESS_SECONDS = 0.3
LAST_REQUESTS_SECONDS = 0.2
DRAIN_SECONDS = 6.0
START_SECONDS = 30
TICKS_PER_CHECK = 3
TICKS_PER_RETURN = 10
PLACES = 256
STUCK_SECONDS = 1.0
PR_SET_PDEATHSIG = 1


class GracefulServer(uvicorn.Server):
    """The server of one process.

    On shutdown it reports itself as not ready and closes each connection after its response. After
    `READINESS_SECONDS` it accepts the pending connections and closes its sockets, and then waits up to
    `DRAIN_SECONDS` for in-flight requests. It returns from `serve` instead of raising the signal again.
    """

    def __init__(self, config: uvicorn.Config, shared: "Array[c_double]") -> None:
        """`shared` is memory of all workers, in which each one keeps how many connections it has, and when it had."""
        super().__init__(config)
        self._shared = shared
        self._monitor = ConnectionMonitor()
        self._acceptors: list[Acceptor] = []

    async def startup(self, sockets: list[socket] | None = None) -> None:
        return_large_blocks()
        self._application: Application = self.config.loaded_app
        listeners = sockets or []
        self._application.state.readiness.leads = partial(hold_lead, listeners[0])
        self._application.connection_limits.bound_unread = self._check_connections
        await super().startup([])
        self._acceptors = [Acceptor(each, self._connect, self._count_ahead) for each in listeners]

    async def on_tick(self, counter: int) -> bool:
        self._share_connections(0)
        if counter % TICKS_PER_CHECK == 0:
            self._check_connections()
        if counter % TICKS_PER_RETURN == 0:
            return_free_memory()
        return await super().on_tick(counter)

    def _check_connections(self) -> None:
        watched = tuple(self._application.connection_limits.watched)
        self._monitor.check(watched, asyncio.get_running_loop().time())

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._application.begin_shutdown()
        await asyncio.sleep(READINESS_SECONDS)
        for each in self._acceptors:
            each.close()
        await asyncio.sleep(LAST_REQUESTS_SECONDS)
        self._application.end_streams()
        stopping = asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._application.stop_requests)
        await super().shutdown(sockets)
        stopping.cancel()
        self._captured_signals.clear()

    async def _connect(self, accepted: socket) -> None:
        limits = self._application.connection_limits
        build = partial(HTTPConnection, self.config, self.server_state, self.lifespan.state, limits=limits)
        await asyncio.get_running_loop().connect_accepted_socket(build, accepted)

    def _share_connections(self, connecting: int) -> tuple[float, float]:
        """Tell the other workers how many connections this one has, beside those that it is about to have."""
        place, limits = 2 * (os.getpid() % PLACES), self._application.connection_limits
        own, now = float(limits.open + limits.streaming + connecting), monotonic()
        self._shared[place : place + 2] = [own, now]
        return own, now

    def _count_ahead(self, connecting: int) -> float:
        """How many connections this process has more than the worker that has fewest, of those that are not stuck."""
        own, now = self._share_connections(connecting)
        shared = zip(self._shared[::2], self._shared[1::2], strict=True)
        return own - min(count for count, shared_at in shared if now - shared_at < STUCK_SECONDS)


def run_server(settings: Settings, listeners: list[socket], workers: int = 1) -> None:
    """Serve until a signal, in this process or in so many others.

    Raises ConfigurationError if several processes cannot share their metrics.
    """
    with share_metrics(settings, workers) as shared_directory:
        config = uvicorn.Config(
            partial(create_in_process, settings, shared_directory),
            factory=True,
            workers=workers,
            ws="none",  # `HTTPConnection` upgrades to a protocol of its own.
            ws_max_size=settings.max_body_bytes,
            access_log=False,
            log_config=None,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=int(DRAIN_SECONDS) + 1,
            timeout_worker_healthcheck=START_SECONDS,
        )
        build_server = partial(GracefulServer, shared=RawArray(c_double, 2 * PLACES))
        if workers == 1:
            build_server(config).run(listeners)
        else:
            supervise(build_server, config, listeners)


def create_in_process(settings: Settings, shared_directory: Path | None) -> Application:
    """The application of this process, which ends with its parent if it is a worker."""
    parent = parent_process()
    if parent is not None and sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent.ident:
            os.kill(os.getpid(), signal.SIGTERM)
    return create_application(settings, shared_directory)
