"""A Postgres of a test's own, that may be killed, stopped, copied and promoted, and is not started again by itself."""

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

from app.database.embedded.client import find_installation
from app.database.embedded.postgres import ensure_cluster, ensure_programs
from tests.support.servers import find_account, give, start_server

START_SECONDS = 60
SOCKET_NAME = ".s.PGSQL.5432"


class OwnPostgres:
    """A server below `place`, a directory with a short path that everybody can enter. It makes no TCP connections."""

    def __init__(self, place: Path, *, standby_of: "OwnPostgres | None" = None) -> None:
        self.place = place
        self.account = find_account()
        self.programs = ensure_programs(find_installation(), self.account)
        self.socket = place / "socket" / SOCKET_NAME
        self.url = f"postgresql://postgres@/postgres?host={self.socket.parent}&port=5432"
        self.process: subprocess.Popen[bytes] | None = None
        self.socket.parent.mkdir()
        give(self.socket.parent, self.account)
        if standby_of is None:
            ensure_cluster(place / "data", self.programs, self.account)
        else:
            self._copy(standby_of)

    def _copy(self, primary: "OwnPostgres") -> None:
        """Take over the data of a primary that is not running, to follow it when it runs again."""
        assert primary.process is None
        shutil.copytree(primary.place / "data", self.place / "data")
        with (self.place / "data" / "postgresql.auto.conf").open("a") as settings:
            settings.write(f"primary_conninfo = 'host={primary.socket.parent} port=5432 user=postgres'\n")
        (self.place / "data" / "standby.signal").touch()
        for path in (self.place / "data", *(self.place / "data").rglob("*")):
            give(path, self.account)

    def start(self) -> None:
        """Start the server, and wait until it takes connections."""
        assert self.process is None
        options = {"listen_addresses": "", "unix_socket_directories": str(self.socket.parent), "fsync": "off"}
        command = [str(self.programs / "bin" / "postgres"), "-D", str(self.place / "data")]
        with (self.place / "log").open("ab") as log:
            self.process = start_server(
                [*command, *(f"--{name}={value}" for name, value in options.items())], self.account, log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._is_ready():
            assert self.process.poll() is None, (self.place / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _is_ready(self) -> bool:
        check = [str(self.programs / "bin" / "pg_isready"), "-q", "-h", str(self.socket.parent)]
        return subprocess.run(check, check=False).returncode == 0

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End the server: SIGINT for a fast shutdown, SIGQUIT for an immediate one, SIGKILL for none."""
        if self.process is None:
            return
        processes = self._find_processes()
        self.process.send_signal(how)
        self.process.wait(START_SECONDS)
        self.process = None
        deadline = time.monotonic() + START_SECONDS
        while any(Path(f"/proc/{pid}").exists() for pid in processes):
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def freeze(self) -> None:
        """Have all its processes stand still."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal_all(signal.SIGCONT)

    def promote(self) -> None:
        """Make a standby a primary, and wait until it is one."""
        psql = [str(self.programs / "bin" / "psql"), "-XqAt", "-c", "SELECT pg_promote()", self.url]
        assert subprocess.run(psql, check=True, capture_output=True, text=True).stdout.strip() == "t"

    def _signal_all(self, number: signal.Signals) -> None:
        for pid in self._find_processes():
            with suppress(ProcessLookupError):  # A backend may end between being found and being told.
                os.kill(pid, number)

    def _find_processes(self) -> list[int]:
        """The server's pids, its own before its children's, so that it makes no more when it stands still."""
        assert self.process is not None
        parents = {int(path.name): read_parent(path) for path in Path("/proc").glob("[0-9]*")}
        return [self.process.pid, *(pid for pid, parent in parents.items() if parent == self.process.pid)]


def read_parent(process: Path) -> int | None:
    try:
        return int((process / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None
