"""What the four mutations do, and what they answer."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from tests.support.service import GraphQLClient, RecordingDatabase

RECORD = "id bookingId sessionId status numberOfAttendees createdAt updatedAt"
SET = f"mutation($input: AttendanceInput!) {{ setAttendance(input: $input) {{ attendance {{ {RECORD} }} }} }}"
BULK_SET = f"""
mutation($input: [AttendanceInput!]!) {{
  bulkSetAttendance(input: $input) {{
    results {{ index attendance {{ {RECORD} }} error {{ code message }} }} totalSuccesses totalFailures
  }}
}}
"""
DELETE = "mutation($id: ID!) { deleteAttendance(id: $id) { deletedId } }"
BULK_DELETE = """
mutation($ids: [ID!]!) {
  bulkDeleteAttendance(ids: $ids) { results { index deletedId error { code } } totalSuccesses totalFailures }
}
"""


def make_input(**changes: Any) -> dict[str, Any]:
    return {"bookingId": str(uuid4()), "sessionId": "session", "status": "ATTENDED", "numberOfAttendees": 2, **changes}


async def set_one(client: GraphQLClient, given: dict[str, Any]) -> dict[str, Any]:
    record: dict[str, Any] = (await client.data(SET, input=given))["setAttendance"]["attendance"]
    return record


async def test_setting_creates_updates_in_place_and_changes_nothing_twice(
    client: GraphQLClient, database: RecordingDatabase
) -> None:
    given = make_input()
    with database.recording() as sent:
        created = await set_one(client, given)
    assert len(sent) == 1
    assert {name: created[name] for name in given} == given
    assert UUID(created["id"]).version == 7
    assert created["createdAt"] == created["updatedAt"]

    assert await set_one(client, given) == created

    changed = await set_one(client, {**given, "status": "NOT_ATTENDED", "numberOfAttendees": 5})
    assert changed["id"] == created["id"]
    assert changed["createdAt"] == created["createdAt"]
    assert changed["updatedAt"] > created["updatedAt"]
    assert (changed["status"], changed["numberOfAttendees"]) == ("NOT_ATTENDED", 5)


async def test_the_number_is_one_when_absent(client: GraphQLClient) -> None:
    given = make_input()
    del given["numberOfAttendees"]
    assert (await set_one(client, given))["numberOfAttendees"] == 1


async def test_a_bulk_stores_the_good_items_and_reports_the_others_in_one_statement(
    client: GraphQLClient, database: RecordingDatabase
) -> None:
    first, twice = make_input(), make_input(sessionId="twice")
    items = [first, make_input(bookingId="no guid"), twice, make_input(sessionId=""), {**twice, "status": "NOT_SET"}]
    with database.recording() as sent:
        payload = (await client.data(BULK_SET, input=items))["bulkSetAttendance"]
    assert len(sent) == 1
    assert (payload["totalSuccesses"], payload["totalFailures"]) == (2, 3)
    assert [result["index"] for result in payload["results"]] == [0, 1, 2, 3, 4]
    assert [result["error"] and result["error"]["code"] for result in payload["results"]] == [
        None,
        "BAD_USER_INPUT",
        None,
        "BAD_USER_INPUT",
        "BAD_USER_INPUT",
    ]
    assert [bool(result["attendance"]) for result in payload["results"]] == [True, False, True, False, False]
    assert payload["results"][2]["attendance"]["status"] == "ATTENDED"


async def test_deleting_answers_with_the_id_and_missing_and_foreign_ids_are_alike(
    client: GraphQLClient, http: Any, reader_of: Callable[[UUID], GraphQLClient]
) -> None:
    from tests.support.service import WRITE_SCOPE, make_token

    foreign = await set_one(GraphQLClient(http, make_token(uuid4(), WRITE_SCOPE)), make_input())
    mine = await set_one(client, make_input())
    assert await client.data(DELETE, id=mine["id"]) == {"deleteAttendance": {"deletedId": mine["id"]}}
    answers = {(await client.post(DELETE, {"id": each})).content for each in (mine["id"], foreign["id"], str(uuid4()))}
    assert len(answers) == 1
    assert b"ATTENDANCE_NOT_FOUND" in answers.pop()


async def test_a_bulk_delete_reports_each_item(client: GraphQLClient) -> None:
    records = [await set_one(client, make_input()) for _ in range(2)]
    ids = [records[0]["id"], str(uuid4()), "no guid", records[1]["id"], records[0]["id"].upper()]
    payload = (await client.data(BULK_DELETE, ids=ids))["bulkDeleteAttendance"]
    assert (payload["totalSuccesses"], payload["totalFailures"]) == (2, 3)
    assert [result["deletedId"] for result in payload["results"]] == [ids[0], None, None, ids[3], None]
    assert [result["error"] and result["error"]["code"] for result in payload["results"]] == [
        None,
        "ATTENDANCE_NOT_FOUND",
        "BAD_USER_INPUT",
        None,
        "BAD_USER_INPUT",
    ]
