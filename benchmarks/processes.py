"""The processes of a run: servers under uvicorn, and what processes have used of the processor."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.data_directory import PREFIX
from app.settings import READERS, Settings

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
HAS_NANOSECONDS = Path("/proc/self/schedstat").exists()
START_SECONDS = 30.0
STOP_SECONDS = 30.0
SERVICE = (sys.executable, "-c", "from app.cli import main; main()", "serve")
HAND_WRITTEN = (
    *(sys.executable, "-m", "uvicorn", "benchmarks.baseline:application"),
    *("--no-access-log", "--no-server-header", "--timeout-keep-alive", "75"),
)


@dataclass(frozen=True, slots=True)
class Server:
    """A server of this machine: its process, which may have others below it, and its port."""

    name: str
    pid: int
    port: int


def write_environment(settings: Settings) -> dict[str, str]:
    """The variables that `load_settings` reads these settings back from."""
    values = {name: getattr(settings, name.lower()) for name in READERS}
    return {PREFIX + name: write_value(value) for name, value in values.items() if value is not None}


def write_value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


@contextmanager
def run_server(name: str, command: Sequence[str], environ: Mapping[str, str], log: Path) -> Iterator[Server]:
    """A server that is stopped in the end; what it writes goes to the end of the log.

    Raises RuntimeError with the log when it does not start.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, "--port", str(port)], env={**os.environ, **environ}, stdout=output, stderr=output
        )
    try:
        wait_until_open(port, process, log)
        yield Server(name, process.pid, port)
    finally:
        process.terminate()
        process.wait(timeout=STOP_SECONDS)


def wait_until_open(port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"a server did not start:\n{log.read_text()}")


def list_family(pid: int) -> list[int]:
    """A process and all below it."""
    family = [pid]
    for task in list_tasks(pid):
        for child in read_fields(task / "children"):
            family += list_family(int(child))
    return family


def read_cpu(pids: Iterable[int]) -> dict[int, float]:
    """Seconds of processor time, of user and system together, that each process has used so far; 0 for one that ended.

    To the nanosecond where the kernel counts them for each thread; threads that have ended are not counted then. Else
    to the tick.
    """
    read_one = read_nanoseconds if HAS_NANOSECONDS else read_ticks
    return {pid: read_one(pid) for pid in pids}


def count_used(before: Mapping[int, float]) -> float:
    """Seconds of processor time that the processes have used since; one that has ended counts for nothing."""
    return sum(max(0.0, now - before[pid]) for pid, now in read_cpu(before).items())


def read_nanoseconds(pid: int) -> float:
    times = [read_fields(task / "schedstat")[:1] for task in list_tasks(pid)]
    return sum(int(time_) for fields in times for time_ in fields) / 1e9


def read_ticks(pid: int) -> float:
    fields = read_fields(Path(f"/proc/{pid}/stat"), behind=")")
    return sum(map(int, fields[11:13])) / TICKS_A_SECOND


def list_tasks(pid: int) -> list[Path]:
    try:
        return list(Path(f"/proc/{pid}/task").iterdir())
    except FileNotFoundError:
        return []


def read_fields(path: Path, behind: str = "") -> list[str]:
    """The words of a file of /proc, of its last line's part behind a text; none when its process has ended."""
    try:
        text = path.read_text()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return (text.rpartition(behind)[2] if behind else text).split()
