"""A site as the tests of changes meet it: what is written to it, the feed of its changes, and streams of them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import orjson

from app.documents.permissions import Caller
from app.operations.change_stream import ChangeStream
from app.operations.response import Response
from app.operations.running import GraphQLRequest, GraphQLService, run_request
from app.operations.streaming import open_stream
from app.schema.permissions import Permission

FIELDS = """changes { attendanceId kind attendance { bookingId sessionId status numberOfAttendees } } cursor hasMore"""
CHANGES = f"""query($perspective: AttendancePerspective, $after: String, $first: Int) {{
  attendanceChanges(perspective: $perspective, after: $after, first: $first) {{ {FIELDS} }} }}"""
STREAM = f"""subscription($perspective: AttendancePerspective, $after: String) {{
  attendanceChanges(perspective: $perspective, after: $after) {{ {FIELDS} }} }}"""
SET = """mutation($input: [AttendanceInput!]!) {
  bulkSetAttendance(input: $input) { results { attendance { id } } totalFailures } }"""
DELETE = """mutation($ids: [ID!]!) { bulkDeleteAttendance(ids: $ids) { totalFailures } }"""


@dataclass(frozen=True, slots=True)
class Site:
    """A site of a service in this process, asked without HTTP."""

    service: GraphQLService
    site_id: UUID
    permissions: frozenset[Permission] = field(default=frozenset(Permission))
    expires_at: float | None = None

    async def authenticate(self) -> Caller:
        return Caller(self.site_id, self.permissions, self.expires_at)

    async def run(self, query: str, **variables: Any) -> Any:
        """The whole response."""
        request = GraphQLRequest(query, variables=variables)
        return orjson.loads((await run_request(request, self.authenticate, self.service)).body)

    async def data(self, query: str, **variables: Any) -> Any:
        """What the only root field of an operation without errors gives."""
        response = await self.run(query, **variables)
        assert "errors" not in response, response["errors"]
        (value,) = response["data"].values()
        return value

    async def set(self, *sessions: str, booking: UUID | None = None, status: str = "ATTENDED") -> list[str]:
        """Set a booking's attendance of sessions by one statement. The ids of the records."""
        booking = booking or uuid4()
        items = [{"bookingId": str(booking), "sessionId": session, "status": status} for session in sessions]
        results = (await self.data(SET, input=items))["results"]
        return [result["attendance"]["id"] for result in results]

    async def delete(self, *ids: str) -> None:
        assert (await self.data(DELETE, ids=list(ids)))["totalFailures"] == 0

    async def changes(self, after: str | None = None, **variables: Any) -> Any:
        return await self.data(CHANGES, after=after, **variables)

    async def follow(self, after: str | None, **variables: Any) -> tuple[list[Any], str]:
        """All changes since a cursor, batch by batch, and the last cursor."""
        changes: list[Any] = []
        while True:
            batch = await self.changes(after, **variables)
            changes += batch["changes"]
            after = batch["cursor"]
            if not batch["hasMore"]:
                return changes, batch["cursor"]

    async def open(self, query: str = STREAM, **variables: Any) -> Response | ChangeStream:
        request = GraphQLRequest(query, variables=variables)
        return await open_stream(request, self.authenticate, self.service, transport="test")

    async def stream(self, query: str = STREAM, **variables: Any) -> ChangeStream:
        opened = await self.open(query, **variables)
        assert isinstance(opened, ChangeStream), opened
        return opened


async def read_event(stream: ChangeStream) -> Any:
    """The batch of a stream's next event, which has no errors."""
    event = orjson.loads(await anext(stream))
    assert "errors" not in event, event
    return event["data"]["attendanceChanges"]


def list_kinds(changes: Sequence[Any]) -> list[tuple[str, str]]:
    return [(change["attendanceId"], change["kind"]) for change in changes]
