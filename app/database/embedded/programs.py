"""Postgres's programs and the data directory they make: found, copied where needed, made once and completely."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from app.database.embedded.account import Account, run_program
from app.database.embedded.layout import UNFINISHED, make_directory
from app.errors import ConfigurationError

INITDB_OPTIONS = (
    "--username=postgres",
    "--encoding=UTF8",
    "--no-sync",
    "--auth-local=trust",
    "--auth-host=scram-sha-256",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)
ERROR_LINE = re.compile(r"\b(?:FATAL|PANIC|ERROR|error):\s+(.*)")


def read_major_version(installation: Path, account: Account) -> str:
    """The major version of Postgres, such as `18`; raises ConfigurationError when `account` cannot run it."""
    try:
        _, printed = run_program([str(installation / "bin" / "postgres"), "--version"], account)
    except OSError as error:
        printed = str(error)
    found = re.match(r"postgres \(PostgreSQL\) (\d+)", printed)
    if not found:
        raise ConfigurationError(f"Postgres's programs in {installation} cannot be run: {find_error(printed)}")
    return found[1]


def ensure_programs(installation: Path, store: Path, account: Account) -> Path:
    """An installation that `account` can run: the given one, or else a copy of it in `store`."""
    try:
        read_major_version(installation, account)
    except ConfigurationError:
        copy = ensure_copy(installation, store, account)
        read_major_version(copy, account)
        return copy
    return installation


def ensure_copy(installation: Path, store: Path, account: Account) -> Path:
    """Copy the programs, with the libraries that they expect two levels up, unless this very build is there already."""
    build = (installation / "bin" / "postgres").stat()
    package = installation.parent
    copy = store / f"programs-{build.st_mtime_ns}-{build.st_size}"
    if not copy.exists():
        for outdated in store.glob("programs-*"):
            shutil.rmtree(outdated)
        unfinished = make_directory(store, UNFINISHED, account)
        copy_readable(installation, unfinished / package.name / installation.name)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            copy_readable(libraries, unfinished / libraries.name)
        unfinished.rename(copy)
    return copy / package.name / installation.name


def copy_readable(source: Path, target: Path) -> None:
    """Copy a tree such that everybody can read it and run what its owner could run."""
    shutil.copytree(source, target, symlinks=True, ignore=shutil.ignore_patterns("include", "doc", "*.a"))
    for path in (target.parent, target, *target.rglob("*")):
        if not path.is_symlink():
            is_runnable = path.is_dir() or path.stat().st_mode & 0o100
            path.chmod(0o755 if is_runnable else 0o644)


def ensure_cluster(cluster: Path, installation: Path, account: Account, *, held: Sequence[int]) -> None:
    """Make Postgres's data directory unless it is there; it gets its name only when it is complete.

    `held` are files for initdb to keep open. Raises ConfigurationError with initdb's own error.
    """
    if (cluster / "PG_VERSION").exists():
        return
    unfinished = make_directory(cluster.parent, UNFINISHED, account)
    os.chown(unfinished, account.user, account.group)
    initdb = str(installation / "bin" / "initdb")
    code, printed = run_program([initdb, *INITDB_OPTIONS, f"--pgdata={unfinished}"], account, held=held)
    if code:
        raise ConfigurationError(f"the embedded Postgres could not make its data directory: {find_error(printed)}")
    unfinished.rename(cluster)


def find_error(printed: str) -> str:
    """The last error among the lines that one of Postgres's programs printed, or else its last line."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    errors = [found[1] for line in lines if (found := ERROR_LINE.search(line))]
    return (errors or lines or ["it ended without an error message"])[-1]
