"""The four mutations as documents, and what to give them."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

from tests.support.service import GraphQLClient

RECORD = "id bookingId sessionId status numberOfAttendees createdAt updatedAt"
SET = f"mutation($input: AttendanceInput!) {{ setAttendance(input: $input) {{ attendance {{ {RECORD} }} }} }}"
BULK_SET = f"""
mutation($input: [AttendanceInput!]!) {{
  bulkSetAttendance(input: $input) {{
    results {{ index attendance {{ {RECORD} }} error {{ code message argument }} }} totalSuccesses totalFailures
  }}
}}
"""
DELETE = "mutation($id: ID!) { deleteAttendance(id: $id) { deletedId } }"
BULK_DELETE = """
mutation($ids: [ID!]!) {
  bulkDeleteAttendance(ids: $ids) {
    results { index deletedId error { code message argument } } totalSuccesses totalFailures
  }
}
"""
READ = f"query($id: ID!) {{ attendance(id: $id) {{ {RECORD} }} }}"
COUNT = "{ attendances { totalCount } }"

Item = dict[str, Any]
Call = tuple[str, dict[str, Any]]
Write = Callable[[list[Item]], Call]


def make_input(**changes: Any) -> Item:
    """The input of a set: two came to a session, for a booking of its own unless the changes name one."""
    return {"bookingId": str(uuid4()), "sessionId": "session", "status": "ATTENDED", "numberOfAttendees": 2, **changes}


async def set_one(client: GraphQLClient, item: Item) -> Item:
    """The record that a set answers with."""
    record: Item = (await client.data(SET, input=item))["setAttendance"]["attendance"]
    return record


async def set_many(client: GraphQLClient, items: list[Item]) -> Item:
    """The payload of a bulk set."""
    payload: Item = (await client.data(BULK_SET, input=items))["bulkSetAttendance"]
    return payload


async def delete_many(client: GraphQLClient, ids: list[str]) -> Item:
    """The payload of a bulk delete."""
    payload: Item = (await client.data(BULK_DELETE, ids=ids))["bulkDeleteAttendance"]
    return payload


async def count_records(client: GraphQLClient) -> int:
    """How many records the client's site holds."""
    count: int = (await client.data(COUNT))["attendances"]["totalCount"]
    return count


def list_codes(payload: Item) -> list[str | None]:
    """The code of each item's error, None for those that succeeded."""
    return [result["error"] and result["error"]["code"] for result in payload["results"]]


def key_of(record: Item) -> tuple[UUID, str]:
    """What makes an input or a record one record of its site."""
    return UUID(record["bookingId"]), record["sessionId"]


def set_again(records: list[Item]) -> Call:
    """The call that sets the number 7 for records that are there."""
    inputs = [{"bookingId": record["bookingId"], "sessionId": record["sessionId"]} for record in records]
    return BULK_SET, {"input": [make_input(**each, numberOfAttendees=7) for each in inputs]}


def delete_all(records: list[Item]) -> Call:
    """The call that deletes records."""
    return BULK_DELETE, {"ids": [record["id"] for record in records]}


async def succeed(client: GraphQLClient, call: Call) -> None:
    """Send a call of which every item succeeds."""
    document, variables = call
    (payload,) = (await client.data(document, **variables)).values()
    assert payload["totalFailures"] == 0, payload


async def assert_written(client: GraphQLClient, records: list[Item], write: Write) -> None:
    """What is stored is what the call left."""
    data = await client.data("{ attendances(first: 100) { nodes { numberOfAttendees } } }")
    numbers = [node["numberOfAttendees"] for node in data["attendances"]["nodes"]]
    assert numbers == ([7] * len(records) if write is set_again else [])
