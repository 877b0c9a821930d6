"""The account that Postgres's programs run under: Postgres refuses root, so root lends it one without power."""

import ctypes
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from app.errors import ConfigurationError

ACCOUNT_NAMES = ("postgres", "nobody")
PR_SET_PDEATHSIG = 1
# Nothing of the caller's own: PGPORT, PGDATA, TZ or a locale would change how Postgres runs.
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


class SwitchOptions(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """A user of this machine, by number."""

    user: int
    group: int

    @property
    def is_own(self) -> bool:
        return self.user == os.geteuid()

    @property
    def passage_mode(self) -> int:
        """The mode of a directory of ours that this account must pass through, and nobody may list."""
        return 0o700 if self.is_own else 0o711

    def switch_options(self) -> SwitchOptions:
        return {} if self.is_own else {"user": self.user, "group": self.group, "extra_groups": []}


def own_account() -> Account:
    return Account(os.geteuid(), os.getegid())


def choose_account(cluster: Path) -> Account:
    """Who runs Postgres on `cluster`: this user, or for root whoever owns the data, else `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return own_account()
    if cluster.exists() and cluster.stat().st_uid != 0:
        return Account(cluster.stat().st_uid, cluster.stat().st_gid)
    for name in ACCOUNT_NAMES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise ConfigurationError(
        f"Postgres does not run as root, and there is no user {' or '.join(ACCOUNT_NAMES)} to run it as"
    )


def can_reach(directory: Path, account: Account) -> bool:
    """Whether `account` can enter `directory`, found out by trying."""
    return account.is_own or run_program(["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)], account)[0] == 0


def run_program(command: Sequence[str], account: Account, *, held: Sequence[int] = ()) -> tuple[int, str]:
    """Run a program to its end as `account`: its exit code and all that it printed."""
    with start_program(command, account, output=subprocess.PIPE, held=held) as process:
        printed, _ = process.communicate()
    return process.returncode, printed


def start_program(
    command: Sequence[str], account: Account, *, output: int | None = None, held: Sequence[int] = ()
) -> "subprocess.Popen[str]":
    """Start a program as `account`, to be interrupted when this process dies; it keeps the files `held` open.

    Must be called from the main thread: on Linux it is the end of the *thread* that counts as the parent's death.
    """
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        cwd="/",
        env=ENVIRONMENT,
        umask=0o077,
        pass_fds=held,
        preexec_fn=end_with_parent(),
        **account.switch_options(),
    )


def end_with_parent() -> Callable[[], None] | None:
    """What a child does before it runs its program, so that it ends when this process does (Linux only)."""
    if sys.platform != "linux":
        return None
    parent = os.getpid()
    library = ctypes.CDLL(None)

    def ask_for_signal() -> None:
        # Ignored, as in this process, the signal would be lost until the program has a handler of its own.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        library.prctl(PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGINT))
        if os.getppid() != parent:
            os._exit(1)

    return ask_for_signal
