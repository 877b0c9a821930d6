"""Import, export, sites and erase as processes: what they report, where rejects go, and how they end."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.database.migrations import migrate
from tests.conftest import in_new_loop
from tests.support.commands import COMMAND, ROOT, environment, run_command

BOOKING = "4a8e599f-6f50-52fb-af2a-3271f99623ba"
HEADER = "bookingId,sessionId,status,numberOfAttendees"
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def own_url(create_database: Callable[[], str]) -> str:
    """A database of this module's own, whose sites are known."""
    url = create_database()
    in_new_loop(migrate(url, row_security=True))
    return url


@pytest.fixture
def run(own_url: str, tmp_path: Path) -> Run:
    return lambda *arguments, **options: run_command(tmp_path, *arguments, DATABASE_URL=own_url, **options)


@pytest.fixture
def site() -> str:
    return str(uuid4())


def query(url: str, text: str, *arguments: object) -> Any:
    async def fetch() -> Any:
        connection = await asyncpg.connect(url)
        try:
            return await connection.fetchval(text, *arguments)
        finally:
            await connection.close()

    return in_new_loop(fetch())


def count_stored(url: str, site: str) -> int:
    count: int = query(url, "SELECT count(*) FROM attendance WHERE site_id = $1", UUID(site))
    return count


def write_rows(count: int, *, status: str = "ATTENDED") -> str:
    return "".join(f"{BOOKING},s{number},{status},2\n" for number in range(count))


def write_lines(count: int) -> bytes:
    record = {"bookingId": BOOKING, "status": "ATTENDED"}
    return "".join(json.dumps({**record, "sessionId": f"s{number}"}) + "\n" for number in range(count)).encode()


def test_an_unclosed_quote_costs_its_own_row_of_5000(run: Run, site: str, tmp_path: Path) -> None:
    rows = write_rows(5000).splitlines(keepends=True)
    rows[10] = f'{BOOKING},"Yoga 5,ATTENDED,2\n'
    file = tmp_path / "classes.csv"
    file.write_text(f"{HEADER}\n" + "".join(rows))
    ended = run("import", str(file), "--site", site)
    assert (ended.returncode, ended.stdout) == (1, "4999 created, 0 updated, 0 unchanged, 1 rejected\n")
    assert "line 12: the quote that opens here is not closed; the rows behind it are read" in ended.stderr


def test_the_first_three_reasons_are_shown_and_lines_that_were_not_read_are_named(
    run: Run, site: str, tmp_path: Path
) -> None:
    file = tmp_path / "late.csv"
    file.write_text(f"{HEADER}\n{write_rows(5, status='LATE')}")
    ended = run("import", str(file), "--site", site)
    reason = "status must be NOT_SET, ATTENDED or NOT_ATTENDED"
    assert (ended.returncode, ended.stdout) == (1, "0 created, 0 updated, 0 unchanged, 5 rejected\n")
    assert ended.stderr.splitlines() == [
        *(f"line {number}: {reason}" for number in (2, 3, 4)),
        "and 2 more",
        f"rejected records, each with its reason: {file}.rejects.ndjson",
    ]
    content = b"[" + b",\n".join(write_lines(2).splitlines()) + b"]\nthis is\nno record\n"
    ended = run("import", "-", "--format", "json", "--site", site, "--rejects", str(tmp_path / "r"), content=content)
    assert (ended.returncode, ended.stdout) == (1, "2 created, 0 updated, 0 unchanged, 0 rejected\n")
    assert "lines 3 to 4 were not read, because a record was expected here" in ended.stderr


def test_corrected_rejects_are_imported_as_they_are(run: Run, site: str, tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    rows = f'{BOOKING};a;LATE;2\n{BOOKING};b\n{BOOKING};"c;ATTENDED;2\n{BOOKING};d;ATTENDED;5\n'
    file.write_text(HEADER.replace(",", ";") + "\n" + rows)
    assert run("import", str(file), "--site", site).stdout.endswith(" 3 rejected\n")
    rejects = Path(f"{file}.rejects.ndjson")
    again = run("import", str(rejects), "--site", site)
    assert (again.returncode, again.stdout) == (1, "0 created, 0 updated, 0 unchanged, 3 rejected\n")
    corrected = rejects.read_text().replace("LATE", "ATTENDED").replace('\\"c', '\\"c\\"')
    rejects.write_text(corrected.replace('"b"]', '"b", "not_set", "3.0"]'))
    ended = run("import", str(rejects), "--site", site)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        *(0, "3 created, 0 updated, 0 unchanged, 0 rejected\n"),
        "",
    )
    exported = [json.loads(line) for line in run("export", "--site", site).stdout.splitlines()]
    values = sorted((each["sessionId"], each["status"], each["numberOfAttendees"]) for each in exported)
    assert values == [("a", "ATTENDED", 2), ("b", "NOT_SET", 3), ("c", "ATTENDED", 2), ("d", "ATTENDED", 5)]


def test_a_faultless_import_writes_no_file_and_removes_that_of_an_earlier_one(
    run: Run, site: str, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    file = folder / "a.csv"
    file.write_text(f"{HEADER}\n{write_rows(1, status='LATE')}")
    assert run("import", str(file), "--site", site).returncode == 1
    file.write_text(f"{HEADER}\n{write_rows(1)}")
    ended = run("import", str(file), "--site", site)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert list(folder.iterdir()) == [file]


def test_rejects_go_where_the_option_says(run: Run, site: str, tmp_path: Path) -> None:
    content = b"oops\n" + write_lines(2)
    chosen = tmp_path / "chosen.ndjson"
    ended = run("import", "-", "--format", "ndjson", "--site", site, "--rejects", str(chosen), content=content)
    assert (ended.returncode, json.loads(chosen.read_text())["line"]) == (1, 1)
    ended = run("import", "-", "--format", "ndjson", "--site", site, "--rejects", "-", content=content)
    assert json.loads(ended.stdout)["record"] == "oops"
    assert "0 created, 0 updated, 2 unchanged, 1 rejected" in ended.stderr


def test_rejects_never_replace_what_is_imported(run: Run, site: str, tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    file.write_bytes(b"oops\n")
    ended = run("import", str(file), "--site", site, "--rejects", str(file))
    assert (ended.returncode, file.read_bytes()) == (2, b"oops\n")
    assert "that is what is imported" in ended.stderr


@pytest.mark.parametrize("option", [[], ["--rejects", "/proc/none/rejects"]])
def test_where_rejects_cannot_be_written_all_reasons_are_reported_and_the_rest_is_stored(
    run: Run, site: str, own_url: str, option: list[str]
) -> None:
    content = b"oops\n" * 5 + write_lines(3)
    ended = run("import", "-", "--format", "ndjson", "--site", site, *option, content=content, cwd=Path("/proc/self"))
    assert (ended.returncode, ended.stdout) == (1, "3 created, 0 updated, 0 unchanged, 5 rejected\n")
    assert ended.stderr.count("the record is not valid JSON") == 5
    assert "cannot write the rejects to" in ended.stderr
    assert count_stored(own_url, site) == 3


def test_what_comes_through_a_pipe_of_the_shell_has_its_rejects_in_the_working_directory(
    own_url: str, site: str, tmp_path: Path
) -> None:
    ended = run_in_shell(tmp_path, own_url, f"$ATTENDANCE import <(echo oops) --format ndjson --site {site}")
    assert ended.returncode == 1, ended.stderr
    assert json.loads((tmp_path / "stdin.rejects.ndjson").read_text())["record"] == "oops"


def run_in_shell(directory: Path, url: str, text: str) -> subprocess.CompletedProcess[str]:
    """Run a line of a shell in which $ATTENDANCE is the command."""
    return subprocess.run(
        ["/bin/bash", "-c", text.replace("$ATTENDANCE", " ".join(f"'{word}'" for word in COMMAND))],
        env=environment(directory, DATABASE_URL=url),
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("import - --format ndjson --site {} <&-", "input"),
        ("import - --format ndjson --site {} --rejects - < a.ndjson >&-", "output"),
        ("export --site {} >&-", "output"),
        ("export --follow --site {} >&-", "output"),
    ],
)
def test_a_closed_standard_stream_is_named(own_url: str, site: str, tmp_path: Path, line: str, name: str) -> None:
    (tmp_path / "a.ndjson").write_bytes(write_lines(1))
    ended = run_in_shell(tmp_path, own_url, f"$ATTENDANCE {line.format(site)}")
    assert (ended.returncode, ended.stderr) == (2, f"Error: standard {name} is closed\n")
    assert count_stored(own_url, site) == 0


def test_totals_that_cannot_be_written_are_reported_with_the_reason(own_url: str, site: str, tmp_path: Path) -> None:
    (tmp_path / "a.ndjson").write_bytes(write_lines(3))
    ended = run_in_shell(tmp_path, own_url, f"$ATTENDANCE import a.ndjson --site {site} > /dev/full")
    reason = "the totals cannot be written: No space left on device; the import is complete: 3 created"
    assert ended.returncode == 3
    assert reason in ended.stderr


def test_rejects_never_overwrite_what_standard_input_reads(own_url: str, site: str, tmp_path: Path) -> None:
    path = tmp_path / "stdin.rejects.ndjson"
    content = b'{"line": 1, "reason": "x", "record": "y"}\n' + write_lines(30_000)
    command = f"$ATTENDANCE import - --format ndjson --site {site}"
    path.write_bytes(content)
    refused = run_in_shell(tmp_path, own_url, f"{command} < {path.name}")
    assert (refused.returncode, path.read_bytes() == content) == (2, True)
    assert f"the rejects cannot be written to {path.name}" in refused.stderr
    piped = run_in_shell(tmp_path, own_url, f"cat {path.name} | {command}")
    assert (piped.returncode, piped.stdout) == (1, "30000 created, 0 updated, 0 unchanged, 1 rejected\n")
    assert len(path.read_text().splitlines()) == 1


def test_what_the_name_of_standard_input_reads_has_its_rejects_in_the_working_directory(
    own_url: str, site: str, tmp_path: Path
) -> None:
    (tmp_path / "a.ndjson").write_bytes(b"oops\n")
    ended = run_in_shell(tmp_path, own_url, f"$ATTENDANCE import /dev/stdin --format ndjson --site {site} < a.ndjson")
    assert ended.returncode == 1, ended.stderr
    assert json.loads((tmp_path / "stdin.rejects.ndjson").read_text())["record"] == "oops"


def test_a_full_disk_is_named_with_what_is_stored(
    create_database: Callable[[], str], site: str, tmp_path: Path
) -> None:
    url = create_database()
    in_new_loop(migrate(url, row_security=True))
    query(
        url,
        """
        CREATE FUNCTION fill_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE disk_full USING MESSAGE = 'could not extend file: No space left on device'; END $$;
        """,
    )
    query(
        url,
        "CREATE TRIGGER fill BEFORE INSERT ON attendance FOR EACH ROW "
        "WHEN (new.session_id = 's7000') EXECUTE FUNCTION fill_disk()",
    )
    file = tmp_path / "a.ndjson"
    file.write_bytes(write_lines(12_000))
    ended = run_command(tmp_path, "import", str(file), "--site", site, DATABASE_URL=url)
    assert ended.returncode == 3
    assert "the database's disk is full" in ended.stderr
    assert "5,000 records are stored" in ended.stderr
    assert "run the same import again" in ended.stderr
    assert count_stored(url, site) == 5000
    query(url, "DROP TRIGGER fill ON attendance")
    again = run_command(tmp_path, "import", str(file), "--site", site, DATABASE_URL=url)
    assert (again.returncode, again.stdout) == (0, "7000 created, 0 updated, 5000 unchanged, 0 rejected\n")


@pytest.fixture
def waiting_import(own_url: str, site: str, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """An import that has stored 5,000 records, and waits for more."""
    process = subprocess.Popen(
        [*COMMAND, "import", "-", "--format", "ndjson", "--site", site],
        env=environment(tmp_path, DATABASE_URL=own_url),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell has what it runs in the background ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdin is not None
    process.stdin.write(write_lines(6000))
    process.stdin.flush()
    deadline = time.monotonic() + 30
    while count_stored(own_url, site) < 5000:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    time.sleep(0.2)
    yield process
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        assert stream is not None
        stream.close()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_import_says_what_is_stored_and_how_to_go_on(
    waiting_import: "subprocess.Popen[bytes]", number: signal.Signals, code: int
) -> None:
    os.kill(waiting_import.pid, number)
    assert waiting_import.wait(timeout=20) == code
    assert waiting_import.stderr is not None
    reported = waiting_import.stderr.read().decode()
    assert reported.startswith(
        "Error: the import stopped: it was interrupted; 5,000 records are stored; to go on, run "
    )
    assert "Traceback" not in reported


def test_an_export_as_csv_is_read_back(run: Run, site: str, tmp_path: Path) -> None:
    file = tmp_path / "a.ndjson"
    texts = [" s", "5.0", 'a "b"', "x,y;z\t|", "new\nline\rhere", "é\u2028", "1E+22"]
    records = [{"bookingId": BOOKING, "sessionId": text, "status": "NOT_SET", "numberOfAttendees": 0} for text in texts]
    file.write_text("\n".join(map(json.dumps, records)))
    assert run("import", str(file), "--site", site).returncode == 0
    exported = run("export", "--site", site, "--format", "csv")
    assert exported.returncode == 0
    assert exported.stdout.startswith("_id,bookingId,sessionId,status,numberOfAttendees,createdAt,updatedAt\n")
    content = exported.stdout.encode()
    again = run("import", "-", "--format", "csv", "--site", site, content=content)
    assert (again.returncode, again.stdout) == (0, "0 created, 0 updated, 7 unchanged, 0 rejected\n")
    other = str(uuid4())
    assert run("import", "-", "--format", "csv", "--site", other, content=content).returncode == 0
    assert run("export", "--site", other).stdout == run("export", "--site", site).stdout


def test_an_export_of_a_site_without_records_says_so(run: Run, site: str) -> None:
    ended = run("export", "--site", site)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", f"the site {site} has no records\n")
    ended = run("export", "--site", site, "--format", "csv")
    assert (ended.returncode, ended.stdout.count("\n"), ended.stderr) == (0, 1, f"the site {site} has no records\n")


def test_sites_are_listed_with_their_records_and_one_is_erased(run: Run, own_url: str) -> None:
    small, large = sorted(str(uuid4()) for _ in range(2))
    for site, count in ((small, 3), (large, 12_001)):
        assert run("import", "-", "--format", "ndjson", "--site", site, content=write_lines(count)).returncode == 0
    listed = run("sites")
    assert listed.returncode == 0
    assert [line for line in listed.stdout.splitlines() if line.split()[0] in (small, large)] == [
        f"{small} 3",
        f"{large} 12001",
    ]
    refused = run("erase", "--site", large)
    assert refused.returncode == 2
    assert "--yes" in refused.stderr
    assert count_stored(own_url, large) == 12_001
    erased = run("erase", "--site", large, "--yes")
    assert (erased.returncode, erased.stdout) == (0, "12001 erased\n")
    assert (count_stored(own_url, large), count_stored(own_url, small)) == (0, 3)
    assert run("erase", "--site", large, "--yes").stdout == "0 erased\n"
    assert large not in run("sites").stdout


def test_without_records_there_is_no_site(tmp_path: Path, create_database: Callable[[], str]) -> None:
    url = create_database()
    ended = run_command(tmp_path, "sites", DATABASE_URL=url)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "attendance migrate" in ended.stderr
    in_new_loop(migrate(url, row_security=True))
    ended = run_command(tmp_path, "sites", DATABASE_URL=url)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "no site has records\n")


@pytest.fixture
def unanalyzable_url(create_database: Callable[[], str]) -> str:
    """A migrated database in which ANALYZE of the records loses the connection."""
    url = create_database()
    in_new_loop(migrate(url, row_security=True))

    async def break_statistics() -> None:
        connection = await asyncpg.connect(url)
        try:
            await connection.execute(LOSE_CONNECTION)
        finally:
            await connection.close()

    in_new_loop(break_statistics())
    return url


# ANALYZE computes what an index on an expression holds, and so ends its own session.
LOSE_CONNECTION = """
CREATE FUNCTION lose_connection(number integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF current_query() LIKE 'ANALYZE%' THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF;
    RETURN number;
END $$;
CREATE INDEX ON attendance (lose_connection(number_of_attendees));
"""


def test_a_server_that_is_lost_during_analyze_costs_no_counts(unanalyzable_url: str, site: str, tmp_path: Path) -> None:
    file = tmp_path / "records.csv"
    file.write_text(f"{HEADER}\n{write_rows(3)}{BOOKING},late,LATE,2\n")
    arguments = ("import", str(file), "--site", site)
    ended = run_command(tmp_path, *arguments, DATABASE_URL=unanalyzable_url)
    assert (ended.returncode, ended.stdout) == (1, "3 created, 0 updated, 0 unchanged, 1 rejected\n")
    assert "warning: the planner's statistics are not refreshed" in ended.stderr
    assert "the import stopped" not in ended.stderr
    erased = run_command(tmp_path, "erase", "--site", site, "--yes", DATABASE_URL=unanalyzable_url)
    assert (erased.returncode, erased.stdout) == (0, "3 erased\n")
