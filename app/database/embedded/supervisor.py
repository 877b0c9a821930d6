"""The process that owns the embedded Postgres: it serves the commands that hold a connection to it, and no longer.

Started by the first command as `python -m app.database.embedded.supervisor HOME INSTALLATION LOCK CONNECTION`, the
last two being numbers of inherited files: the lock on HOME, and that command's connection.
"""

import contextlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from app.database.embedded.account import choose_account, own_account
from app.database.embedded.layout import (
    CONTROL_SOCKET,
    LOG_NAME,
    SOCKET_DIRECTORY,
    ensure_store,
    find_store,
    open_run_directory,
    remove_leftovers,
)
from app.database.embedded.programs import ensure_cluster, ensure_programs, read_major_version
from app.database.embedded.server import Server
from app.errors import ConfigurationError

CRASH_LIMIT = 5
QUICK_CRASH_SECONDS = 2.0
RESTART_PAUSE = 0.2


def main() -> None:
    home, installation = map(Path, sys.argv[1:3])
    lock, connection = map(int, sys.argv[3:5])
    if os.fork():
        os._exit(0)
    detach()
    with socket.socket(fileno=connection) as first:
        try:
            for last in supervise(home, installation, lock, first):
                last.close()
        except (ConfigurationError, SystemExit) as error:
            refuse(first, str(error))
        except OSError as error:
            refuse(first, f"the embedded Postgres cannot use {home}: {error}")


def detach() -> None:
    """Leave the terminal's signals to the commands; SIGTERM ends this process by way of every `finally`."""
    os.umask(0o077)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, end)


def end(_number: int, _frame: FrameType | None) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit("the supervisor was told to end")


def supervise(home: Path, installation: Path, lock: int, first: socket.socket) -> list[socket.socket]:
    """Run Postgres for `first` and whoever joins, until the last of them is gone; leave nothing but the data.

    Returns the connections of those that left last: closing them says that all has ended.
    """
    with prepare_server(home, installation, lock) as (server, control):
        try:
            with listen(control) as listener:
                server.start(home / LOG_NAME)
                return Supervision(server, listener, home / LOG_NAME).run(first)
        finally:
            server.stop()


@contextlib.contextmanager
def prepare_server(home: Path, installation: Path, lock: int) -> Iterator[tuple[Server, Path]]:
    """Make whatever is not there yet: the place, the programs, the data, the sockets' directory.

    Yields the server, not yet started, and the path of the control socket.
    """
    name = f"postgres-{read_major_version(installation, own_account())}"
    store = find_store(home)
    remove_leftovers(home, store)
    account = choose_account(store / name)
    store = ensure_store(home, store / name, account)
    programs = ensure_programs(installation, store, account)
    ensure_cluster(store / name, programs, account, held=[lock])
    with open_run_directory(home, store, account) as run:
        yield Server(programs, store / name, run / SOCKET_DIRECTORY, account, lock=lock), run / CONTROL_SOCKET


def listen(control: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(control))
    listener.listen()
    return listener


class Supervision:
    """Waits for commands that come and go, and for the end of Postgres, which it answers by starting it again."""

    def __init__(self, server: Server, listener: socket.socket, log: Path) -> None:
        self.server = server
        self.listener = listener
        self.log = log
        self.selector = selectors.DefaultSelector()
        self.clients: set[socket.socket] = set()
        self.leavers: list[socket.socket] = []
        self.started = time.monotonic()
        self.quick_crashes = 0

    def run(self, first: socket.socket) -> list[socket.socket]:
        """Go on until the last client has left; returns the connections of those that left last, still open.

        Whatever else ends this, the clients are told: to them, silence means that this process was killed.
        """
        try:
            return self.serve(first)
        except BaseException as reason:
            for client in self.clients - {first}:
                with contextlib.suppress(OSError):
                    send_answer(client, error=str(reason))
            raise

    def serve(self, first: socket.socket) -> list[socket.socket]:
        self.selector.register(self.listener, selectors.EVENT_READ, self.admit)
        self.selector.register(self.server.pulse, selectors.EVENT_READ, self.restart)
        self.welcome(first)
        while self.clients:
            while self.leavers:
                self.leavers.pop().close()
            for key, _ in self.selector.select():
                key.data(key.fileobj)
        return self.leavers

    def admit(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        self.welcome(client)

    def welcome(self, client: socket.socket) -> None:
        self.clients.add(client)
        self.selector.register(client, selectors.EVENT_READ, self.read)
        with contextlib.suppress(OSError):
            send_answer(client, url=self.server.url)

    def read(self, client: socket.socket) -> None:
        """Commands have nothing to say: what there is to read is the end of one."""
        with contextlib.suppress(ConnectionError):
            if client.recv(4096):
                return
        self.selector.unregister(client)
        self.clients.remove(client)
        self.leavers.append(client)

    def restart(self, pulse: int) -> None:
        """Start Postgres again; raises ConfigurationError when it does not start, or keeps crashing at once."""
        self.selector.unregister(pulse)
        if time.monotonic() - self.started > QUICK_CRASH_SECONDS:
            self.quick_crashes = 0
        self.server.stop()
        while not self.has_started_again():
            time.sleep(RESTART_PAUSE)
        self.started = time.monotonic()
        self.selector.register(self.server.pulse, selectors.EVENT_READ, self.restart)

    def has_started_again(self) -> bool:
        self.quick_crashes += 1
        if self.quick_crashes > CRASH_LIMIT:
            raise ConfigurationError("Postgres keeps crashing as soon as it is started")
        try:
            self.server.start(self.log)
        except ConfigurationError as error:
            sys.stderr.write(f"{error}\n")
            self.server.stop()
            return False
        return True


def refuse(client: socket.socket, reason: str) -> None:
    """Write down why this process ends, and tell the first client, who may still wait for the URL."""
    sys.stderr.write(f"{reason}\n")
    with contextlib.suppress(OSError):
        send_answer(client, error=" ".join(reason.split()))


def send_answer(client: socket.socket, **answer: str) -> None:
    client.sendall(json.dumps(answer).encode() + b"\n")


if __name__ == "__main__":
    main()
