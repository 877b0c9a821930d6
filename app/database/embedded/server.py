"""One Postgres server as a child process: started, watched, stopped."""

import contextlib
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

from app.database.embedded.account import Account, start_program
from app.database.embedded.programs import find_error
from app.errors import ConfigurationError

READY_PATIENCE = 150.0
STRANGER_PATIENCE = 10.0
# How to stop Postgres, and how many seconds to give it: fast shutdown, immediate shutdown, no shutdown at all.
STOP_SIGNALS = ((signal.SIGINT, 60.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))


class Server:
    """A Postgres on `cluster` that listens in the directory `sockets`; it writes its log to our standard output.

    `pulse` is the reading end of a pipe whose other end every process of this Postgres inherits: it comes to its end
    when the last of them is gone, so nothing has to be asked about pids. `lock` is a file for them to keep open.
    """

    def __init__(self, installation: Path, cluster: Path, sockets: Path, account: Account, *, lock: int) -> None:
        self.cluster = cluster
        self.account = account
        self.lock = lock
        self.url = f"postgresql://postgres@/postgres?host={quote(str(sockets))}&port=5432"
        self.pulse = -1
        self.process: subprocess.Popen[str] | None = None
        self.command = [
            str(installation / "bin" / "postgres"),
            *("-D", str(cluster)),
            *("-k", str(sockets)),
            *("-c", "listen_addresses="),
            *("-c", "port=5432"),
            *("-c", "unix_socket_permissions=0700"),
            *("-c", "max_connections=100"),
        ]

    def start(self, log: Path) -> None:
        """Start Postgres and wait until it takes connections, after a crash until it has recovered.

        Raises ConfigurationError with the last error that Postgres wrote to `log`.
        """
        clear_pid_file(self.cluster)
        log_start = log.stat().st_size
        self.pulse, inherited = os.pipe()
        try:
            self.process = start_program(self.command, self.account, held=(self.lock, inherited))
        finally:
            os.close(inherited)
        deadline = time.monotonic() + READY_PATIENCE
        while not self.is_ready():
            if self.has_ended(within=0.01):
                self.process.wait()
                written = log.read_bytes()[log_start:].decode(errors="replace")
                raise ConfigurationError(f"the embedded Postgres did not start: {find_error(written)}")
            if time.monotonic() > deadline:
                raise ConfigurationError(f"the embedded Postgres was not ready in {READY_PATIENCE:.0f} s; see {log}")

    def is_ready(self) -> bool:
        """Whether Postgres says so in its pid file: our child's pid in line 1 and `ready` in line 8."""
        lines = read_pid_file(self.cluster)
        return self.process is not None and lines[:1] == [str(self.process.pid)] and lines[7:8] == ["ready"]

    def has_ended(self, *, within: float) -> bool:
        """Whether all of Postgres's processes end within so many seconds."""
        return bool(select.select([self.pulse], [], [], within)[0])

    def stop(self) -> None:
        """Stop Postgres, politely first, and wait for its end; one that has ended already can then be started again."""
        if self.process is None:
            return
        for number, patience in STOP_SIGNALS:
            self.process.send_signal(number)
            if self.has_ended(within=patience):
                break
        self.process.wait()
        os.close(self.pulse)
        self.process = None


def read_pid_file(cluster: Path) -> list[str]:
    try:
        return [line.strip() for line in (cluster / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []


def clear_pid_file(cluster: Path) -> None:
    """Remove a pid file that would mislead Postgres: its pid is a zombie's, or a stranger's who got the number since.

    A pid that nobody has, Postgres finds out by itself. A Postgres that still runs on `cluster` is given some seconds
    to end; then it is left to Postgres to refuse.
    """
    pid = next(iter(read_pid_file(cluster)), "none")
    deadline = time.monotonic() + STRANGER_PATIENCE
    while works_in(pid, cluster):
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)
    if Path("/proc", pid).exists():
        (cluster / "postmaster.pid").unlink(missing_ok=True)


def works_in(pid: str, cluster: Path) -> bool:
    """Whether a living process has `cluster` as its working directory, as every Postgres has."""
    try:
        return Path("/proc", pid, "cwd").readlink() == cluster.resolve()
    except OSError:
        return False


def end_orphan(store: Path) -> None:
    """Have a Postgres end that runs on the data in `store`, as its supervisor would; it may be on its way already.

    Where the system doesn't tell Postgres that its supervisor was killed, it would run on for ever.
    """
    for cluster in store.glob("postgres-*/"):
        pid = next(iter(read_pid_file(cluster)), "none")
        if pid.isdigit() and is_postgres_on(pid, cluster):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(pid), signal.SIGINT)


def is_postgres_on(pid: str, cluster: Path) -> bool:
    if Path("/proc/self").exists():
        return works_in(pid, cluster)
    command = subprocess.run(["/bin/ps", "-o", "command=", "-p", pid], check=False, capture_output=True, text=True)
    return f" -D {cluster} " in command.stdout
