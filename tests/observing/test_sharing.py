"""The processes of a service count together: what they did lasts, what they hold ends with them."""

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from app.observing.counts import MAX_NAMES
from app.observing.sharing import FILES, is_locked, open_shared_directory
from tests.support.watching import Numbers, read_numbers

DONE, FOLLOWED, TOOK = ("done_total", "ok"), ("followed_total",), ("took_seconds_count",)
HELD, LEAST = ("held",), ("least",)
# Does what it is told in lines of JSON: a name and arguments. Answers each.
PROCESS = """
import json, sys
from pathlib import Path
from app.observing.metrics import Metrics

metrics, numbers = Metrics(Path(sys.argv[1])), {"followed": 0, "held": 0, "least": 0}
done = metrics.counter("done_total", "Done.", "outcome")
took = metrics.histogram("took_seconds", "Took.")
metrics.counter_of("followed_total", "Followed.", lambda: numbers["followed"])
metrics.gauge_of("held", "Held.", lambda: numbers["held"])
metrics.gauge_of("least", "Least.", lambda: numbers["least"], mode="livemin")

def do(number, outcome="ok"):
    done.labels(outcome).inc(number)

def write():
    try:
        return metrics.write().decode()
    except OSError as failure:
        return str(failure)

def have(**changed):
    numbers.update(changed)
    metrics.refresh()

actions = {"do": do, "take": took.observe, "have": have, "write": write, "close": metrics.close}
print(json.dumps("ready"), flush=True)
for line in sys.stdin:
    name, arguments, named = json.loads(line)
    print(json.dumps(actions[name](*arguments, **named)), flush=True)
"""
OWNER = """
import sys, time
from app.observing.sharing import open_shared_directory
with open_shared_directory(2) as directory:
    print(directory, flush=True)
    time.sleep(60)
"""


class Process:
    """A process that counts in a directory."""

    def __init__(self, directory: Path) -> None:
        command = [sys.executable, "-c", PROCESS, str(directory)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._read() == "ready"

    def _read(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())

    def tell(self, name: str, *arguments: object, **named: object) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([name, arguments, named]).encode() + b"\n")
        self._process.stdin.flush()
        return self._read()

    def read(self) -> Numbers:
        """The numbers of all processes, as this one shows them."""
        return read_numbers(self.tell("write"))

    def end(self, *, is_killed: bool = False) -> None:
        if is_killed:
            self._process.kill()
        elif self._process.poll() is None:
            self.tell("close")
        self._process.communicate()


StartProcess = Callable[[], Process]


@pytest.fixture
def directory() -> Iterator[Path]:
    with open_shared_directory(2) as created:
        yield created


@pytest.fixture
def start(directory: Path) -> Iterator[StartProcess]:
    """Starts processes that share the directory."""
    with ExitStack() as ending:

        def start_one() -> Process:
            process = Process(directory)
            ending.callback(process.end, is_killed=True)
            return process

        yield start_one


def test_the_processes_numbers_are_added_up(start: StartProcess) -> None:
    first, second = start(), start()
    first.tell("have", held=1, least=5, followed=10)
    second.tell("have", held=2, least=4, followed=20)
    first.tell("do", 10)
    second.tell("do", 3)
    for seconds in (0.0007, 0.3, 100):
        second.tell("take", seconds)
    first.tell("take", 0.3)
    numbers = first.read()
    assert numbers == second.read()
    assert (numbers[DONE], numbers[HELD], numbers[LEAST], numbers[FOLLOWED]) == (13, 3, 4, 30)
    bounds = ("0.001", "0.25", "0.5", "10.0", "+Inf")
    assert [numbers["took_seconds_bucket", bound] for bound in bounds] == [1, 1, 3, 3, 4]
    assert numbers[TOOK] == 4
    assert numbers["took_seconds_sum",] == pytest.approx(100.6007)


@pytest.mark.parametrize("is_killed", [False, True])
def test_what_an_ended_process_did_lasts_and_what_it_held_does_not(start: StartProcess, *, is_killed: bool) -> None:
    first, second = start(), start()
    first.tell("have", held=1, least=5)
    second.tell("have", held=2, least=4, followed=20)
    second.tell("do", 3)
    assert (first.read()[HELD], first.read()[LEAST]) == (3, 4)
    second.end(is_killed=is_killed)
    numbers = first.read()
    assert (numbers[DONE], numbers[HELD], numbers[LEAST], numbers[FOLLOWED]) == (3, 1, 5, 20)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_successor_continues_the_counts_in_the_same_files(
    directory: Path, start: StartProcess, *, is_killed: bool
) -> None:
    lasting = start()
    files = set(directory.iterdir())
    for number in range(1, 6):
        process = start()
        process.tell("have", held=1, least=1, followed=2)
        process.tell("do", 1)
        process.tell("take", 0.1)
        numbers = lasting.read()
        assert (numbers[DONE], numbers[FOLLOWED], numbers[TOOK]) == (
            number,
            2 * number,
            number,
        )
        assert numbers[HELD] == 1
        process.end(is_killed=is_killed)
    assert set(directory.iterdir()) == files


def test_more_processes_than_were_expected_count_too(directory: Path, start: StartProcess) -> None:
    processes = [start() for _ in range(4)]
    for process in processes:
        process.tell("do", 1)
    assert processes[0].read()[DONE] == 4
    (directory / "counter_9.db").touch()  # as a process leaves it that has just taken its number
    assert processes[0].read()[DONE] == 4


def test_counting_needs_no_more_space_than_was_reserved(directory: Path, start: StartProcess) -> None:
    reserved = {path.name: path.stat().st_size for path in directory.iterdir()}
    assert reserved == {f"{kind}{number}.db": size for kind, size in FILES.items() for number in (0, 1)}
    assert all(path.stat().st_blocks * 512 >= path.stat().st_size for path in directory.iterdir())
    for process in (start(), start()):
        for number in range(MAX_NAMES * 10):
            process.tell("do", 1, str(number) * 50)
    assert {path.name: path.stat().st_size for path in directory.iterdir()} == reserved


def test_programs_that_tidy_up_find_the_directory_locked(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    with pytest.raises(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    os.close(descriptor)


def test_a_directory_that_is_gone_is_told_and_stops_no_counting(directory: Path, start: StartProcess) -> None:
    process = start()
    for path in directory.iterdir():
        path.unlink()
    process.tell("do", 1)
    assert "has been removed" in process.tell("write")
    process.end()


def test_the_directory_goes_with_the_last_whose_owner_was_killed() -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    directory = Path(owner.stdout.readline().decode().strip())
    ending, staying = Process(directory), Process(directory)
    ending.end()
    assert is_locked(directory)
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    staying.end()
    assert not directory.exists()
