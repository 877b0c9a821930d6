"""What the four mutations do, and what they answer."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import httpx2
from uuid_utils.compat import uuid7

from app.plan.properties import Property
from app.plan.write import WriteColumns
from app.sql.writes import render_set
from tests.support.mutations import (
    DELETE,
    READ,
    count_records,
    delete_many,
    list_codes,
    make_input,
    set_many,
    set_one,
)
from tests.support.service import WRITE_SCOPE, GraphQLClient, RecordingDatabase, make_token


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
    assert (await client.data(READ, id=created["id"]))["attendance"] == changed


async def test_a_bulk_stores_the_good_items_and_reports_the_others_in_one_statement(
    client: GraphQLClient, database: RecordingDatabase
) -> None:
    first, twice = make_input(), make_input(sessionId="twice")
    items = [first, make_input(bookingId="no guid"), twice, make_input(sessionId=""), {**twice, "status": "NOT_SET"}]
    with database.recording() as sent:
        payload = await set_many(client, items)
    assert len(sent) == 1
    assert (payload["totalSuccesses"], payload["totalFailures"]) == (2, 3)
    assert [result["index"] for result in payload["results"]] == [0, 1, 2, 3, 4]
    assert list_codes(payload) == [None, "BAD_USER_INPUT", None, "BAD_USER_INPUT", "BAD_USER_INPUT"]
    assert [bool(result["attendance"]) for result in payload["results"]] == [True, False, True, False, False]
    assert payload["results"][2]["attendance"]["status"] == "ATTENDED"


async def test_a_bulk_answers_in_the_order_of_its_items_whatever_the_order_of_their_keys(client: GraphQLClient) -> None:
    items = [make_input(sessionId=f"session {n}", numberOfAttendees=n) for n in range(100)]
    payload = await set_many(client, items)
    given = [{name: result["attendance"][name] for name in items[0]} for result in payload["results"]]
    assert given == items
    again = await set_many(client, list(reversed(items)))
    assert [result["attendance"] for result in reversed(again["results"])] == [
        result["attendance"] for result in payload["results"]
    ]


async def test_of_the_items_with_one_key_the_first_valid_one_is_stored(client: GraphQLClient) -> None:
    item = make_input()
    payload = await set_many(client, [{**item, "numberOfAttendees": -1}, {**item, "numberOfAttendees": 7}, item])
    assert list_codes(payload) == ["BAD_USER_INPUT", None, "BAD_USER_INPUT"]
    assert payload["results"][1]["attendance"]["numberOfAttendees"] == 7
    error = payload["results"][2]["error"]
    assert error["argument"] == "input.2"
    assert error["message"] == "`input.2` is the same record as `input.1`."


async def test_a_booking_is_the_same_in_either_case(client: GraphQLClient) -> None:
    item = make_input()
    record = await set_one(client, item)
    shouted = {**item, "bookingId": item["bookingId"].upper()}
    assert await set_one(client, shouted) == record
    assert list_codes(await set_many(client, [shouted, item])) == [None, "BAD_USER_INPUT"]


async def test_of_several_mutations_in_one_operation_those_before_the_first_that_fails_are_kept(
    client: GraphQLClient,
) -> None:
    document = """mutation($one: AttendanceInput!, $two: AttendanceInput!, $id: ID!) {
      one: setAttendance(input: $one) { attendance { id } }
      gone: deleteAttendance(id: $id) { deletedId }
      two: setAttendance(input: $two) { attendance { id } }
    }"""
    answer = await client.run(document, one=make_input(), two=make_input(), id=str(uuid4()))
    assert answer["data"] is None
    assert [(error["path"], error["extensions"]["code"]) for error in answer["errors"]] == [
        (["gone"], "ATTENDANCE_NOT_FOUND")
    ]
    assert await count_records(client) == 1


async def test_deleting_answers_with_the_id_and_missing_and_foreign_ids_are_alike(
    client: GraphQLClient, http: httpx2.AsyncClient, reader_of: Callable[[UUID], GraphQLClient]
) -> None:
    other_site = uuid4()
    foreign = await set_one(GraphQLClient(http, make_token(other_site, WRITE_SCOPE)), make_input())
    mine = await set_one(client, make_input())
    assert await client.data(DELETE, id=mine["id"]) == {"deleteAttendance": {"deletedId": mine["id"]}}
    answers = {(await client.post(DELETE, {"id": each})).content for each in (mine["id"], foreign["id"], str(uuid4()))}
    assert len(answers) == 1
    assert b"ATTENDANCE_NOT_FOUND" in answers.pop()
    assert await count_records(reader_of(other_site)) == 1


async def test_a_bulk_delete_reports_each_item_in_one_statement(
    client: GraphQLClient, database: RecordingDatabase
) -> None:
    records = [await set_one(client, make_input()) for _ in range(2)]
    ids = [records[0]["id"], str(uuid4()), "no guid", records[1]["id"], records[0]["id"].upper()]
    with database.recording() as sent:
        payload = await delete_many(client, ids)
    assert len(sent) == 1
    assert (payload["totalSuccesses"], payload["totalFailures"]) == (2, 3)
    assert [result["index"] for result in payload["results"]] == [0, 1, 2, 3, 4]
    assert [result["deletedId"] for result in payload["results"]] == [ids[0], None, None, ids[3], None]
    assert list_codes(payload) == [None, "ATTENDANCE_NOT_FOUND", "BAD_USER_INPUT", None, "BAD_USER_INPUT"]


async def test_a_record_that_is_set_after_its_deletion_is_a_new_one(client: GraphQLClient) -> None:
    item = make_input()
    first = await set_one(client, item)
    await client.data(DELETE, id=first["id"])
    second = await set_one(client, item)
    assert second["id"] > first["id"]
    assert second["createdAt"] == second["updatedAt"] > first["createdAt"]


async def test_a_set_that_waited_or_whose_clock_is_behind_does_not_turn_back_the_time_of_a_record(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    record = await set_one(client, make_input())
    write = WriteColumns([record["bookingId"]], [record["sessionId"]], ["NOT_ATTENDED"], [9])
    past = datetime.now(UTC) - timedelta(minutes=1)
    late = render_set(site_id, write, [uuid7()], past, tuple(Property), distributed=database.is_distributed)
    await database.write_rows(late.text, late.arguments, site_id, is_idempotent=True)
    stored = (await client.data(READ, id=record["id"]))["attendance"]
    assert stored == {**record, "status": "NOT_ATTENDED", "numberOfAttendees": 9}


async def test_what_is_read_after_a_write_has_the_write(client: GraphQLClient) -> None:
    booking = str(uuid4())
    nested = "booking { attendances { totalCount nodes { status } } }"
    one = 'setAttendance(input: {{bookingId: "{}", sessionId: "{}", status: {}}}) {{ attendance {{ {} }} }}'
    first, changed, second = (
        one.format(booking, session, status, nested)
        for session, status in (("1", "ATTENDED"), ("1", "NOT_ATTENDED"), ("2", "ATTENDED"))
    )
    data = await client.data(f"mutation {{ a: {first} b: {changed} c: {second} }}")
    seen = [data[name]["attendance"]["booking"]["attendances"] for name in "abc"]
    assert [(each["totalCount"], sorted(node["status"] for node in each["nodes"])) for each in seen] == [
        (1, ["ATTENDED"]),
        (1, ["NOT_ATTENDED"]),
        (2, ["ATTENDED", "NOT_ATTENDED"]),
    ]
