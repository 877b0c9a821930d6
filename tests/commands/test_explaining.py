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
    assert '"totalCount": figures["total"],' in output


async def test_it_tells_which_records_are_read_by_their_ids(tmp_path: Path, database_url: str) -> None:
    ids = [str(uuid4()) for _ in range(5)]
    query = f"{{ node(id: {dumps(ids[0])}) {{ id }} nodes(ids: {dumps(ids)}) {{ ... on Attendance {{ status }} }} }}"
    code, output, _ = explain(tmp_path, query, DATABASE_URL=database_url)
    assert code == 0
    assert f"RecordsRead\n  ids: [{', '.join(ids[:3])}, ... 5 values]\n  columns: id, status\n" in output
    assert output.count("-- Statement ") == 1


@pytest.mark.parametrize("query", ["{ __schema { queryType { name } } }", "{ __typename }", "{ _service { sdl } }"])
async def test_what_reads_nothing_has_neither_a_plan_nor_a_statement(
    tmp_path: Path, database_url: str, query: str
) -> None:
    code, output, _ = explain(tmp_path, query, DATABASE_URL=database_url)
    assert (code, output.split("\n\n")[:2]) == (0, ["# Plan", "# Statements"])
    assert "-- Statement" not in output


async def test_a_mutation_is_not_run(tmp_path: Path, database: RecordingDatabase, database_url: str) -> None:
    site, booking = uuid4(), uuid4()
    query = f'mutation {{ setAttendance(input: {{bookingId: "{booking}", sessionId: "s", status: ATTENDED}}) {{'
    code, output, error = explain(
        tmp_path, f"{query} attendance {{ id }} }} }}", "--site", str(site), DATABASE_URL=database_url
    )
    assert (code, output) == (1, "")
    assert "A mutation is not run" in error
    assert await database.fetch_rows("SELECT 1 FROM attendance WHERE site_id = $1", [site], site) == []


@pytest.mark.parametrize(
    ("selection", "variables", "reason"),
    [
        ("attendances(first: 101) { nodes { id } }", "{}", "`first`"),
        ("attendances(first: $n) { nodes { id } }", '{"n": "x"}', "Int cannot represent non-integer value"),
        ("attendances(orderBy: [$o]) { nodes { id } }", '{"o": null}', "variable '$o'"),
        ("__type(name: $t) { name }", '{"t": null}', "variable '$t'"),
        ("attendances { nodes { booking { attendances(first: -1) { totalCount } } } }", "{}", "`first`"),
    ],
)
async def test_an_argument_that_is_refused_is_told_wherever_it_stands(
    tmp_path: Path, database_url: str, site_id: UUID, booking: UUID, selection: str, variables: str, reason: str
) -> None:
    declared = '$n: Int, $o: AttendanceOrder = ID_ASC, $t: String = "Query"'
    uses = "b: attendances(orderBy: [$o]) { totalCount } c: __type(name: $t) { name }"
    query = f"query({declared}) {{ a: attendances(first: $n) {{ totalCount }} {uses} {selection} }}"
    code, _, error = explain(
        tmp_path, query, "--variables", variables, "--site", str(site_id), DATABASE_URL=database_url
    )
    assert (code, reason in error) == (1, True), (booking, error)


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
