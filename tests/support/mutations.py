"""The four mutations as documents, and what to give them."""

from typing import Any
from uuid import UUID, uuid4

from tests.support.service import GraphQLClient

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
  bulkDeleteAttendance(ids: $ids) {
    results { index deletedId error { code message } } totalSuccesses totalFailures
  }
}
"""
READ = f"query($id: ID!) {{ attendance(id: $id) {{ {RECORD} }} }}"
COUNT = "{ attendances { totalCount } }"

Item = dict[str, Any]


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
