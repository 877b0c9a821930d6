"""A server process: uvicorn, which says when it ends, answers all that it has taken on, and then ends well."""

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from socket import socket

import uvicorn
import uvloop

from app.settings import Settings
from app.web.application import Application, create_application
from app.web.connections import Connection, ConnectionWatch
from app.web.listening import Listeners, accept_waiting
from app.web.metrics import share_metrics
from app.web.workers import supervise

NOTICE_SECONDS = 0.3
LAST_SECONDS = 0.2
DRAIN_SECONDS = 6.0
KEEP_ALIVE_SECONDS = 75
TICKS_A_LOOK = 10


class Server(uvicorn.Server):
    """uvicorn's server of one process.

    Told to end, it is not ready any more and closes connections after their answers, takes no more of them a moment
    later, and then waits for the requests that it has taken on, and a moment for those that are on their way over the
    last connections. It returns from `run` instead of dying by the signal.
    """

    def __init__(self, application: Application, is_orphaned: Callable[[], bool]) -> None:
        """`is_orphaned` tells whether the process that started this one is gone, which ends it too."""
        super().__init__(configure(application))
        self._application = application
        self._is_orphaned = is_orphaned
        self._watch = ConnectionWatch()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_A_LOOK == 0:
            connections = [each for each in self.server_state.connections if isinstance(each, Connection)]
            self._watch.look(connections, asyncio.get_running_loop().time())
        return self._is_orphaned() or await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._application.announce_end()
        await asyncio.sleep(NOTICE_SECONDS)
        await self._take_last(sockets or [])
        stopping = asyncio.get_running_loop().call_later(DRAIN_SECONDS, self._application.stop_requests)
        await super().shutdown(sockets)
        stopping.cancel()

    async def _take_last(self, listeners: Listeners) -> None:
        """Listen no more. Whoever was connected by then may have sent a request, which would be lost with the end."""
        accepted = [each for listener in listeners for each in accept_waiting(listener)]
        for server in self.servers:
            server.close()
        for listener in listeners:
            listener.close()
        for each in accepted:
            await asyncio.get_running_loop().connect_accepted_socket(self._make_connection, each)
        await asyncio.sleep(LAST_SECONDS)

    def _make_connection(self) -> Connection:
        return Connection(self.config, self.server_state, self.lifespan.state)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def configure(application: Application) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http=Connection,
        ws="none",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=int(DRAIN_SECONDS) + 1,
    )


def run_server(settings: Settings, listeners: Sequence[Listeners]) -> None:
    """Serve until a signal: in this process, or where there are listeners for several, in one process for each."""
    with share_metrics(settings, len(listeners)) as shared:
        os.environ.update(shared.as_environment())
        if len(listeners) == 1:
            run_process(listeners[0], lambda: False)
        else:
            supervise(run_worker, listeners)


def run_worker(listeners: Listeners, parent: int) -> None:
    """Serve in a process that `parent` has started, and end when it is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A terminal sends it to all; the parent tells when to end.
    run_process(listeners, lambda: os.getppid() != parent)


def run_process(listeners: Listeners, is_orphaned: Callable[[], bool]) -> None:
    """Serve in this process, whose settings are in its environment, until a signal."""

    async def serve() -> None:
        await Server(create_application(), is_orphaned).serve(listeners)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())
