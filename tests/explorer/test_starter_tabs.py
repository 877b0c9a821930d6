"""The explorer's starter tabs: each does on the demo's data what its comment says."""

import re
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from app.attendance.demo import DEMO_SITES
from app.attendance.transfer.site import load_demo
from app.web.explorer.page import read_tabs
from tests.support.service import READ_SCOPE, WRITE_SCOPE, GraphQLClient, RecordingDatabase, make_token

TABS = {
    found[1]: text for text in read_tabs() if (found := re.search(r"^(?:query|mutation) (\w+)", text, re.MULTILINE))
}


@pytest.fixture(scope="module")
async def client(http: httpx2.AsyncClient, database: RecordingDatabase) -> AsyncIterator[GraphQLClient]:
    """A caller who may read and write the demo's first site, whose records are replaced before and after."""
    await load_demo(database, reset=True)
    yield GraphQLClient(http, make_token(DEMO_SITES[0].site_id, READ_SCOPE, WRITE_SCOPE))
    await load_demo(database, reset=True)


async def fetch(client: GraphQLClient, name: str) -> dict[str, Any]:
    [answer] = (await client.data(TABS[name])).values()
    assert isinstance(answer, dict)
    return answer


def test_the_tabs_are_those_of_the_common_tasks() -> None:
    assert list(TABS) == [
        "FirstAttendances",
        "CheckIn",
        "NoShows",
        "BookingHistory",
        "NextPage",
        "BulkCheckIn",
        "Absences",
    ]
    assert len(read_tabs()) == len(TABS)
    assert all(text.startswith("# ") for text in TABS.values())


async def test_the_first_tab_shows_records_and_totals(client: GraphQLClient) -> None:
    answer = await fetch(client, "FirstAttendances")
    assert len(answer["nodes"]) == 10
    assert answer["pageInfo"]["hasNextPage"]
    assert answer["totalCount"] == sum(answer["summary"][status] for status in ("attended", "notAttended", "notSet"))


async def test_the_check_in_updates_a_record_that_nobody_has_recorded(client: GraphQLClient) -> None:
    ids = "\n".join(re.findall(r'(?:bookingId|sessionId): "([^"]+)"', TABS["CheckIn"]))
    booking_id, session_id = ids.splitlines()
    query = f'{{ attendances(perspective: {{bookingId: "{booking_id}"}}) {{ nodes {{ id sessionId status }} }} }}'
    [before] = (await client.data(query))["attendances"]["nodes"]
    assert (before["sessionId"], before["status"]) == (session_id, "NOT_SET")

    attendance = (await fetch(client, "CheckIn"))["attendance"]
    assert (attendance["id"], attendance["status"], attendance["numberOfAttendees"]) == (before["id"], "ATTENDED", 1)


async def test_the_no_shows_are_part_of_a_session_that_others_attended(client: GraphQLClient) -> None:
    answer = await fetch(client, "NoShows")
    assert answer["totalCount"] == len(answer["nodes"]) == 3
    for node in answer["nodes"]:
        assert node["session"]["attendances"]["summary"] == {"total": 12, "attended": 7, "attendanceRate": 0.7}


async def test_the_history_is_of_a_booking_that_missed_most_of_its_sessions(client: GraphQLClient) -> None:
    answer = await fetch(client, "BookingHistory")
    assert answer["summary"] == {"total": 12, "attended": 3, "notAttended": 9, "attendanceRate": 0.25}
    assert len(answer["nodes"]) == 12


async def test_the_next_page_follows_with_the_cursor_in_its_place(client: GraphQLClient) -> None:
    first = await fetch(client, "NextPage")
    assert not first["pageInfo"]["hasPreviousPage"]
    document = TABS["NextPage"].replace("after: null", f'after: "{first["pageInfo"]["endCursor"]}"')
    second = (await client.data(document))["attendances"]
    assert second["pageInfo"]["hasPreviousPage"]
    assert second["nodes"]
    assert not [node for node in second["nodes"] if node in first["nodes"]]


async def test_one_item_of_the_bulk_fails_alone(client: GraphQLClient) -> None:
    answer = await fetch(client, "BulkCheckIn")
    assert (answer["totalSuccesses"], answer["totalFailures"]) == (2, 1)
    assert [result["error"] is None for result in answer["results"]] == [True, False, True]
    assert answer["results"][1]["error"]["code"] == "BAD_USER_INPUT"
    assert [result["attendance"]["status"] for result in answer["results"][::2]] == ["ATTENDED", "NOT_ATTENDED"]


async def test_the_absences_are_bookings_that_missed_most_of_their_sessions(client: GraphQLClient) -> None:
    answer = await fetch(client, "Absences")
    assert (answer["totalCount"], answer["pageInfo"]["hasNextPage"]) == (83, True)
    assert len(answer["nodes"]) == 10
    shares = [node["missedShare"] for node in answer["nodes"]]
    assert shares == sorted(shares, reverse=True)
    assert all(share >= 0.5 for share in shares)
    assert all(len(node["booking"]["attendances"]["nodes"]) == 3 for node in answer["nodes"])
