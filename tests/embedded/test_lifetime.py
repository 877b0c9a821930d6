"""The embedded Postgres runs exactly as long as a command uses it, whatever becomes of the processes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.database.embedded import run_embedded_postgres
from app.database.embedded.client import ServerLease
from tests.embedded.commands import (
    Person,
    Starter,
    find_postmaster,
    find_processes,
    find_supervisor,
    has_ended,
    is_ready,
    query,
    wait_until,
)

WRITE = "CREATE TABLE note AS SELECT 'kept' AS text"
READ = "SELECT text FROM note"
DYING_PARENT = """
import os, signal
from pathlib import Path
from app.database.embedded.postgres import Account, start_program
signal.signal(signal.SIGINT, signal.SIG_IGN)
print(start_program(["/bin/sh", "-c", "exec sleep 60 >/dev/null"], Account(), Path("/")).pid, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_it_starts_and_ends_again_and_again_and_is_faster_when_its_data_is_there(
    person: Person, new_data_dir: Path, start: Starter
) -> None:
    durations = []
    for _ in range(5):
        before = time.monotonic()
        command = start(person, new_data_dir)
        url = command.wait_until_ready()
        durations.append(time.monotonic() - before)
        assert query(url, "SELECT 1") == "1"
        assert command.finish() == ""
        assert wait_until(lambda: has_ended(new_data_dir), within=1)
    assert min(durations[1:]) < durations[0]


def test_a_second_command_uses_the_server_that_runs_and_keeps_it_alive(
    person: Person, data_dir: Path, start: Starter
) -> None:
    first = start(person, data_dir)
    url = first.wait_until_ready()
    postmaster = find_postmaster(data_dir)
    second = start(person, data_dir)
    assert second.wait_until_ready() == url
    assert first.finish() == ""
    assert query(url, "SELECT 1") == "1"
    assert find_postmaster(data_dir) == postmaster
    assert second.finish() == ""
    assert wait_until(lambda: has_ended(data_dir), within=1)


@pytest.mark.parametrize("leaving_order", [(0, 1), (1, 0)])
def test_the_last_to_leave_waits_until_all_has_stopped(place: Path, leaving_order: tuple[int, int]) -> None:
    users = [run_embedded_postgres(place / "data"), run_embedded_postgres(place / "data")]
    assert users[0].__enter__() == users[1].__enter__()
    for user in leaving_order:
        assert is_ready(place / "data", other_than=0)
        users[user].__exit__(None, None, None)
    assert not is_ready(place / "data", other_than=0)


def test_a_command_that_leaves_at_once_waits_for_its_thread(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, ended = ServerLease.watch, []

    def watch_late(self: ServerLease) -> None:
        time.sleep(0.2)
        watch(self)
        ended.append(self)

    monkeypatch.setattr(ServerLease, "watch", watch_late)
    with run_embedded_postgres(place / "data"), run_embedded_postgres(place / "data"):
        pass
    assert len(ended) == 2
    assert not is_ready(place / "data", other_than=0)


def test_a_killed_command_leaves_nothing_behind(person: Person, data_dir: Path, start: Starter) -> None:
    command = start(person, data_dir)
    command.wait_until_ready()
    assert len(find_processes(data_dir)) > 2
    command.kill()
    assert wait_until(lambda: has_ended(data_dir))
    assert {path.name for path in (data_dir / "embedded").iterdir()} == {"lock", "postgres.log", "postgres-18"}


def test_a_child_of_the_command_does_not_keep_the_server_alive(person: Person, data_dir: Path, start: Starter) -> None:
    command = start(person, data_dir, "/bin/sleep", "60")
    _, child = command.read_words()
    try:
        command.kill()
        assert wait_until(lambda: has_ended(data_dir))
        assert Path("/proc", child).exists()
    finally:
        os.kill(int(child), signal.SIGKILL)


def test_a_program_that_has_just_been_started_ends_with_a_parent_that_ignores_interrupts(code: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent died")
    parent = subprocess.run([sys.executable, "-c", DYING_PARENT], stdout=subprocess.PIPE, cwd=code, check=False)
    assert parent.returncode == -signal.SIGKILL
    assert wait_until(lambda: not Path("/proc", parent.stdout.decode().strip()).exists())


def test_a_killed_postmaster_is_started_again_with_the_data_at_the_same_url(
    person: Person, data_dir: Path, start: Starter
) -> None:
    command = start(person, data_dir)
    url = command.wait_until_ready()
    query(url, WRITE)
    postmaster = find_postmaster(data_dir)
    os.kill(postmaster, signal.SIGKILL)
    assert wait_until(lambda: find_processes(data_dir) and is_ready(data_dir, other_than=postmaster))
    assert query(url, READ) == "kept"
    late = start(person, data_dir)
    assert late.wait_until_ready() == url
    assert late.finish() == ""
    assert command.finish() == ""


def test_after_everything_was_killed_the_next_start_has_the_data(
    person: Person, data_dir: Path, start: Starter
) -> None:
    command = start(person, data_dir)
    query(command.wait_until_ready(), WRITE)
    command.kill_with_server(data_dir)
    again = start(person, data_dir)
    assert query(again.wait_until_ready(), READ) == "kept"
    assert again.finish() == ""
    assert {path.name for path in (data_dir / "embedded").iterdir()} == {"lock", "postgres.log", "postgres-18"}


def test_commands_that_start_at_once_share_one_server(person: Person, new_data_dir: Path, start: Starter) -> None:
    commands = [start(person, new_data_dir) for _ in range(12)]
    assert len({command.wait_until_ready() for command in commands}) == 1
    assert find_supervisor(new_data_dir)
    assert [command.finish() for command in commands] == [""] * 12
    assert wait_until(lambda: has_ended(new_data_dir), within=1)


def test_a_command_that_comes_while_the_last_one_leaves_gets_a_server(
    person: Person, data_dir: Path, start: Starter
) -> None:
    current = start(person, data_dir)
    query(current.wait_until_ready(), WRITE)
    for turn in range(10):
        following = start(person, data_dir)
        time.sleep(0.01 * turn)
        current.begin_to_finish()
        assert query(following.wait_until_ready(), READ) == "kept"
        assert current.finish() == ""
        current = following
    assert current.finish() == ""


@pytest.mark.parametrize("delay", [0.05, 0.3])
def test_a_start_that_is_killed_half_way_does_not_stop_the_next(
    person: Person, new_data_dir: Path, start: Starter, delay: float
) -> None:
    half = start(person, new_data_dir)
    home = new_data_dir / "embedded"
    assert wait_until(lambda: any(home.glob("unfinished*")))
    time.sleep(delay)
    os.kill(find_supervisor(new_data_dir), signal.SIGKILL)
    half.kill()
    command = start(person, new_data_dir)
    assert query(command.wait_until_ready(), "SELECT 1") == "1"
    assert not any(home.glob("unfinished*"))
    assert command.finish() == ""
