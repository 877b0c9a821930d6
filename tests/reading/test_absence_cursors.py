"""Cursors of absences: bound to grouping and minimums, valid when an absence is gone, and checked like input."""

from uuid import UUID
from zlib import crc32

import pytest

from app.plan.absences import MEASURES, AbsenceGroups, AbsencePosition, write_head
from app.plan.cursor import encode_text
from app.plan.properties import Property
from tests.support.refusals import refuse
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

BOOKINGS = [UUID(int=number + 1) for number in range(4)]
GROUPS = AbsenceGroups(Property.BOOKING_ID, 3, 0.5)
OF_SESSIONS = AbsenceGroups(Property.SESSION_ID, 3, 0.5)
PAGE = "query($cursor: String) { absences(%s: $cursor) { nodes { booking { id } } } }"
CURSORS = "{ edges { cursor node { booking { id } } } }"
ENDS = ("after", "before")
ID = BOOKINGS[0].bytes


@pytest.fixture(autouse=True)
async def records(database: RecordingDatabase, site_id: UUID) -> None:
    await store(
        database,
        site_id,
        [Record(booking, f"session {number}", "NOT_ATTENDED", 0) for booking in BOOKINGS for number in range(4)],
    )


def forge(content: bytes, groups: AbsenceGroups = GROUPS) -> str:
    """A cursor with a right head and a right checksum."""
    whole = write_head(groups) + content
    return encode_text(whole + crc32(whole).to_bytes(4)).rstrip("=")


async def list_cursors(client: GraphQLClient, arguments: str = "") -> list[str]:
    edges = (await client.data(f"{{ absences{arguments} {CURSORS} }}"))["absences"]["edges"]
    return [edge["cursor"] for edge in edges]


OTHER_QUERIES = [
    "(by: SESSION)",
    "(minimumRecorded: 2)",
    "(minimumRecorded: 1)",
    "(minimumMissedShare: 0.4)",
    "(minimumMissedShare: 0)",
    "(minimumMissedShare: 0.5000000000000001)",
    "(by: SESSION, minimumRecorded: 1)",
]


async def test_a_cursor_of_another_grouping_or_minimum_is_a_mismatch(client: GraphQLClient) -> None:
    cursors = {arguments: (await list_cursors(client, arguments))[0] for arguments in ["", *OTHER_QUERIES]}
    assert len(set(cursors.values())) == len(cursors)
    for origin, cursor in cursors.items():
        for arguments in cursors:
            for end in ENDS:
                given = f"({end}: $cursor)" if not arguments else f"{arguments[:-1]}, {end}: $cursor)"
                query = f"query($cursor: String) {{ absences{given} {{ totalCount }} }}"
                if origin == arguments:
                    assert (await client.data(query, cursor=cursor))["absences"]["totalCount"] == 4
                else:
                    assert (await refuse(client, query, cursor=cursor)).place == ("CURSOR_MISMATCH", end)


async def test_cursors_of_absences_and_of_attendances_are_no_cursors_of_each_other(client: GraphQLClient) -> None:
    [absence, *_] = await list_cursors(client)
    attendance = (await client.data("{ attendances { pageInfo { endCursor } } }"))["attendances"]["pageInfo"][
        "endCursor"
    ]
    assert (await refuse(client, PAGE % "after", cursor=attendance)).place == ("CURSOR_MISMATCH", "after")
    query = "query($cursor: String) { attendances(before: $cursor) { totalCount } }"
    assert (await refuse(client, query, cursor=absence)).place == ("CURSOR_MISMATCH", "before")


@pytest.mark.parametrize(("one", "same"), [
    ("(minimumRecorded: 0)", "(minimumRecorded: 1)"),
    ("(minimumMissedShare: 1)", "(minimumMissedShare: 1.0)"),
    ("(minimumMissedShare: 0)", "(minimumMissedShare: -0.0)"),
    ("(first: 2)", "(last: 2)"),
    ("", "(by: BOOKING, minimumRecorded: 3, minimumMissedShare: 0.5)"),
])  # fmt: skip
async def test_queries_of_one_meaning_share_their_cursors(client: GraphQLClient, one: str, same: str) -> None:
    [cursor, *_] = await list_cursors(client, one)
    given = f"{same[:-1]}, after: $cursor)" if same else "(after: $cursor)"
    await client.data(
        f"query($cursor: String) {{ absences{given} {{ totalCount nodes {{ missedShare }} }} }}", cursor=cursor
    )


async def test_a_cursor_stays_valid_when_its_absence_is_gone_or_has_changed(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    cursor = (await list_cursors(client))[1]
    async with database.connection(site_id) as connection:
        await connection.execute("DELETE FROM attendance WHERE booking_id = $1", BOOKINGS[1])
        await connection.execute("UPDATE attendance SET status = 'ATTENDED' WHERE booking_id = $1", BOOKINGS[0])
    after = (await client.data(PAGE % "after", cursor=cursor))["absences"]["nodes"]
    assert [node["booking"]["id"] for node in after] == [str(booking) for booking in BOOKINGS[2:]]
    assert (await client.data(PAGE % "before", cursor=cursor))["absences"]["nodes"] == []


async def test_a_cursor_with_any_byte_changed_is_invalid(client: GraphQLClient) -> None:
    [cursor, *_] = await list_cursors(client)
    assert len(cursor) < 200
    for position in range(len(cursor)):
        changed = cursor[:position] + ("A" if cursor[position] != "A" else "B") + cursor[position + 1 :]
        assert (await refuse(client, PAGE % "after", cursor=changed)).code == "CURSOR_INVALID"


ABSURD: dict[str, tuple[AbsenceGroups, bytes]] = {
    "nothing": (GROUPS, b""),
    "no key": (GROUPS, MEASURES.pack(0.5, 1)),
    "half a number": (GROUPS, MEASURES.pack(0.5, 1)[:12]),
    "half a key": (GROUPS, MEASURES.pack(0.5, 1) + ID[:8]),
    "more than a key": (GROUPS, MEASURES.pack(0.5, 1) + ID + b"\0"),
    "a share above 1": (GROUPS, MEASURES.pack(1.5, 1) + ID),
    "a negative share": (GROUPS, MEASURES.pack(-0.5, 1) + ID),
    "an infinite share": (GROUPS, MEASURES.pack(float("inf"), 1) + ID),
    "no number for a share": (GROUPS, MEASURES.pack(float("nan"), 1) + ID),
    "a number beyond bigint": (GROUPS, MEASURES.pack(0.5, 2**63) + ID),
    "a session with a NUL": (OF_SESSIONS, MEASURES.pack(0.5, 1) + b"a\0b"),
    "a session that is not UTF-8": (OF_SESSIONS, MEASURES.pack(0.5, 1) + b"\xff\xfe"),
    "a session with a surrogate": (OF_SESSIONS, MEASURES.pack(0.5, 1) + b"\xed\xa0\x80"),
}


@pytest.mark.parametrize("case", ABSURD)
async def test_a_made_up_cursor_with_absurd_values_is_invalid(client: GraphQLClient, case: str) -> None:
    groups, content = ABSURD[case]
    by = "SESSION" if groups is OF_SESSIONS else "BOOKING"
    for end in ENDS:
        query = f"query($cursor: String) {{ absences(by: {by}, {end}: $cursor) {{ nodes {{ missedShare }} }} }}"
        assert (await refuse(client, query, cursor=forge(content, groups))).place == ("CURSOR_INVALID", end)


@pytest.mark.parametrize(
    ("groups", "position"),
    [
        (GROUPS, AbsencePosition(0.0, 0, UUID(int=0))),
        (GROUPS, AbsencePosition(1.0, 2**63 - 1, UUID(int=2**128 - 1))),
        (GROUPS, AbsencePosition(-0.0, 1, UUID(int=7))),
        (OF_SESSIONS, AbsencePosition(0.5, 1, "")),
        (OF_SESSIONS, AbsencePosition(1.0, 1, "😀" * 250)),
    ],
)
async def test_a_made_up_cursor_of_a_position_that_may_be_is_as_good_as_any(
    client: GraphQLClient, groups: AbsenceGroups, position: AbsencePosition
) -> None:
    by = "SESSION" if groups is OF_SESSIONS else "BOOKING"
    for end in ENDS:
        query = f"query($cursor: String) {{ absences(by: {by}, {end}: $cursor) {{ nodes {{ missedShare }} }} }}"
        await client.data(query, cursor=groups.encode_cursor(position))
