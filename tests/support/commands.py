"""The `attendance` command as a process of its own."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60
COMMAND = (sys.executable, "-c", "from app.cli import main; main()")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True, slots=True)
class RunningService:
    """A server process, its address, and the file with what it prints."""

    process: "subprocess.Popen[bytes]"
    url: str
    output: Path


def environment(data_dir: Path, **settings: str) -> dict[str, str]:
    """This process's variables without the service's own, and the given settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ATTENDANCE_")}
    named = {f"ATTENDANCE_{name}": value for name, value in settings.items()}
    return {**kept, "ATTENDANCE_DATA_DIR": str(data_dir), **named}


def run_command(
    data_dir: Path, *arguments: str, content: bytes | None = None, cwd: Path = ROOT, **settings: str
) -> "subprocess.CompletedProcess[str]":
    """Run a command to its end."""
    process = subprocess.run(
        [*COMMAND, *arguments],
        env=environment(data_dir, **settings),
        cwd=cwd,
        input=content,
        capture_output=True,
        timeout=120,
        check=False,
    )
    return subprocess.CompletedProcess(
        process.args, process.returncode, process.stdout.decode(), process.stderr.decode()
    )


@contextmanager
def start_service(
    data_dir: Path, *arguments: str, standard_output: int | None = None, root: Path = ROOT, **settings: str
) -> Iterator[RunningService]:
    """A command that serves, such as `serve` or `demo`, on a free port; its process ends with the block.

    What it prints goes to one file, unless there is a descriptor for its standard output alone. The code is that of
    the folder `root`.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    output = data_dir / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*COMMAND, *arguments, "--port", str(port)],
            env=environment(data_dir, **settings),
            cwd=root,
            stdout=file if standard_output is None else standard_output,
            stderr=file,
        )
    service = RunningService(process, f"http://127.0.0.1:{port}", output)
    try:
        wait_until_answered(service)
        yield service
    finally:
        process.terminate()
        process.wait(timeout=30)


def wait_until_answered(service: RunningService) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        assert service.process.poll() is None, service.output.read_text()
        try:
            urllib.request.urlopen(f"{service.url}/healthz", timeout=5).close()
        except urllib.error.URLError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"no answer in {START_SECONDS} s: {service.output.read_text()}")


def list_workers(pid: int) -> list[int]:
    """The workers among a process's children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if b"spawn_main" in read_command(Path("/proc", child))]


def read_command(process: Path) -> bytes:
    """What a process was started by; nothing if it has ended."""
    try:
        return (process / "cmdline").read_bytes()
    except FileNotFoundError:
        return b""
