"""Variables, homes, users and disks that the embedded Postgres meets: none of them is taken for another."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.database.embedded.postgres import LOG_NAME
from app.errors import ConfigurationError
from app.settings import load_settings
from tests.embedded.commands import PATIENCE, Person, Starter, find_packages
from tests.support.commands import run_command

CONNECT = """
import asyncio, sys
from app.database.driver import open_connection

async def main():
    try:
        connection = await open_connection(sys.argv[1], timeout=30)
        print(await connection.fetchval("SELECT 'connected'"))
    except Exception as failure:
        print(type(failure).__name__, failure)

asyncio.run(main())
"""
OF_ANOTHER_SERVER = {
    "PGSSLMODE": "verify-full",
    "PGTARGETSESSIONATTRS": "standby",
    "PGSSLNEGOTIATION": "direct",
    "PGGSSLIB": "nonsense",
    "PGHOST": "elsewhere.test",
    "PGPORT": "1",
    "PGUSER": "stranger",
    "PGPASSWORD": "wrong",
    "PGDATABASE": "nowhere",
    "PGSERVICE": "nothing",
    "PGSSLROOTCERT": "/no/such/file",
    "PGSSLCERT": "/no/such/file",
    "PGPASSFILE": "/no/such/file",
    "PGOPTIONS": "-c search_path=nowhere",
    "PGCONNECT_TIMEOUT": "1",
}
NAMELESS = 47_110
SITE = "00000000-0000-0000-0000-000000000001"


def connect(person: Person, code: Path, url: str, **variables: str) -> str:
    """What an attempt to connect to a URL gives, for that person with these variables."""
    search_path = os.pathsep.join([str(code), str(find_packages())])
    done = subprocess.run(
        [person.python, "-c", CONNECT, url],
        env={"PATH": os.defpath, "PYTHONPATH": search_path, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE,
        **person.options,
    )
    return done.stdout.strip()


def test_variables_of_another_server_do_not_keep_anybody_from_this_one(
    person: Person, code: Path, data_dir: Path, start: Starter
) -> None:
    command = start(person, data_dir, **OF_ANOTHER_SERVER)
    url = command.wait_until_ready()
    for name, value in OF_ANOTHER_SERVER.items():
        assert connect(person, code, url, **{name: value}) == "connected", name
    assert connect(person, code, url, **OF_ANOTHER_SERVER) == "connected"
    assert command.finish() == ""


@pytest.mark.parametrize("sslmode", ["", "prefer", "require"])
def test_a_home_that_cannot_be_read_counts_as_one_without_a_certificate(
    ordinary_user: Person, code: Path, place: Path, sslmode: str
) -> None:
    home = place / "home"
    home.mkdir(mode=0o000 if ordinary_user.is_other else 0o300)
    if not ordinary_user.is_other:
        pytest.skip("only root makes a home that this user cannot enter")
    url = f"postgresql://user@127.0.0.1:1/data{'?sslmode=' if sslmode else ''}{sslmode}"
    assert connect(ordinary_user, code, url, HOME=str(home)).startswith("ConnectionRefusedError")


def test_a_user_without_a_name_is_told_so_or_connects_by_the_name_in_the_url(ordinary_user: Person, code: Path) -> None:
    if not ordinary_user.is_other:
        pytest.skip("only root becomes a user without a name")
    nameless = Person(ordinary_user.python, NAMELESS, NAMELESS)
    outcome = connect(nameless, code, "postgresql://127.0.0.1:1/data")
    assert outcome.startswith("ConnectionError the URL of the database names no user")
    assert connect(nameless, code, "postgresql://user@127.0.0.1:1/data").startswith("ConnectionRefusedError")


def test_a_user_without_a_name_is_told_what_to_set(ordinary_user: Person, place: Path, start: Starter) -> None:
    if not ordinary_user.is_other:
        pytest.skip("only root becomes a user without a name")
    nameless = Person(ordinary_user.python, NAMELESS, NAMELESS)
    refusal = start(nameless, nameless.give(place) / "data").finish()
    assert refusal.startswith(f"refused: the embedded Postgres does not run as the user number {NAMELESS}")
    assert "ATTENDANCE_DATABASE_URL" in refusal
    assert len(refusal.splitlines()) == 1


@pytest.fixture
def mount(place: Path, root: Person) -> Iterator[Path]:
    """A directory on a disk of its own; only root can make one, and not everywhere."""
    assert root.user == 0
    disk = place / "disk"
    disk.mkdir()
    made = subprocess.run(["/bin/mount", "-t", "tmpfs", "-o", "size=24M,mode=755", "tmpfs", str(disk)], check=False)
    if made.returncode:
        pytest.skip("needs the right to mount a disk")
    yield disk
    subprocess.run(["/bin/umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("free", [0, 64 * 1024, 2_000_000, 12_000_000])
def test_a_full_disk_is_told_as_one(root: Person, mount: Path, start: Starter, free: int) -> None:
    status = os.statvfs(mount)
    with (mount / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, status.f_bavail * status.f_frsize - free)
    refusal = start(root, mount / "data").finish()
    assert refusal.startswith("refused: the embedded Postgres ")
    assert "no space is left on the disk of " in refusal
    assert "ATTENDANCE_DATA_DIR" in refusal
    assert len(refusal.splitlines()) == 1


def test_a_disk_that_is_read_only_names_the_setting(root: Person, mount: Path, start: Starter) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,ro", str(mount)], check=True)
    refusal = start(root, mount / "data").finish()
    assert refusal.startswith(f"refused: the embedded Postgres cannot use {mount}")
    assert "Read-only file system" in refusal
    assert "ATTENDANCE_DATA_DIR" in refusal


def test_a_disk_that_becomes_full_afterwards_is_told_as_one(root: Person, mount: Path, start: Starter) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,size=200M", str(mount)], check=True)
    command = start(root, mount / "data")
    command.wait_until_ready()
    assert command.finish() == ""
    (mount / "data" / "embedded" / LOG_NAME).write_text("")
    status = os.statvfs(mount)
    with (mount / "filler").open("wb") as filler:
        os.posix_fallocate(filler.fileno(), 0, status.f_bavail * status.f_frsize)
    refusal = start(root, mount / "data").finish()
    assert "no space is left on the disk of " in refusal


def test_a_disk_that_becomes_full_while_the_demo_is_loaded_is_told_as_one(mount: Path) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,size=70M", str(mount)], check=True)
    done = run_command(mount / "data", "demo")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(f"Error: no space is left on the disk of {mount}")
    assert "ATTENDANCE_DATA_DIR" in done.stderr


@pytest.mark.parametrize("command", [("token", "--site", SITE), ("serve",), ("demo",)])
def test_a_data_directory_that_cannot_be_written_names_the_setting(tmp_path: Path, command: tuple[str, ...]) -> None:
    (tmp_path / "file").touch()
    done = run_command(tmp_path / "file" / "data", *command)
    assert done.returncode == 2
    assert "cannot be written: Not a directory; set ATTENDANCE_DATA_DIR" in done.stderr


@pytest.mark.parametrize("home", [None, ""])
def test_without_home_the_passwd_entry_says_where_data_is(monkeypatch: pytest.MonkeyPatch, home: str | None) -> None:
    environ = {} if home is None else {"HOME": home}
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("pwd.getpwuid", lambda _: type("Entry", (), {"pw_dir": "/home/by-passwd"}))
    assert load_settings(environ).data_dir == Path("/home/by-passwd/.local/share/attendance")
    assert load_settings({"HOME": "/elsewhere"}).data_dir == Path("/elsewhere/.local/share/attendance")


def test_without_any_home_the_setting_is_named_where_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nobody(_number: int) -> None:
        raise KeyError

    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr("pwd.getpwuid", find_nobody)
    with pytest.raises(ConfigurationError, match="ATTENDANCE_DATA_DIR"):
        load_settings({})
    assert load_settings({"ATTENDANCE_DATA_DIR": "/data"}).data_dir == Path("/data")
    assert load_settings({"ATTENDANCE_DATABASE_URL": "postgresql://one/data"}).database_url
