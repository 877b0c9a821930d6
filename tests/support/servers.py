"""Servers of the tests' own, as the user that Postgres runs as on this machine."""

import os
import subprocess
from functools import partial
from pathlib import Path
from typing import IO

from app.database.embedded.postgres import Account, choose_account, end_with_parent


def find_account() -> Account:
    """This user, or for root one without power."""
    return choose_account(Path("/nonexistent"))


def start_server(command: list[str], account: Account, log: IO[bytes]) -> "subprocess.Popen[bytes]":
    """Start a program as `account` that prints to `log`, and ends with this process."""
    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        preexec_fn=partial(end_with_parent, os.getpid()),
        **account,
    )


def give(path: Path, account: Account) -> None:
    os.chown(path, account.get("user", -1), account.get("group", -1))
