"""What absences answer, what they cost in statements, and which arguments they refuse."""

from typing import Any
from uuid import UUID

import pytest

from tests.support.refusals import refuse
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

LARGEST = 2**31 - 1
STAYED_AWAY, CAME, UNKNOWN, MISSED_HALF = (UUID(int=number + 1) for number in range(4))
FIGURES = "summary { total attended notAttended notSet numberOfAttendees attendanceRate }"
OUTCOMES = {
    STAYED_AWAY: ["NOT_ATTENDED", "NOT_ATTENDED", "NOT_ATTENDED", "NOT_SET"],
    CAME: ["ATTENDED", "ATTENDED", "ATTENDED", "ATTENDED"],
    UNKNOWN: ["NOT_SET", "NOT_SET", "NOT_SET", "NOT_SET"],
    MISSED_HALF: ["ATTENDED", "NOT_ATTENDED", "NOT_ATTENDED", "ATTENDED"],
}


@pytest.fixture(autouse=True)
async def records(database: RecordingDatabase, site_id: UUID) -> None:
    """Four bookings of four sessions; nobody counts for a session that was missed."""
    await store(
        database,
        site_id,
        [
            Record(booking, f"session {number}", status, 2 if status == "ATTENDED" else 0)
            for booking, statuses in OUTCOMES.items()
            for number, status in enumerate(statuses)
        ],
    )


async def test_bookings_that_missed_half_of_three_sessions_are_what_is_asked_for_by_default(
    client: GraphQLClient,
) -> None:
    answer = await client.data(f"{{ absences {{ totalCount nodes {{ booking {{ id }} missedShare {FIGURES} }} }} }}")
    assert answer["absences"] == {
        "totalCount": 2,
        "nodes": [
            {
                "booking": {"id": str(STAYED_AWAY)},
                "missedShare": 1.0,
                "summary": {
                    "total": 4,
                    "attended": 0,
                    "notAttended": 3,
                    "notSet": 1,
                    "numberOfAttendees": 0,
                    "attendanceRate": 0.0,
                },
            },
            {
                "booking": {"id": str(MISSED_HALF)},
                "missedShare": 0.5,
                "summary": {
                    "total": 4,
                    "attended": 2,
                    "notAttended": 2,
                    "notSet": 0,
                    "numberOfAttendees": 4,
                    "attendanceRate": 0.5,
                },
            },
        ],
    }


@pytest.mark.parametrize(("by", "own", "other"), [("BOOKING", "booking", "session"), ("SESSION", "session", "booking")])
async def test_an_absence_has_the_booking_or_the_session_that_it_is_grouped_by(
    client: GraphQLClient, by: str, own: str, other: str
) -> None:
    query = f"{{ absences(by: {by}, minimumMissedShare: 0) {{ nodes {{ booking {{ id }} session {{ id }} }} }} }}"
    nodes = (await client.data(query))["absences"]["nodes"]
    assert nodes
    assert all(node[own]["id"] and node[other] is None for node in nodes)


@pytest.mark.parametrize("by", ["BOOKING", "SESSION"])
async def test_a_summary_and_a_share_are_those_of_all_attendances_below(client: GraphQLClient, by: str) -> None:
    field = by.lower()
    query = f"""{{ absences(by: {by}, minimumRecorded: 0, minimumMissedShare: 0) {{
      nodes {{ missedShare {FIGURES} {field} {{ attendances {{ totalCount {FIGURES} }} }} }}
    }} }}"""
    nodes = (await client.data(query))["absences"]["nodes"]
    assert len(nodes) == (3 if by == "BOOKING" else 4)
    for node in nodes:
        below, summary = node[field]["attendances"], node["summary"]
        assert summary == below["summary"]
        assert summary["total"] == below["totalCount"]
        assert node["missedShare"] == summary["notAttended"] / (summary["attended"] + summary["notAttended"])


async def test_a_booking_of_which_nothing_is_recorded_has_no_share_and_is_no_absence(client: GraphQLClient) -> None:
    query = "query($least: Int!) { absences(minimumRecorded: $least, minimumMissedShare: 0) { totalCount } }"
    for least in (0, 1):
        assert await client.data(query, least=least) == {"absences": {"totalCount": 3}}


REFUSED: list[tuple[str, str, Any]] = [
    ("minimumRecorded", "Int", -1),
    ("minimumRecorded", "Int", -(2**31)),
    ("minimumMissedShare", "Float", -0.1),
    ("minimumMissedShare", "Float", -5e-324),
    ("minimumMissedShare", "Float", 1.0000000000000002),
    ("minimumMissedShare", "Float", 2),
    ("first", "Int", -1),
    ("first", "Int", 101),
    ("last", "Int", 101),
    ("by", "AbsenceGrouping", None),
    ("minimumRecorded", "Int", None),
    ("minimumMissedShare", "Float", None),
]


@pytest.mark.parametrize(("argument", "type_", "value"), REFUSED)
async def test_an_argument_out_of_range_is_refused_by_its_name(
    client: GraphQLClient, argument: str, type_: str, value: Any
) -> None:
    query = f"query($value: {type_}) {{ absences({argument}: $value) {{ totalCount }} }}"
    assert (await refuse(client, query, value=value)).place == ("BAD_USER_INPUT", argument)


async def test_first_and_last_cannot_be_given_together(client: GraphQLClient) -> None:
    refusal = await refuse(client, "{ absences(first: 1, last: 1) { totalCount } }")
    assert refusal.place == ("BAD_USER_INPUT", "last")


@pytest.mark.parametrize(
    ("argument", "type_", "value"),
    [
        ("minimumRecorded", "Int", LARGEST),
        ("minimumRecorded", "Int", 0),
        ("minimumMissedShare", "Float", 0),
        ("minimumMissedShare", "Float", -0.0),
        ("minimumMissedShare", "Float", 5e-324),
        ("minimumMissedShare", "Float", 1),
        ("first", "Int", 0),
        ("last", "Int", 100),
        ("first", "Int", None),
    ],
)
async def test_the_ends_of_each_range_are_accepted(
    client: GraphQLClient, argument: str, type_: str, value: Any
) -> None:
    query = f"query($value: {type_}) {{ absences({argument}: $value) {{ totalCount }} }}"
    assert (await client.data(query, value=value))["absences"]["totalCount"] >= 0


@pytest.mark.parametrize(
    ("selection", "statements"),
    [
        (f"totalCount pageInfo {{ hasNextPage hasPreviousPage endCursor }} nodes {{ missedShare {FIGURES} }}", 1),
        ("totalCount", 1),
        ("__typename", 0),
        ("pageInfo { hasPreviousPage }", 0),
        ("nodes { booking { attendances { totalCount nodes { id } } } }", 2),
        ("edges { node { booking { attendances(first: 1) { totalCount nodes { session { attendances "
         "{ totalCount } } } } } } } nodes { booking { attendances(first: 1) { nodes { id } } } }", 4),
        ("nodes { session { attendances { totalCount } } }", 1),
    ],
)  # fmt: skip
async def test_absences_are_one_statement_and_what_is_below_them_another(
    database: RecordingDatabase, client: GraphQLClient, selection: str, statements: int
) -> None:
    with database.recording() as sent:
        await client.data(f"{{ absences {{ {selection} }} }}")
    assert len(sent) == statements


async def test_a_sum_beyond_int_is_refused_by_its_name(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    full = [Record(STAYED_AWAY, f"full {number}", number_of_attendees=LARGEST) for number in range(2)]
    await store(database, site_id, full)
    refusal = await refuse(client, "{ absences { nodes { summary { attended n: numberOfAttendees } } } }")
    assert refusal.place == ("BAD_USER_INPUT", "summary.numberOfAttendees")
    answer = await client.data("{ absences { nodes { summary { attended attendanceRate } } } }")
    assert answer["absences"]["nodes"][0]["summary"] == {"attended": 2, "attendanceRate": 0.4}


async def test_what_fails_below_a_booking_leaves_null_in_its_place_and_all_else(client: GraphQLClient) -> None:
    answer = await client.run(
        """{ absences { totalCount nodes {
          missedShare
          bad: booking { id fine: attendances { totalCount } attendances(first: 101) { totalCount } }
          good: booking { id attendances { totalCount } }
        } } }"""
    )
    absences = answer["data"]["absences"]
    assert absences["totalCount"] == 2
    assert [node["bad"] for node in absences["nodes"]] == [None, None]
    assert [node["good"]["attendances"]["totalCount"] for node in absences["nodes"]] == [4, 4]
    assert [(error["path"], error["extensions"]) for error in answer["errors"]] == [
        (
            ["absences", "nodes", position, "bad", "attendances"],
            {"code": "BAD_USER_INPUT", "argument": "first"},
        )
        for position in range(2)
    ]
