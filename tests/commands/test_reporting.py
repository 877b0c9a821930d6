"""`attendance report`: the overview and the absences of a site, as tables with bars and as JSON."""

import json
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.support.absence_model import find_absences
from tests.support.commands import run_command
from tests.support.oracle import add_up
from tests.support.service import SECRET, GraphQLClient, Record, RecordingDatabase, store

BOOKINGS = [UUID(int=number + 1) for number in range(25)]
SESSIONS = ("a", "b", "c", "d\x1b[31m\n\u202e")
FIGURES = "summary { total attended notAttended notSet numberOfAttendees attendanceRate }"
QUERY = f"""{{
  attendances {{ {FIGURES} }}
  bookings: absences(first: 20) {{ totalCount nodes {{ booking {{ id }} missedShare {FIGURES} }} }}
  sessions: absences(by: SESSION, first: 20) {{ totalCount nodes {{ session {{ id }} missedShare {FIGURES} }} }}
}}"""


def make_records() -> list[Record]:
    """Bookings that missed all, half or none of four sessions; nobody counts for a session that was missed."""
    outcomes = (["NOT_ATTENDED"] * 4, ["NOT_ATTENDED", "ATTENDED"] * 2, ["ATTENDED", "NOT_SET"] * 2)
    return [
        Record(booking, session, status, 2 if status == "ATTENDED" else 0)
        for number, booking in enumerate(BOOKINGS)
        for session, status in zip(SESSIONS, outcomes[0 if number < 22 else number % 2 + 1], strict=True)
    ]


@pytest.fixture
async def records(database: RecordingDatabase, site_id: UUID) -> list[Record]:
    made = make_records()
    await store(database, site_id, made)
    return made


def run_report(folder: Path, url: str, site: UUID | str, *arguments: str) -> tuple[int, str, str]:
    done = run_command(folder, "report", "--site", str(site), *arguments, DATABASE_URL=url, JWT_SECRET=SECRET)
    return done.returncode, done.stdout, done.stderr


async def test_json_is_what_the_queries_of_the_same_site_answer(
    tmp_path: Path, database_url: str, site_id: UUID, records: list[Record], client: GraphQLClient
) -> None:
    code, output, errors = run_report(tmp_path, database_url, site_id, "--format", "json")
    assert (code, errors) == (0, "")
    answer = await client.data(QUERY)
    assert json.loads(output) == {
        "siteId": str(site_id),
        "summary": answer["attendances"]["summary"],
        "absences": {"bookings": answer["bookings"], "sessions": answer["sessions"]},
    }
    assert json.loads(output)["summary"] == add_up(records)
    expected = find_absences(records, "BOOKING", 3, 0.5)
    assert json.loads(output)["absences"]["bookings"]["totalCount"] == len(expected) > 20


async def test_the_tables_show_counts_bars_and_how_many_absences_are_left_out(
    tmp_path: Path, database_url: str, site_id: UUID, records: list[Record]
) -> None:
    code, output, errors = run_report(tmp_path, database_url, site_id)
    assert (code, errors) == (0, "")
    lines = [" ".join(line.split()) for line in output.splitlines()]
    summary = add_up(records)
    assert f"Site {site_id}" in lines
    assert f"records {summary['total']}" in lines
    assert f"not attended {summary['notAttended']}" in lines
    assert f"people who came {summary['numberOfAttendees']}" in lines
    assert any(line.startswith(f"attendance rate {summary['attendanceRate']:.0%}") for line in lines)
    bars = {line for line in lines if line.endswith(str(BOOKINGS[0]))}
    assert {each.replace("\u2588", "#") for each in bars} == {f"4 4 100% {'#' * 20} {BOOKINGS[0]}"}
    absences = len(find_absences(records, "BOOKING", 3, 0.5))
    assert f"Bookings missed for at least 50% of 3 or more recorded attendances: {absences}" in lines
    assert f"and {absences - 20} more" in lines


@pytest.mark.usefixtures("records")
async def test_an_id_of_a_session_cannot_command_the_terminal(tmp_path: Path, database_url: str, site_id: UUID) -> None:
    _, output, _ = run_report(tmp_path, database_url, site_id)
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert r"d\x1b[31m\n\u202e" in output


@pytest.mark.usefixtures("records")
@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
async def test_a_terminal_of_any_encoding_gets_bars(
    tmp_path: Path, database_url: str, site_id: UUID, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    code, output, errors = run_report(tmp_path, database_url, site_id)
    assert (code, errors) == (0, "")
    assert ("\u2588" if encoding == "utf-8" else "#") * 20 in output


async def test_a_site_without_absences_has_an_overview(
    tmp_path: Path, database_url: str, site_id: UUID, database: RecordingDatabase
) -> None:
    await store(database, site_id, [Record(status="NOT_SET")])
    code, output, _ = run_report(tmp_path, database_url, site_id)
    assert code == 0
    assert "attendance rate           -" in output
    assert output.count("attendances: 0\n") == 2


@pytest.mark.parametrize("form", ["text", "json"])
async def test_a_site_without_records_is_told_in_one_line(tmp_path: Path, database_url: str, form: str) -> None:
    site = uuid4()
    code, output, errors = run_report(tmp_path, database_url, site, "--format", form)
    assert (code, output) == (2, "")
    assert errors == f"Error: the site {site} has no records: `attendance sites` lists those that have\n"


@pytest.mark.parametrize(("arguments", "named"), [(["no-guid"], "--site"), ([str(uuid4()), "--format", "csv"], "csv")])
def test_what_cannot_be_used_is_named(tmp_path: Path, database_url: str, arguments: list[str], named: str) -> None:
    code, output, errors = run_report(tmp_path, database_url, arguments[0], *arguments[1:])
    assert (code, output) == (2, "")
    assert named in errors
