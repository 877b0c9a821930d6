"""The supervisor may end in any way: Postgres ends with it, and comes back if it is still wanted."""

import os
import signal
from pathlib import Path

from tests.embedded.commands import (
    Person,
    Starter,
    find_postmaster,
    find_processes,
    find_supervisor,
    has_ended,
    is_ready,
    kill_if_there,
    query,
    wait_until,
)

WRITE = "CREATE TABLE note AS SELECT 'kept' AS text"
READ = "SELECT text FROM note"


def test_a_killed_supervisor_takes_postgres_with_it_and_the_next_command_starts_another(
    person: Person, data_dir: Path, start: Starter
) -> None:
    first = start(person, data_dir)
    query(first.wait_until_ready(), WRITE)
    os.kill(find_supervisor(data_dir), signal.SIGKILL)
    second = start(person, data_dir)
    url = second.wait_until_ready()
    assert first.finish() == ""
    assert query(url, READ) == "kept"
    assert second.finish() == ""
    assert wait_until(lambda: has_ended(data_dir), within=1)


def test_a_killed_supervisor_is_replaced_and_the_data_is_back_at_the_same_url(
    person: Person, data_dir: Path, start: Starter
) -> None:
    commands = [start(person, data_dir) for _ in range(2)]
    [url] = {command.wait_until_ready() for command in commands}
    query(url, WRITE)
    for _ in range(2):
        postmaster = find_postmaster(data_dir)
        os.kill(find_supervisor(data_dir), signal.SIGKILL)
        assert wait_until(lambda: is_ready(data_dir, other_than=postmaster))  # noqa: B023
        assert query(url, READ) == "kept"
    assert commands[0].finish() == ""
    assert query(url, READ) == "kept"
    assert commands[1].finish() == ""
    assert wait_until(lambda: has_ended(data_dir), within=1)
    assert {path.name for path in (data_dir / "embedded").iterdir()} == {"lock", "postgres.log", "postgres-18"}


def test_a_killed_supervisor_and_its_command_leave_nothing_behind(
    person: Person, data_dir: Path, start: Starter
) -> None:
    command = start(person, data_dir)
    command.wait_until_ready()
    supervisor = find_supervisor(data_dir)
    os.kill(command.process.pid, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    command.kill()
    assert wait_until(lambda: has_ended(data_dir))


def test_a_postgres_that_is_not_told_of_its_supervisors_end_is_ended_by_the_next_command(
    person: Person, data_dir: Path, start: Starter, code_of_another_system: Path
) -> None:
    command = start(person, data_dir, code=code_of_another_system)
    query(command.wait_until_ready(), WRITE)
    postmaster, supervisor = find_postmaster(data_dir), find_supervisor(data_dir)
    os.kill(command.process.pid, signal.SIGSTOP)
    os.kill(supervisor, signal.SIGKILL)
    command.kill()
    assert not wait_until(lambda: has_ended(data_dir), within=0.5)
    again = start(person, data_dir, code=code_of_another_system)
    assert query(again.wait_until_ready(), READ) == "kept"
    assert find_postmaster(data_dir) != postmaster
    assert again.finish() == ""


def test_a_terminated_supervisor_stops_postgres_in_order(person: Person, data_dir: Path, start: Starter) -> None:
    command = start(person, data_dir)
    command.wait_until_ready()
    supervisor = find_supervisor(data_dir)
    os.kill(supervisor, signal.SIGINT)
    os.kill(supervisor, signal.SIGHUP)
    assert not wait_until(lambda: supervisor not in find_processes(data_dir), within=0.3)
    os.kill(supervisor, signal.SIGTERM)
    assert wait_until(lambda: has_ended(data_dir))
    assert "database system is shut down" in (data_dir / "embedded" / "postgres.log").read_text()
    assert {path.name for path in (data_dir / "embedded").iterdir()} == {"lock", "postgres.log", "postgres-18"}
    assert command.finish() == ""


def test_a_command_gives_up_on_a_postgres_that_keeps_crashing(person: Person, data_dir: Path, start: Starter) -> None:
    command = start(person, data_dir)
    command.wait_until_ready()
    killed: list[int] = [0]
    while len(killed) < 20 and wait_until(lambda: is_ready(data_dir, other_than=killed[-1]), within=5):
        killed.append(find_postmaster(data_dir))
        kill_if_there(killed[-1])
    assert 5 < len(killed) < 20
    assert has_ended(data_dir)
    assert "keeps crashing" in command.finish()
    after = start(person, data_dir)
    assert query(after.wait_until_ready(), "SELECT 1") == "1"
    assert after.finish() == ""
