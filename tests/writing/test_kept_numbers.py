"""A set without a number keeps the one that is stored, whatever others write meanwhile; a new record has 1."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.support.bystander import LOCK, TOUCH, connect, wait_for_waiters
from tests.support.mutations import (
    BULK_SET,
    DELETE,
    READ,
    RECORD,
    SET,
    Item,
    count_records,
    list_codes,
    make_input,
    set_many,
    set_one,
)
from tests.support.service import GraphQLClient, RecordingDatabase

LITERAL = (
    f'mutation($booking: ID!{{declared}}) {{{{ setAttendance(input: {{{{bookingId: $booking, sessionId: "session", '
    f"status: NOT_ATTENDED{{number}}}}}}) {{{{ attendance {{{{ {RECORD} }}}} }}}} }}}}"
)
# How a document may leave the number out: what it declares, what stands in the input, and the variables.
WITHOUT: dict[str, tuple[str, str, dict[str, Any]]] = {
    "absent": ("", "", {}),
    "null": ("", ", numberOfAttendees: null", {}),
    "an absent variable": (", $number: Int", ", numberOfAttendees: $number", {}),
    "a variable that is null": (", $number: Int", ", numberOfAttendees: $number", {"number": None}),
    "a variable whose default is null": (", $number: Int = null", ", numberOfAttendees: $number", {}),
}
absent_or_null = pytest.mark.parametrize("change", [{}, {"numberOfAttendees": None}], ids=["absent", "null"])


def make_without(change: Item, **fields: Any) -> Item:
    item = make_input(**fields)
    del item["numberOfAttendees"]
    return {**item, **change}


@absent_or_null
@pytest.mark.parametrize("number", [0, 1, 7, 2**31 - 1])
async def test_a_set_without_a_number_keeps_the_stored_one(client: GraphQLClient, change: Item, number: int) -> None:
    stored = await set_one(client, make_input(numberOfAttendees=number))
    item = make_without(change, bookingId=stored["bookingId"], status="NOT_ATTENDED")
    changed = await set_one(client, item)
    assert changed == {**stored, "status": "NOT_ATTENDED", "updatedAt": changed["updatedAt"]}
    assert changed["updatedAt"] > stored["updatedAt"]
    assert await set_one(client, item) == changed
    assert (await client.data(READ, id=stored["id"]))["attendance"] == changed


@absent_or_null
async def test_a_new_record_without_a_number_has_one(client: GraphQLClient, change: Item) -> None:
    item = make_without(change)
    created = await set_one(client, item)
    assert created["numberOfAttendees"] == 1
    await client.data(DELETE, id=created["id"])
    assert (await set_one(client, {**item, "numberOfAttendees": 8}))["numberOfAttendees"] == 8
    again = await set_many(client, [item, make_without(change)])
    assert [result["attendance"]["numberOfAttendees"] for result in again["results"]] == [8, 1]


@pytest.mark.parametrize("case", WITHOUT)
async def test_a_document_may_leave_the_number_out_in_any_way(client: GraphQLClient, case: str) -> None:
    declared, number, variables = WITHOUT[case]
    document = LITERAL.format(declared=declared, number=number)
    booking = str(uuid4())
    created = (await client.data(document, booking=booking, **variables))["setAttendance"]["attendance"]
    assert created["numberOfAttendees"] == 1
    await set_one(client, make_input(bookingId=booking, numberOfAttendees=5))
    kept = (await client.data(document, booking=booking, **variables))["setAttendance"]["attendance"]
    assert (kept["id"], kept["status"], kept["numberOfAttendees"]) == (created["id"], "NOT_ATTENDED", 5)


async def test_in_a_bulk_each_item_keeps_its_own_number_by_one_statement(
    client: GraphQLClient, database: RecordingDatabase
) -> None:
    stored = [await set_one(client, make_input(numberOfAttendees=number)) for number in (4, 0, 6)]
    keys = [{"bookingId": record["bookingId"], "status": "NOT_SET"} for record in stored]
    items = [
        make_without({}, **keys[0]),
        make_without({"numberOfAttendees": None}, **keys[1]),
        make_input(**keys[2], numberOfAttendees=9),
        make_without({}),
        make_without({}, sessionId=""),
        make_without({}, bookingId=stored[0]["bookingId"].upper()),
    ]
    with database.recording() as sent:
        payload = await set_many(client, items)
    assert len(sent) == 1
    assert list_codes(payload) == [None] * 4 + ["BAD_USER_INPUT"] * 2
    records = [result["attendance"] for result in payload["results"][:4]]
    assert [record["numberOfAttendees"] for record in records] == [4, 0, 9, 1]
    assert [record["id"] for record in records[:3]] == [record["id"] for record in stored]


@pytest.mark.one_server
@pytest.mark.parametrize("document", [SET, BULK_SET], ids=["set", "bulk set"])
async def test_what_another_writer_has_just_stored_is_kept(
    client: GraphQLClient, database_url: str, site_id: UUID, document: str
) -> None:
    stored = await set_one(client, make_input(numberOfAttendees=2))
    item = make_without({}, bookingId=stored["bookingId"], status="NOT_ATTENDED")
    async with connect(database_url, site_id) as other, connect(database_url, site_id) as observer:
        async with other.transaction():
            await other.execute(TOUCH, UUID(stored["id"]))
            writing = asyncio.create_task(client.data(document, input=item))
            await wait_for_waiters(observer, 1)
        await writing
    kept = (await client.data(READ, id=stored["id"]))["attendance"]
    assert (kept["status"], kept["numberOfAttendees"]) == ("NOT_ATTENDED", 1000)


@pytest.mark.one_server
async def test_a_record_that_is_deleted_meanwhile_is_made_anew_with_one(
    client: GraphQLClient, database_url: str, site_id: UUID
) -> None:
    stored = await set_one(client, make_input(numberOfAttendees=2))
    item = make_without({}, bookingId=stored["bookingId"])
    async with connect(database_url, site_id) as other, connect(database_url, site_id) as observer:
        async with other.transaction():
            await other.execute(LOCK, UUID(stored["id"]))
            await other.execute("DELETE FROM attendance WHERE id = $1", UUID(stored["id"]))
            writing = asyncio.create_task(set_one(client, item))
            await wait_for_waiters(observer, 1)
        created = await writing
    assert created["id"] != stored["id"]
    assert created["numberOfAttendees"] == 1


async def test_sets_that_keep_lose_no_number_of_writers_beside_them(client: GraphQLClient) -> None:
    stored = await set_one(client, make_input(numberOfAttendees=0))
    key = {"bookingId": stored["bookingId"]}
    numbers = range(1, 31)

    async def count_up() -> None:
        for number in numbers:
            record = await set_one(client, make_input(**key, status="ATTENDED", numberOfAttendees=number))
            assert record["numberOfAttendees"] == number

    async def keep(status: str) -> list[int]:
        kept = [await set_one(client, make_without({}, **key, status=status)) for _ in numbers]
        return [record["numberOfAttendees"] for record in kept]

    _, *seen = await asyncio.gather(count_up(), keep("NOT_ATTENDED"), keep("NOT_SET"))
    for kept in seen:
        assert kept == sorted(kept)
        assert set(kept) <= {0, *numbers}
    assert (await client.data(READ, id=stored["id"]))["attendance"]["numberOfAttendees"] == numbers[-1]
    assert await count_records(client) == 1
