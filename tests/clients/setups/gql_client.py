import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from gql import Client, GraphQLRequest, gql
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.httpx import HTTPXAsyncTransport
from gql.transport.websockets import WebsocketsTransport

PAGE = gql("""
    query SessionPage($sessionId: ID!, $after: String) {
      attendances(perspective: {sessionId: $sessionId}, after: $after, first: 20) {
        nodes { id bookingId sessionId status numberOfAttendees }
        pageInfo { hasNextPage endCursor }
        changesCursor
      }
    }
""")
SET = gql("""
    mutation Set($input: AttendanceInput!) {
      setAttendance(input: $input) { attendance { id bookingId sessionId status numberOfAttendees } }
    }
""")
DELETE = gql("mutation Delete($id: ID!) { deleteAttendance(id: $id) { deletedId } }")
CHANGES = gql("""
    subscription Changes($sessionId: ID!, $after: String) {
      attendanceChanges(perspective: {sessionId: $sessionId}, after: $after) {
        changes { kind attendanceId attendance { id bookingId sessionId status numberOfAttendees } }
        cursor
      }
    }
""")
TEMPORARY = {"SERVICE_UNAVAILABLE", "CONFLICT", "TIMEOUT"}

# `get_token(renew=True)` gives a new token, `get_token(renew=False)` the one that is in use.
GetToken = Callable[..., Awaitable[str]]


def open_client(url: str) -> Client:
    """A client for `async with open_client(url) as session`. It keeps its connections."""
    return Client(transport=HTTPXAsyncTransport(url, timeout=30))


def read_codes(failure: TransportError) -> set[str]:
    """The codes of a failed request. No answer counts as an outage."""
    if not isinstance(failure, TransportQueryError):
        return {"SERVICE_UNAVAILABLE"}
    return {error.get("extensions", {}).get("code", "") for error in failure.errors or []}


async def request(session: AsyncClientSession, get_token: GetToken, document: GraphQLRequest, **variables: Any) -> Any:
    """The data of an operation, which is sent again after errors that pass by themselves."""
    token, renewed, tries = await get_token(renew=False), False, 0
    while True:
        sent = GraphQLRequest(document, variable_values=variables)
        try:
            return await session.execute(sent, extra_args={"headers": {"Authorization": f"Bearer {token}"}})
        except TransportError as failure:
            codes = read_codes(failure)
            if "UNAUTHENTICATED" in codes and not renewed:
                token, renewed = await get_token(renew=True), True
            elif tries < 3 and codes & TEMPORARY:
                await asyncio.sleep(2**tries)
                tries += 1
            else:
                raise


async def follow(url: str, get_token: GetToken, session_id: str, after: str | None) -> AsyncIterator[dict[str, Any]]:
    """The changes of a session after a cursor, in batches, for ever. Keep the `cursor` of the last batch."""
    socket_url = url.replace("http", "ws", 1)
    renew = False
    while True:
        transport = WebsocketsTransport(
            socket_url, init_payload={"Authorization": f"Bearer {await get_token(renew=renew)}"}
        )
        try:
            async with Client(transport=transport) as session:
                variables = {"sessionId": session_id, "after": after}
                async for data in session.subscribe(GraphQLRequest(CHANGES, variable_values=variables)):
                    yield data["attendanceChanges"]
                    after, renew = data["attendanceChanges"]["cursor"], False
        except (TransportError, OSError) as failure:
            if isinstance(failure, TransportQueryError) and not read_codes(failure) & TEMPORARY:
                raise  # CURSOR_EXPIRED: read the pages again, and begin after their `changesCursor`.
            renew = True
        await asyncio.sleep(1)
