"""The files by which several processes add up their metrics: prometheus_client's multiprocess mode.

Each process has a number, and files that prometheus_client maps into memory. A process takes the lowest number that no
running process has. So the successor of a process that has ended continues its counts: none is lost or counted twice,
and the number of files is bounded. A lock says that a number is taken; the operating system releases it however the
process ends.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client import Metric, values
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

FOLDER_PREFIX = "attendance-metrics-"
# The bytes of each file. They are reserved, because the operating system kills a process that writes to a mapped file
# when the disk is full. The counters have the most: some of their labels come from clients.
COUNTERS, GAUGES = "counter_", "gauge_"
FILES = {
    COUNTERS: 524_288,
    "histogram_": 65_536,
    **dict.fromkeys(("gauge_livesum_", "gauge_livemin_", "gauge_livemax_"), 65_536),
}


@contextmanager
def open_shared_directory(processes: int) -> Iterator[Path]:
    """A directory for the files of so many processes, which is removed at the end of the block. Raises OSError.

    Inside the block it is locked: the lock tells that its owner runs, and keeps it from programs that tidy up.
    """
    with TemporaryDirectory(prefix=FOLDER_PREFIX, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        for number in range(processes):
            for kind, size in FILES.items():
                with (folder / f"{kind}{number}.db").open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, size)
        lock = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield folder
        finally:
            os.close(lock)


def count_in_memory() -> None:
    """Count in this process alone, also where the environment has prometheus_client's variable, for another program."""
    values.ValueClass = values.MutexValue


class SharedFiles(Collector):
    """The files of this process, beside those of the others. Create it before the metrics that it is for."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        number, self._lock = take_number(directory)
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(directory)
        values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        """The metrics of all processes, gauges apart as in `Metrics`. Raises OSError if the directory is gone."""
        running = {find_number(path) for path in self._directory.glob(f"{COUNTERS}*.db") if is_locked(path)}
        if not running:
            raise FileNotFoundError(f"{self._directory} has been removed")
        files = [path for path in self._directory.glob("*.db") if path.stat().st_size]
        gauges = {path for path in files if path.name.startswith(GAUGES)}
        for paths in (set(files) - gauges, (path for path in gauges if find_number(path) in running)):
            yield from MultiProcessCollector.merge(map(str, paths))  # type: ignore[no-untyped-call]

    def close(self) -> None:
        """Release the number. Remove the directory if its owner is gone."""
        os.close(self._lock)
        with suppress(FileNotFoundError):
            if not is_locked(self._directory):
                shutil.rmtree(self._directory, ignore_errors=True)


def take_number(directory: Path) -> tuple[int, int]:
    """The number of this process, and the descriptor of the lock on it. Raises OSError."""
    for number in count():
        descriptor = os.open(directory / f"{COUNTERS}{number}.db", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
        else:
            return number, descriptor
    raise AssertionError


def find_number(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def is_locked(path: Path) -> bool:
    """Whether a running process has locked a file or directory. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    else:
        return False
    finally:
        os.close(descriptor)
