"""What `attendance explain` tells of a query, and how it refuses what is none."""

from json import dumps
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from tests.support.commands import run_command
from tests.support.service import Record, RecordingDatabase, store

QUERY = """
query Board($booking: ID!) {
  attendances(perspective: {bookingId: $booking}, first: 20) {
    edges { cursor node { sessionId session { attendances(first: 3) { totalCount } } } }
  }
}
"""


@pytest.fixture
async def booking(database: RecordingDatabase, site_id: UUID) -> UUID:
    booking_id = uuid4()
    await store(database, site_id, [Record(booking_id, session) for session in ("one", "two", "three")])
    return booking_id


def explain(tmp_path: Path, query: str, *arguments: str, **settings: str) -> tuple[int, str, str]:
    file = tmp_path / "query.graphql"
    file.write_text(query)
    done = run_command(tmp_path, "explain", str(file), *arguments, **settings)
    return done.returncode, done.stdout, done.stderr


async def test_it_tells_the_plan_the_statements_with_their_plans_and_the_writer(
    tmp_path: Path, database_url: str, site_id: UUID, booking: UUID
) -> None:
    variables = f'{{"booking": "{booking}"}}'
    code, output, _ = explain(
        tmp_path, QUERY, "--variables", variables, "--site", str(site_id), "--analyze", DATABASE_URL=database_url
    )
    assert code == 0
    assert f"perspective: of booking_id, value {booking}" in output
    assert "-- Statement 1: 3 rows" in output
    assert f"-- $1 = {site_id}" in output
    assert "-- Statement 2: 3 rows" in output
    assert output.count("Scan using attendance_") >= 2
    assert "actual time=" in output
    assert "def write_1_attendances(connections, attendances_of_session_1):" in output
    assert '"totalCount": fit_integer(figures["total"], "totalCount"),' in output


async def test_it_tells_which_records_are_read_by_their_ids(tmp_path: Path, database_url: str) -> None:
    ids = [str(uuid4()) for _ in range(5)]
    query = f"{{ node(id: {dumps(ids[0])}) {{ id }} nodes(ids: {dumps(ids)}) {{ ... on Attendance {{ status }} }} }}"
    code, output, _ = explain(tmp_path, query, DATABASE_URL=database_url)
    assert code == 0
    assert f"RecordsPlan\n  ids: [{', '.join(ids[:3])}, ... 5 values]\n  columns: id, status\n" in output
    assert output.count("-- Statement ") == 1


async def test_what_has_no_plan_says_so(tmp_path: Path, database_url: str) -> None:
    code, output, _ = explain(tmp_path, "{ __schema { queryType { name } } }", DATABASE_URL=database_url)
    assert (code, "reference path (introspection)" in output) == (0, True)


@pytest.mark.parametrize(
    ("query", "arguments", "reason"),
    [
        ("{ nothing }", (), "the operation is refused: Cannot query field"),
        ("{ nodes(ids: []) { id } }", ("--variables", "[]"), "the variables must be a JSON object"),
        ("{ nodes(ids: []) { id } }", ("--variables", "{"), "the variables are not JSON"),
        ("query A { a: __typename } query B { b: __typename }", (), "holds several operations"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_one_line(
    tmp_path: Path, query: str, arguments: tuple[str, ...], reason: str
) -> None:
    code, output, error = explain(tmp_path, query, *arguments)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert reason in error


async def test_bad_input_is_told_as_the_service_tells_it(tmp_path: Path, database_url: str) -> None:
    code, _, error = explain(tmp_path, QUERY, "--variables", '{"booking": "none"}', DATABASE_URL=database_url)
    assert code == 1
    assert "`perspective.bookingId` takes a GUID" in error
