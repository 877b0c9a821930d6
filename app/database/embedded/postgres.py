"""Postgres's files and programs: where they are, who runs them, and why they fail.

All files are in one directory, the home. `postgres-18/` is the data, and Postgres's socket lies in it. The supervisor
and every process of Postgres hold `lock`. Commands connect to the supervisor at `control.sock`.
"""

import contextlib
import ctypes
import errno
import hashlib
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TypedDict

from app.errors import ConfigurationError

CLUSTER_NAME = "postgres-18"
LOG_NAME = "postgres.log"
CONTROL_SOCKET = "control.sock"
POSTGRES_SOCKET = ".s.PGSQL.5432"
# What a client receives when Postgres accepts connections. Anything else is the reason why the supervisor ends.
READY = b"ready"
# A socket's path has up to 103 bytes on every system, and drivers split the hosts of a URL at commas.
SOCKET_HOME = re.compile(rf"[\w./@+-]{{1,{103 - len(f'/{CLUSTER_NAME}/{POSTGRES_SOCKET}')}}}", re.ASCII)
# Nothing of the caller's environment: PGPORT, PGDATA, TZ or a locale would change how Postgres runs.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None
PR_SET_PDEATHSIG = 1
COPIES = Path("/var/lib/attendance-embedded")
INITDB_OPTIONS = (
    *("--username=postgres", "--encoding=UTF8", "--no-sync", "--auth-local=trust", "--auth-host=scram-sha-256"),
    *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
)
ERROR_LINE = re.compile(r"\b(?:FATAL|PANIC|ERROR|error):\s+(.*\S)")
DISK_FULL_ERRORS = (os.strerror(errno.ENOSPC), os.strerror(errno.EDQUOT))
MIN_FREE_BYTES = 64 * 1024  # With less Postgres cannot even write why it fails.


class Account(TypedDict, total=False):
    """The user that a program runs as, by number; empty for our own."""

    user: int
    group: int
    extra_groups: list[int]


def choose_account(cluster: Path) -> Account:
    """Who runs Postgres, which refuses root: this user, or for root whoever owns the data, else postgres or nobody."""
    if os.geteuid() != 0:
        return Account()
    if cluster.exists():
        return Account(user=cluster.stat().st_uid, group=cluster.stat().st_gid, extra_groups=[])
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Account(user=entry.pw_uid, group=entry.pw_gid, extra_groups=[])
    raise ConfigurationError("Postgres does not run as root, and there is no user postgres or nobody to run it as")


def shorten(home: Path) -> Path:
    """A path to `home` that paths of sockets can begin with: its own, or that of a link in /tmp."""
    if SOCKET_HOME.fullmatch(str(home)):
        return home
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    link = Path("/tmp", f"attendance-{os.geteuid()}-{digest}")  # noqa: S108 - its owner and target are checked
    with contextlib.suppress(FileExistsError):
        link.symlink_to(home)
    if link.lstat().st_uid != os.geteuid() or link.readlink() != home:
        raise ConfigurationError(f"{link} is in the way; remove it, or set ATTENDANCE_DATA_DIR to a shorter path")
    return link


def start_program(command: list[str], account: Account, directory: Path) -> "subprocess.Popen[bytes]":
    """Start a program of Postgres on the data in `directory` as `account`, to be interrupted when this process dies.

    It inherits the files that are inheritable, and an input that stays empty. Call it from the main thread: on Linux
    the end of the *thread* counts as the parent's death.
    """
    # Another account cannot enter all parents of the directory, but its program is already inside.
    data = "/proc/self/cwd" if account else str(directory)
    return subprocess.Popen(
        [*command, "-D", data],
        stdin=subprocess.PIPE,
        cwd=directory,
        env=ENVIRONMENT,
        umask=0o077,
        close_fds=False,
        preexec_fn=partial(end_with_parent, os.getpid()),
        **account,
    )


def run_program(command: list[str], account: Account, directory: Path) -> None:
    """Run a program to its end. Raises CalledProcessError when it fails."""
    with start_program(command, account, directory) as process:
        process.communicate()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def end_with_parent(parent: int) -> None:
    """Ask the system, in a child, to be interrupted when its parent dies, and end if that has already happened."""
    # The supervisor ignores SIGINT; a child that inherits that would miss the signal until it installs a handler.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if LIBC is not None:
        LIBC.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGINT))
    if os.getppid() != parent:
        os._exit(1)


def ensure_programs(installation: Path, account: Account) -> Path:
    """The given installation, or for root a copy that everybody can read if `account` cannot run it."""
    program, package = installation / "bin" / "postgres", installation.parent
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        if account:
            run_program([str(program), "--version"], account, Path("/"))
        return installation
    copy = COPIES / hashlib.sha256(program.read_bytes()).hexdigest()[:16]
    if not copy.exists():
        COPIES.mkdir(exist_ok=True)
        COPIES.chmod(0o755)
        with tempfile.TemporaryDirectory(dir=COPIES) as directory:
            unfinished = Path(directory, "copy")
            for part in package.parent.glob(f"{package.name}*"):  # The programs expect their libraries beside them.
                shutil.copytree(part, unfinished / part.name)
            subprocess.run(["/bin/chmod", "-R", "a+rX", str(unfinished)], check=True)
            with contextlib.suppress(OSError):  # Another command may have been faster.
                unfinished.rename(copy)
    return copy / package.name / installation.name


def ensure_cluster(cluster: Path, programs: Path, account: Account) -> None:
    """Create Postgres's data directory unless it exists; it gets its name only when it is complete."""
    if (cluster / "PG_VERSION").exists():
        return
    user = account.get("user", os.geteuid())
    try:
        pwd.getpwuid(user)
    except KeyError as failure:
        raise ConfigurationError(
            f"the embedded Postgres does not run as the user number {user}, which has no name: run as a user "
            "of /etc/passwd, or set ATTENDANCE_DATABASE_URL to a server"
        ) from failure
    unfinished = cluster.with_name("unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    os.chown(unfinished, user, account.get("group", -1))
    run_program([f"{programs}/bin/initdb", *INITDB_OPTIONS], account, unfinished)
    unfinished.rename(cluster)


def read_pid_file(cluster: Path) -> list[str]:
    """The lines of Postgres's pid file: 1 is the pid, 5 the directory of the socket, 8 `ready` when it is."""
    try:
        return [line.strip() for line in (cluster / "postmaster.pid").read_text().splitlines()]
    except OSError:
        return []


def explain(home: Path, error: BaseException, printed: str = "") -> str:
    """Why the embedded Postgres does not run: by what a program printed that failed, or else by the error itself."""
    has_failed = isinstance(error, subprocess.CalledProcessError)
    is_full = any(full in f"{error}{printed}" for full in DISK_FULL_ERRORS)
    if is_full or (has_failed and shutil.disk_usage(home).free < MIN_FREE_BYTES):
        cure = "free some, or set ATTENDANCE_DATA_DIR to another disk"
        return f"the embedded Postgres cannot use {home}: no space is left on the disk of {home}; {cure}"
    if has_failed:
        reasons = ERROR_LINE.findall(printed) or printed.strip().splitlines() or ["it ended without an error message"]
        return f"the embedded Postgres did not start: {reasons[-1]}"
    if isinstance(error, OSError):
        reason = f"{error.strerror or error} ({error.filename or home})"
        cure = "set ATTENDANCE_DATA_DIR to a directory that can be written, or ATTENDANCE_DATABASE_URL to a server"
        return f"the embedded Postgres cannot use {home}: {reason}; {cure}"
    return " ".join(str(error).split())
