"""Numbers that the processes of one service share through files: each writes its own, each can read all.

A file belongs to a process as long as that holds a lock, which the system takes back however the process ends. What is
left behind is added up by the next process that starts, so that files don't become many and no count is lost.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson

from app.observing.samples import Samples, add_up, keep_lasting

ENDED = "ended.json"
FOLDING = "folding"
LOCK, NUMBERS = ".lock", ".json"


class SharedNumbers:
    """The numbers of the processes that share a directory, as one of them sees it."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._parent = os.getppid()
        self._life = open_lock(directory / f"{self._name}{LOCK}")
        fcntl.flock(self._life, fcntl.LOCK_EX)
        with self._hold(fcntl.LOCK_EX):
            self._fold_ended()

    def write(self, samples: Samples) -> None:
        """Let the other processes see these numbers in place of those before."""
        replace(self._directory / f"{self._name}{NUMBERS}", samples)

    def add_others(self, own: Samples) -> Samples:
        """The numbers of all processes together, of which this one has `own` at the moment."""
        with self._hold(fcntl.LOCK_SH):
            others = [read(path) for path in self._list_others()]
            running = [samples for samples, is_running in others if is_running]
            left = [keep_lasting(samples) for samples, is_running in others if not is_running]
            return add_up([own, *running, *left], self._read_ended())

    def close(self) -> None:
        """End; where the process that made the directory is gone, it goes too."""
        os.close(self._life)
        if os.getppid() != self._parent:
            shutil.rmtree(self._directory, ignore_errors=True)

    @contextmanager
    def _hold(self, kind: int) -> Iterator[None]:
        """Keep others from folding meanwhile, or with LOCK_EX from reading."""
        descriptor = open_lock(self._directory / FOLDING)
        try:
            fcntl.flock(descriptor, kind)
            yield
        finally:
            os.close(descriptor)

    def _list_others(self) -> list[Path]:
        mine = {ENDED, f"{self._name}{NUMBERS}"}
        return [path for path in self._directory.glob(f"*{NUMBERS}") if path.name not in mine]

    def _read_ended(self) -> Samples:
        path = self._directory / ENDED
        return parse(path.read_bytes()) if path.exists() else {}

    def _fold_ended(self) -> None:
        left = {path: samples for path in self._list_others() for samples, runs in [read(path)] if not runs}
        if not left:
            return
        replace(self._directory / ENDED, add_up(map(keep_lasting, left.values()), self._read_ended()))
        for path in left:
            path.unlink()
            path.with_suffix(LOCK).unlink()


def open_lock(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def read(path: Path) -> tuple[Samples, bool]:
    """The numbers of another process, and whether it runs."""
    descriptor = open_lock(path.with_suffix(LOCK))
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        is_running = True
    else:
        is_running = False
    finally:
        os.close(descriptor)
    return parse(path.read_bytes()), is_running


def parse(content: bytes) -> Samples:
    return {tuple(key): value for key, value in orjson.loads(content)}


def replace(path: Path, samples: Samples) -> None:
    """Write a file at once, so that nobody reads half of it."""
    unfinished = path.with_suffix(".new")
    unfinished.write_bytes(orjson.dumps(list(samples.items())))
    unfinished.replace(path)
