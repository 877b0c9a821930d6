"""Where the embedded Postgres keeps its files: normally all below one home, elsewhere when that cannot work.

- `home/lock`, `home/postgres.log`
- `home/run` links to the directory of this run: the supervisor's control socket, and `socket/` with Postgres's own
- `home/store` links to where the data is when Postgres's account cannot enter home; without it, the data is in home
- `store/postgres-18/` is the data, `store/programs-*/` a copy of Postgres's programs if they are out of reach
"""

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from app.database.embedded.account import Account, can_reach
from app.errors import ConfigurationError

LOCK_NAME = "lock"
LOG_NAME = "postgres.log"
RUN_LINK = "run"
STORE_LINK = "store"
HOME_LINK = "home"
CONTROL_SOCKET = "control.sock"
SOCKET_DIRECTORY = "socket"
POSTGRES_SOCKET = ".s.PGSQL.5432"
SOCKET_PATH_LIMIT = 107
STORE_BASE = Path("/var/lib/attendance-embedded")
STORE_PREFIX = "attendance-"
RUN_PREFIX = "run-"
UNFINISHED = "unfinished-"
KEPT_DAYS = 30
SECONDS_A_DAY = 24 * 3600


def find_control_socket(home: Path) -> Path | None:
    """Where the supervisor of `home` listens; None when there is no trace of one."""
    run = follow_link(home / RUN_LINK)
    return run / CONTROL_SOCKET if run else None


def follow_link(link: Path) -> Path | None:
    """The directory that a link of ours names; None when it is gone, or is not of whoever made the link."""
    try:
        target = link.readlink()
        is_same_owner = target.lstat().st_uid == link.lstat().st_uid
    except OSError:
        return None
    return target if is_same_owner and target.is_dir() else None


def replace_link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def make_directory(base: Path, prefix: str, account: Account) -> Path:
    """Make a directory with a new name in `base`, ours alone, that `account` may pass through."""
    directory = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    directory.chmod(account.passage_mode)
    return directory


def find_store(home: Path) -> Path:
    return follow_link(home / STORE_LINK) or home


def ensure_store(home: Path, cluster: Path, account: Account) -> Path:
    """The directory that holds, or will hold, the data: one that `account` can enter, remembered in `home`.

    Raises ConfigurationError when there is data, and it is out of the account's reach.
    """
    store = cluster.parent
    home.chmod(account.passage_mode)
    if not can_reach(store, account):
        if cluster.exists():
            raise ConfigurationError(f"the user that Postgres runs as (number {account.user}) cannot reach {cluster}")
        store = make_store(home, account)
        replace_link(home / STORE_LINK, store)
    if store != home:
        replace_link(store / HOME_LINK, home)
    return store


def make_store(home: Path, account: Account) -> Path:
    """Make a place for data that cannot be in `home`: a lasting one, unless home itself is a temporary one."""
    temporary = Path(tempfile.gettempdir()).resolve()
    bases = [temporary]
    if not home.resolve().is_relative_to(temporary):
        bases.insert(0, STORE_BASE)
        with contextlib.suppress(OSError):
            STORE_BASE.mkdir()
            STORE_BASE.chmod(0o711)
    remove_abandoned_stores(temporary, unused_days=0)
    remove_abandoned_stores(STORE_BASE, unused_days=KEPT_DAYS)
    for base in bases:
        with contextlib.suppress(OSError):
            store = make_directory(base, STORE_PREFIX, account)
            if can_reach(store, account):
                return store
            store.rmdir()
    raise ConfigurationError(f"no directory can be reached by the user that Postgres runs as (number {account.user})")


def remove_abandoned_stores(base: Path, *, unused_days: int) -> None:
    """Remove our stores in `base` whose home is gone, or keeps its data elsewhere by now.

    A home may also be on a disk that is away for some time, so a store may have to be unused for as many days.
    """
    for store in base.glob(f"{STORE_PREFIX}*"):
        link = store / HOME_LINK
        if not link.is_symlink():
            continue
        home, last_use = follow_link(link), link.lstat()
        is_ours = last_use.st_uid == store.lstat().st_uid == os.geteuid()
        is_old = last_use.st_mtime <= time.time() - unused_days * SECONDS_A_DAY
        if is_ours and is_old and not (home and follow_link(home / STORE_LINK) == store):
            shutil.rmtree(store, ignore_errors=True)


def remove_leftovers(home: Path, store: Path) -> None:
    """Remove what a run that was killed left behind, but for the directory of its sockets: it serves the next run."""
    run = follow_link(home / RUN_LINK)
    for leftover in (*store.glob(f"{RUN_PREFIX}*"), *store.glob(f"{UNFINISHED}*")):
        if leftover != run:
            shutil.rmtree(leftover, ignore_errors=True)


@contextlib.contextmanager
def open_run_directory(home: Path, store: Path, account: Account) -> Iterator[Path]:
    """Make the directory for the sockets of this run, in `store` if their paths stay short enough; then remove it.

    After a run that was killed it is the same one, so that the server's URL is the same, too.
    """
    run = reuse_run_directory(home, account) or make_run_directory(store, account)
    try:
        replace_link(home / RUN_LINK, run)
        yield run
    finally:
        with contextlib.suppress(OSError):
            if (home / RUN_LINK).readlink() == run:
                (home / RUN_LINK).unlink()
        shutil.rmtree(run, ignore_errors=True)


def reuse_run_directory(home: Path, account: Account) -> Path | None:
    """The directory that a killed run left, emptied; None when there is none, or the account cannot enter it."""
    run = follow_link(home / RUN_LINK)
    if run is None:
        return None
    with contextlib.suppress(OSError):
        shutil.rmtree(run / SOCKET_DIRECTORY, ignore_errors=True)
        (run / CONTROL_SOCKET).unlink(missing_ok=True)
        run.chmod(account.passage_mode)
        if can_reach(run, account):
            make_socket_directory(run, account)
            return run
    return None


def make_socket_directory(run: Path, account: Account) -> None:
    sockets = run / SOCKET_DIRECTORY
    sockets.mkdir(mode=0o700)
    os.chown(sockets, account.user, account.group)


def make_run_directory(store: Path, account: Account) -> Path:
    for base in (store, Path(tempfile.gettempdir()), Path("/tmp")):  # noqa: S108 - a private directory is made in it
        with contextlib.suppress(OSError):
            run = make_directory(base, RUN_PREFIX, account)
            if is_socket_path(run / SOCKET_DIRECTORY / POSTGRES_SOCKET) and can_reach(run, account):
                make_socket_directory(run, account)
                return run
            run.rmdir()
    raise ConfigurationError(f"no directory with a path short enough for Postgres's socket: {store} is too long")


def is_socket_path(path: Path) -> bool:
    """Whether a socket can have this path, and a database URL can carry it: drivers split hosts at commas."""
    return len(str(path)) <= SOCKET_PATH_LIMIT and re.fullmatch(r"[\w./@+-]+", str(path), re.ASCII) is not None
