"""The processes of a run: servers under uvicorn, and what each has used of the processor."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
START_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Server:
    """A server process of this machine."""

    name: str
    pid: int
    port: int


@contextmanager
def run_server(name: str, application: str, environ: Mapping[str, str], *, factory: bool = False) -> Iterator[Server]:
    """One uvicorn process, as `attendance serve` runs it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ["--port", str(port), "--no-access-log", "--log-level", "warning", *(["--factory"] if factory else [])]
    process = subprocess.Popen([sys.executable, "-m", "uvicorn", application, *options], env={**os.environ, **environ})
    try:
        wait_until_open(port, process)
        yield Server(name, process.pid, port)
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_open(port: int, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("a server did not start")


def read_cpu(pids: Iterable[int]) -> float:
    """Seconds of processor time, of user and system together, that the processes have used so far."""
    total = 0.0
    for pid in pids:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except FileNotFoundError:
            continue
        total += (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND
    return total
