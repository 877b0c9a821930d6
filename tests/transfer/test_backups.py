"""Backups by the documented commands: made, restored into an empty server, and compared record by record."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.attendance.demo import DEMO_SITES, generate_records
from app.database.migrations import SERVICE_ROLE, migrate
from app.database.pool import Database
from app.database.sites import fetch_sites
from app.database.transfer import store_batch
from app.errors import ConfigurationError
from app.sql.writes import render_delete
from tests.support.own_postgres import OwnPostgres

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/backups.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
MAKE_ROLE, BACK_UP, BACK_UP_AS_OWNER, RESTORE = COMMANDS
NOW = datetime(2026, 11, 1, tzinfo=UTC)
DATABASE = "CREATE DATABASE {0} OWNER {0}"
SITES = [uuid4() for _ in range(3)]
SELECT_ALL = "SELECT attendance::text FROM attendance ORDER BY site_id, id"
SELECT_DELETIONS = "SELECT attendance_deletion::text FROM attendance_deletion ORDER BY site_id, id"
SELECT_REVISIONS = "SELECT revision % 4294967296 FROM site_revision ORDER BY site_id"


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[OwnPostgres, OwnPostgres]]:
    """A server with records, and an empty one."""
    folder = Path(tempfile.mkdtemp(prefix="backups-"))
    folder.chmod(0o755)
    made = []
    for name in ("full", "empty"):
        (folder / name).mkdir(mode=0o755)
        made.append(OwnPostgres(folder / name))
        made[-1].start()
    yield made[0], made[1]
    for server in made:
        server.stop()
    shutil.rmtree(folder)


def name_user(server: OwnPostgres, user: str, database: str | None = None) -> str:
    return server.url.replace("postgres@/postgres", f"{user}@/{database or user}")


async def execute(url: str, *commands: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for command in commands:
            await connection.execute(command)
    finally:
        await connection.close()


async def fetch_all(url: str, query: str = SELECT_ALL) -> list[str]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


@pytest.fixture(scope="module")
async def source(servers: tuple[OwnPostgres, OwnPostgres]) -> OwnPostgres:
    """The server whose database `keeper` has three sites' records, and an owner who is bound by row security."""
    server, _ = servers
    await execute(server.url, "CREATE ROLE keeper LOGIN CREATEROLE", DATABASE.format("keeper"))
    await migrate(name_user(server, "keeper"), row_security=True)
    connection = await asyncpg.connect(name_user(server, "keeper"))
    try:
        await connection.execute(f"SET ROLE {SERVICE_ROLE}")
        for number, site_id in enumerate(SITES):
            await connection.fetchval("SELECT set_config('attendance.site_id', $1, false)", str(site_id))
            rows = generate_records(DEMO_SITES[1])[number::4]
            hard = rows[0]._replace(id=str(uuid4()), session_id="a\tb\\.\nCOPY \N{SNOWMAN}'\"$")
            await store_batch(connection, site_id, [*rows, hard], at=NOW)
            deletion = render_delete(site_id, [hard.id], NOW, NOW)
            assert len(await connection.fetch(deletion.text, *deletion.arguments)) == 1
            await store_batch(connection, site_id, [hard._replace(id=str(uuid4()))], at=NOW)
    finally:
        await connection.close()
    return server


def run(commands: str, server: OwnPostgres, folder: Path, **urls: str) -> "subprocess.CompletedProcess[str]":
    """Run commands of the page as a shell runs them, from the project's root, with their file in `folder`."""
    script = commands.replace("attendance.dump", str(folder / "attendance.dump"))
    programs = os.pathsep.join([str(server.programs / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]])
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATTENDANCE_", "PG"))}
    return subprocess.run(
        ["/bin/sh", "-e", "-c", script],
        cwd=ROOT,
        env={**kept, "PATH": programs, **urls},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def list_names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


@pytest.fixture(scope="module")
def backup_role(source: OwnPostgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The URL of the role that the page has an administrator make."""
    made = run(MAKE_ROLE, source, tmp_path_factory.mktemp("role"), ADMIN_URL=source.url)
    assert made.returncode == 0, made.stderr
    return name_user(source, "attendance_backup", "keeper")


@pytest.fixture
async def empty_server(servers: tuple[OwnPostgres, OwnPostgres]) -> AsyncIterator[OwnPostgres]:
    """A server with the empty database `fresh`, and a user of that name who owns it."""
    _, server = servers
    await execute(server.url, "CREATE ROLE fresh LOGIN CREATEROLE", DATABASE.format("fresh"))
    yield server
    await execute(
        server.url, "DROP DATABASE fresh WITH (FORCE)", f"DROP ROLE IF EXISTS {SERVICE_ROLE}", "DROP ROLE fresh"
    )


async def check_restored(source: OwnPostgres, url: str, owner_url: str) -> None:
    """Every record and deletion is there, and the service works on it, bound to one site."""
    original = name_user(source, "postgres", "keeper")
    expected = await fetch_all(original)
    assert len(expected) > 2000
    assert await fetch_all(url) == expected
    for query in (SELECT_DELETIONS, SELECT_REVISIONS):
        assert await fetch_all(url, query) == await fetch_all(original, query) != []
    counts = {str(site_id): sum(f"({site_id}," in row for row in expected) for site_id in SITES}
    assert {str(site_id): records for site_id, records in await fetch_sites(owner_url)} == counts
    database = Database(owner_url, pool_size=1, row_security=True)
    await database.open()
    try:
        assert await database.explain_unreadiness() is None
        (row,) = await database.fetch_rows("SELECT count(*) AS records FROM attendance", [], SITES[0])
        assert row["records"] == counts[str(SITES[0])]
        (row,) = await database.fetch_rows("SELECT count(*) AS records FROM attendance", [], UUID(int=1))
        assert row["records"] == 0
    finally:
        await database.close()


@pytest.mark.parametrize("way", ["role", "owner", "superuser"])
@pytest.mark.parametrize("new_owner", ["superuser", "owner", "owner without CREATEROLE"])
async def test_a_backup_is_restored_into_an_empty_server_with_every_record(
    empty_server: OwnPostgres,
    source: OwnPostgres,
    backup_role: str,
    tmp_path: Path,
    way: str,
    new_owner: str,
) -> None:
    superuser = name_user(source, "postgres", "keeper")
    urls = {"role": backup_role, "owner": name_user(source, "keeper"), "superuser": superuser}
    commands = BACK_UP_AS_OWNER if way == "owner" else BACK_UP
    copied = run(commands, source, tmp_path, BACKUP_URL=urls[way], OWNER_URL=urls[way])
    assert copied.returncode == 0, copied.stderr
    count = len(await fetch_all(urls["superuser"]))
    assert copied.stdout == f"{count} records copied to {tmp_path / 'attendance.dump'}\n"
    assert list_names(tmp_path) == ["attendance.dump"]

    target = empty_server
    if new_owner == "owner without CREATEROLE":
        grant = f"GRANT {SERVICE_ROLE} TO fresh"
        await execute(target.url, f"CREATE ROLE {SERVICE_ROLE} NOLOGIN", grant, "ALTER ROLE fresh NOCREATEROLE")
    url = name_user(target, "postgres" if new_owner == "superuser" else "fresh", "fresh")
    restored = run(RESTORE, target, tmp_path, RESTORE_URL=url)
    assert restored.returncode == 0, restored.stderr
    assert [line.split() for line in restored.stdout.splitlines()[-3:]] == [
        [str(site_id), str(records)] for site_id, records in await fetch_sites(url)
    ]
    await check_restored(source, name_user(target, "postgres", "fresh"), url)
    again = run(RESTORE, target, tmp_path, RESTORE_URL=url)
    assert (again.returncode, again.stderr) == (
        *(1, "restore: the database is not empty: it has a table of attendance already\n"),
    )


def test_without_the_script_the_owner_copies_nothing(source: OwnPostgres, tmp_path: Path) -> None:
    plain = run('pg_dump "$URL" > attendance.dump', source, tmp_path, URL=name_user(source, "keeper"))
    assert plain.returncode != 0
    assert 'row-level security policy for table "attendance"' in plain.stderr
    bound = 'pg_dump --enable-row-security "$URL" > attendance.dump'
    silent = run(bound, source, tmp_path, URL=name_user(source, "keeper"))
    assert silent.returncode == 0
    assert re.search(r"^COPY public\.attendance .*\n\\\.$", (tmp_path / "attendance.dump").read_text(), re.MULTILINE)


async def test_the_script_refuses_a_user_who_sees_one_site_at_a_time(source: OwnPostgres, tmp_path: Path) -> None:
    await execute(source.url, "DROP ROLE IF EXISTS reader", "CREATE ROLE reader LOGIN IN ROLE pg_read_all_data")
    refused = run(BACK_UP, source, tmp_path, BACKUP_URL=name_user(source, "reader", "keeper"))
    assert refused.returncode == 1
    assert "this user sees one site at a time" in refused.stderr
    assert list_names(tmp_path) == []
    with pytest.raises(ConfigurationError, match="cannot see all sites"):
        await fetch_sites(name_user(source, "reader", "keeper"))


def test_the_script_refuses_a_session_that_cannot_ask_for_all_sites(source: OwnPostgres, tmp_path: Path) -> None:
    url = name_user(source, "keeper") + "&options=-c%20jit%3Doff"
    refused = run(BACK_UP_AS_OWNER, source, tmp_path, OWNER_URL=url)
    assert refused.returncode == 1
    assert "the session cannot ask for all sites" in refused.stderr
    assert list_names(tmp_path) == []


async def test_a_backup_that_fails_leaves_the_one_before(source: OwnPostgres, backup_role: str, tmp_path: Path) -> None:
    file = tmp_path / "attendance.dump"
    file.write_text("the one before")
    failed = run(BACK_UP, source, tmp_path, BACKUP_URL=backup_role.replace("port=5432", "port=1"))
    assert failed.returncode != 0
    assert file.read_text() == "the one before"
    assert list_names(tmp_path) == ["attendance.dump"]


async def test_the_owner_sees_all_sites_only_when_it_says_so(source: OwnPostgres) -> None:
    connection: Any = await asyncpg.connect(name_user(source, "keeper"))
    try:
        count = "SELECT count(*) FROM attendance"
        assert await connection.fetchval(count) == 0
        await connection.execute("SET attendance.all_sites = 'on'")
        assert await connection.fetchval(count) > 2000
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("INSERT INTO attendance VALUES ($1, $1, $1, 's', 'ATTENDED', 1)", uuid4())
        assert await connection.execute("DELETE FROM attendance") == "DELETE 0"
        await connection.execute(f"SET ROLE {SERVICE_ROLE}")
        assert await connection.fetchval(count) == 0
    finally:
        await connection.close()


def test_the_page_and_the_scripts_warn_of_the_option() -> None:
    assert "Never `pg_dump --enable-row-security` by itself" in PAGE
    for script in ("backup.sh", "restore.sh"):
        assert f"deploy/{script}" in PAGE
        assert os.access(ROOT / "deploy" / script, os.X_OK)
