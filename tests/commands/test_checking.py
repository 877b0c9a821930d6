"""`attendance check` tells line by line what is right and what is wrong, and its exit code tells the same."""

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import asyncpg
import pytest

from app.database import diagnosis
from app.database.diagnosis import diagnose_primary
from app.database.migrations import migrate
from tests.support.commands import run_command
from tests.support.service import SECRET

SUBJECTS = ["settings", "keys", "database", "role", "migrations", "workers", "clock", "replica"]


def check(tmp_path: Path, **settings: str) -> tuple[int, dict[str, str]]:
    """The exit code, and what is said of each subject."""
    done = run_command(tmp_path, "check", **settings)
    assert done.stderr == ""
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert list(lines) == SUBJECTS
    return done.returncode, lines


def test_a_working_configuration_is_right_in_each_line(tmp_path: Path, database_url: str) -> None:
    code, lines = check(tmp_path, DATABASE_URL=database_url, JWT_SECRET=SECRET)
    assert code == 0
    assert {name for name, text in lines.items() if text.startswith("ok")} == set(SUBJECTS)
    assert re.fullmatch(r"ok: Postgres \S+.*, UTF8", lines["database"])
    assert lines["migrations"].startswith("ok: up to 0")
    assert lines["replica"] == "ok: none"


def test_without_settings_the_embedded_postgres_is_checked(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    code, lines = check(tmp_path)
    assert code == 0, lines


def test_a_replica_is_checked_too(tmp_path: Path, database_url: str) -> None:
    code, lines = check(tmp_path, DATABASE_URL=database_url, JWT_SECRET=SECRET, REPLICA_URL=database_url)
    assert (code, lines["replica"].partition(", so")[0]) == (1, "wrong: it takes writes")
    code, lines = check(
        tmp_path, DATABASE_URL=database_url, JWT_SECRET=SECRET, REPLICA_URL="postgresql://user@127.0.0.1:1/data"
    )
    assert code == 1
    assert lines["replica"].startswith("wrong: the database cannot be reached: ")
    assert lines["migrations"].startswith("ok")


async def test_a_database_that_takes_no_writes_is_wrong(tmp_path: Path, create_database: Callable[[], str]) -> None:
    url = create_database()
    await migrate(url, row_security=False)
    connection = await asyncpg.connect(url)
    name = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    await connection.close()
    code, lines = check(tmp_path, DATABASE_URL=url, JWT_SECRET=SECRET, ROW_SECURITY="off")
    assert code == 1
    assert lines["database"].startswith("wrong: it takes no writes")
    assert lines["role"].startswith("ok")


@pytest.mark.parametrize(
    ("major", "is_standby", "read_only", "trouble"),
    [
        (15, False, "off", None),
        (14, False, "off", "too old: upgrade to 15"),
        (18, True, "on", "it is a standby, which takes no writes: name the primary"),
        (18, False, "on", "it takes no writes"),
    ],
)
async def test_a_server_that_cannot_be_the_primary_is_wrong(
    *, major: int, is_standby: bool, read_only: str, trouble: str | None
) -> None:
    class Owner:
        async def fetchrow(self, _query: str) -> dict[str, object]:
            return {"version": f"{major}.1", "is_standby": is_standby, "read_only": read_only}

        def get_settings(self) -> SimpleNamespace:
            return SimpleNamespace(server_encoding="UTF8")

        def get_server_version(self) -> SimpleNamespace:
            return SimpleNamespace(major=major)

    found = (await diagnosis.diagnose_server(Owner())).trouble
    assert (found is None) == (trouble is None)
    assert (trouble or "") in (found or "")


def test_wrong_settings_are_one_line_and_nothing_else_is_checked(tmp_path: Path) -> None:
    code, lines = check(tmp_path, POOL_SIZE="many")
    assert code == 1
    assert lines["settings"] == "wrong: ATTENDANCE_POOL_SIZE must be a whole number from 1 to 1000, not 'many'"
    assert {lines[name] for name in SUBJECTS[1:]} == {"not checked"}


@pytest.mark.parametrize(
    ("name", "value", "trouble"),
    [
        ("JWT_PUBLIC_KEY", "nonsense", "ATTENDANCE_JWT_PUBLIC_KEY"),
        ("JWKS_URL", "http://127.0.0.1:1/keys", "cannot be fetched"),
        ("JWT_SECRET", "", "set one of ATTENDANCE_JWT_SECRET"),
    ],
)
def test_keys_that_verify_nothing_are_wrong(
    tmp_path: Path, database_url: str, name: str, value: str, trouble: str
) -> None:
    code, lines = check(tmp_path, DATABASE_URL=database_url, **{name: value})
    assert code == 1
    assert lines["keys"].startswith("wrong: ")
    assert trouble in lines["keys"]
    assert lines["role"].startswith("ok")


def test_a_server_that_is_not_there_is_wrong_and_what_depends_on_it_is_not_checked(tmp_path: Path) -> None:
    code, lines = check(tmp_path, DATABASE_URL="postgresql://user@127.0.0.1:1/data", JWT_SECRET=SECRET)
    assert code == 1
    assert lines["database"].startswith("wrong: the database cannot be reached: ")
    assert [lines[name] for name in ("role", "migrations", "clock")] == ["not checked"] * 3


async def test_each_fault_of_a_database_has_its_line(
    tmp_path: Path, create_database: Callable[[], str], database_url: str
) -> None:
    assert database_url  # The role exists.
    url = create_database()
    code, lines = check(tmp_path, DATABASE_URL=url, JWT_SECRET=SECRET)
    assert (code, lines["migrations"]) == (1, "wrong: the database is not migrated: run `attendance migrate`")
    assert lines["role"].startswith("ok")
    await migrate(url, row_security=True)
    code, lines = check(tmp_path, DATABASE_URL=url, JWT_SECRET=SECRET, ROW_SECURITY="off")
    assert (code, lines["migrations"].partition(":")[0]) == (1, "wrong")
    assert "ATTENDANCE_ROW_SECURITY differ" in lines["migrations"]
    connection = await asyncpg.connect(url)
    await connection.execute("REVOKE DELETE ON attendance FROM attendance_service")
    await connection.close()
    code, lines = check(tmp_path, DATABASE_URL=url, JWT_SECRET=SECRET)
    assert code == 1
    assert "GRANT DELETE ON TABLE public.attendance TO attendance_service" in lines["role"]
    await migrate(url, row_security=True)
    assert check(tmp_path, DATABASE_URL=url, JWT_SECRET=SECRET)[0] == 0


@pytest.mark.parametrize(("skew", "said"), [(60, "60 s ahead of"), (-60, "60 s behind"), (3, None)])
async def test_a_clock_that_differs_from_the_servers_is_wrong(
    database_url: str, monkeypatch: pytest.MonkeyPatch, skew: float, said: str | None
) -> None:
    now = diagnosis.time.time
    monkeypatch.setattr(diagnosis, "time", SimpleNamespace(time=lambda: now() + skew))
    clock = (await diagnose_primary(database_url, row_security=True))[-1]
    assert clock.subject == "clock"
    assert (clock.trouble is None) == (said is None)
    assert said is None or said in (clock.trouble or "")


async def test_totals_are_compared_when_asked_for(tmp_path: Path, create_database: Callable[[], str]) -> None:
    url = create_database()
    await migrate(url, row_security=True)
    owner = await asyncpg.connect(url)
    site_id = "11111111-1111-4111-8111-111111111111"
    add = f"""
        INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
        VALUES ('{site_id}', gen_random_uuid(), gen_random_uuid(), 'a session', 'ATTENDED', 2)
    """
    await owner.execute(add)
    settings = {"DATABASE_URL": url, "JWT_SECRET": SECRET}
    right = run_command(tmp_path, "check", "--totals", **settings)
    assert (right.returncode, right.stdout.splitlines()[-1].split()[:3]) == (0, ["totals", "ok:", "right"])
    await owner.execute("SET session_replication_role = replica")
    await owner.execute(add)
    wrong = run_command(tmp_path, "check", "--totals", **settings)
    assert wrong.returncode == 1
    line = wrong.stdout.splitlines()[-1]
    assert line.startswith("totals      wrong: those of 1 sites differ")
    cure = line.partition("`")[2].partition("`")[0]
    assert site_id in cure
    await owner.execute(cure)
    await owner.close()
    await migrate(url, row_security=True)
    assert run_command(tmp_path, "check", "--totals", **settings).returncode == 0
