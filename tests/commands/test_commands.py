"""The commands as processes: what they print, and how they end."""

import json
from pathlib import Path

import jwt
import pytest

from tests.support.commands import run_command
from tests.support.service import ALL_SCOPES, READ_SCOPE, SECRET, WRITE_SCOPE

SITE = "5d3c0f8e-7a51-4c39-8a54-3a1f0a1d9f10"
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def read_claims(token: str, secret: str = SECRET) -> dict[str, str]:
    claims: dict[str, str] = jwt.decode(token.strip(), secret, algorithms=["HS256"], options={"require": ["exp"]})
    return claims


def test_a_token_may_read_and_write_unless_scopes_are_given(tmp_path: Path) -> None:
    plain = run_command(tmp_path, "token", "--site", SITE, JWT_SECRET=SECRET)
    assert plain.returncode == 0
    assert read_claims(plain.stdout)["site_id"] == SITE
    assert read_claims(plain.stdout)["scope"] == f"{READ_SCOPE} {WRITE_SCOPE}"

    given = ["--scope", ALL_SCOPES[1], "--scope", ALL_SCOPES[2]]
    chosen = run_command(tmp_path, "token", "--site", SITE, *given, JWT_SECRET=SECRET, JWT_AUDIENCE="us")
    claims = jwt.decode(chosen.stdout.strip(), SECRET, algorithms=["HS256"], audience="us")
    assert claims["scope"] == f"{ALL_SCOPES[1]} {ALL_SCOPES[2]}"


def test_without_a_key_a_random_secret_is_made_once_and_kept_private(tmp_path: Path) -> None:
    first = run_command(tmp_path, "token", "--site", SITE)
    secret_file = tmp_path / "jwt-secret"
    assert secret_file.stat().st_mode & 0o777 == 0o600
    second = run_command(tmp_path, "token", "--site", SITE)
    for token in (first, second):
        assert read_claims(token.stdout, secret_file.read_text())["site_id"] == SITE


@pytest.mark.parametrize(
    ("arguments", "settings", "named"),
    [
        (["token", "--site", "no-guid"], {}, "--site"),
        (["token", "--site", SITE], {"DATABASE_URL": NOWHERE}, "ATTENDANCE_JWT_SECRET"),
        (["token", "--site", SITE], {"JWKS_URL": "https://keys.example"}, "ATTENDANCE_JWT_SECRET"),
        (["token", "--site", SITE, "--scope", "EVERYTHING"], {}, "--scope"),
        (["serve"], {"DATABASE_URL": NOWHERE}, "ATTENDANCE_JWT_SECRET"),
        (["serve"], {"DATABASE_URL": NOWHERE, "JWT_PUBLIC_KEY": "no key"}, "ATTENDANCE_JWT_PUBLIC_KEY"),
        (["serve"], {"DATABASE_URL": NOWHERE, "JWKS_URL": "file:///keys"}, "ATTENDANCE_JWKS_URL"),
        (["serve"], {"POOL_SIZE": "many"}, "ATTENDANCE_POOL_SIZE"),
        (["serve", "--port", "0"], {}, "--port"),
        (["migrate"], {"DATABASE_URL": NOWHERE}, "database"),
        (["export", "--site", SITE], {"DATABASE_URL": NOWHERE}, "database"),
        (["import", "missing.csv", "--site", SITE], {"DATABASE_URL": NOWHERE}, "missing.csv"),
        (["import", "README.md", "--site", SITE], {"DATABASE_URL": NOWHERE}, "--format"),
    ],
)
def test_what_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, arguments: list[str], settings: dict[str, str], named: str
) -> None:
    ended = run_command(tmp_path, *arguments, **settings)
    assert ended.returncode == 2
    assert ended.stdout == ""
    lines = [line for line in ended.stderr.splitlines() if line and not line.startswith(("Usage:", "Try "))]
    assert len(lines) == 1
    assert named in lines[0]


def test_records_go_in_and_out_and_in_again(tmp_path: Path) -> None:
    sample = str(Path(__file__).parents[1] / "data/fitness_sample.csv")
    count = len(Path(sample).read_text().splitlines()) - 1
    stored = run_command(tmp_path, "import", sample, "--site", SITE)
    assert (stored.returncode, stored.stdout) == (0, f"{count} created, 0 updated, 0 unchanged, 0 rejected\n")
    exported = run_command(tmp_path, "export", "--site", SITE)
    again = run_command(tmp_path, "import", "-", "--format", "ndjson", "--site", SITE, content=exported.stdout.encode())
    assert (again.returncode, again.stdout) == (0, f"0 created, 0 updated, {count} unchanged, 0 rejected\n")
    assert run_command(tmp_path, "export", "--site", SITE).stdout == exported.stdout


def test_a_rejected_record_is_told_and_the_rest_is_stored(tmp_path: Path) -> None:
    file = tmp_path / "records.ndjson"
    good = {"bookingId": SITE, "sessionId": "session", "status": "ATTENDED", "numberOfAttendees": 2}
    file.write_text("\n".join(json.dumps(record) for record in (good, {**good, "status": "LATE"}, good)))
    ended = run_command(tmp_path, "import", str(file), "--site", SITE)
    assert (ended.returncode, ended.stdout) == (1, "1 created, 0 updated, 1 unchanged, 1 rejected\n")
    assert "Traceback" not in ended.stderr
    reject = json.loads((tmp_path / "records.ndjson.rejects.ndjson").read_text())
    assert reject["line"] == 2
    assert "status" in reject["reason"]


def test_a_dry_run_says_what_would_be_done_and_does_nothing(tmp_path: Path) -> None:
    sample = str(Path(__file__).parents[1] / "data/fitness_sample.ndjson")
    count = len(Path(sample).read_text().splitlines())
    tried = run_command(tmp_path, "import", sample, "--site", SITE, "--dry-run")
    assert (tried.returncode, tried.stdout) == (0, f"would be: {count} created, 0 updated, 0 unchanged, 0 rejected\n")
    assert run_command(tmp_path, "export", "--site", SITE).stdout == ""


def test_migrating_twice_says_so(tmp_path: Path) -> None:
    assert run_command(tmp_path, "migrate").stdout == "the database is up to date\n"
