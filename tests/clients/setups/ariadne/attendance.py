import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
from attendance_client import AttendanceClient, Changes, GraphQLClientGraphQLMultiError

TEMPORARY = {"SERVICE_UNAVAILABLE", "CONFLICT", "TIMEOUT"}

# `get_token(renew=True)` gives a new token, `get_token(renew=False)` the one that is in use.
GetToken = Callable[..., Awaitable[str]]


def read_codes(response: httpx.Response) -> set[str]:
    """The codes of the errors in a response. Without a body of the service it counts as an outage."""
    try:
        errors = response.json().get("errors") or []
    except ValueError:
        return {"SERVICE_UNAVAILABLE"}
    return {error["extensions"]["code"] for error in errors}


class Attendance(AttendanceClient):
    """The generated client, with a token that is renewed, and operations sent again after errors that pass."""

    def __init__(self, url: str, get_token: GetToken) -> None:
        super().__init__(url=url, ws_url=url.replace("http", "ws", 1))
        self.get_token = get_token

    async def execute(self, *args: Any, **options: Any) -> httpx.Response:
        token, renewed, tries = await self.get_token(renew=False), False, 0
        while True:
            try:
                response = await super().execute(*args, headers={"Authorization": f"Bearer {token}"}, **options)
                codes = read_codes(response)
            except httpx.TransportError:
                if tries == 3:
                    raise
                codes = {"SERVICE_UNAVAILABLE"}
            if "UNAUTHENTICATED" in codes and not renewed:
                token, renewed = await self.get_token(renew=True), True
            elif tries < 3 and codes & TEMPORARY:
                await asyncio.sleep(2**tries)
                tries += 1
            else:
                return response

    async def follow(self, session_id: str, after: str) -> AsyncIterator[Changes]:
        """The changes of a session after a cursor, in batches, until the stream ends. Go on after the last cursor."""
        # The generated client drops the errors of subscriptions. This query raises those of the cursor.
        await self.check_cursor(session_id, after)
        self.ws_connection_init_payload = {"Authorization": f"Bearer {await self.get_token(renew=False)}"}
        async for batch in self.changes(session_id, after):
            yield batch


def is_expired(failure: GraphQLClientGraphQLMultiError) -> bool:
    """Whether the pages have to be read again, to go on after their `changesCursor`."""
    return any(error.extensions["code"] == "CURSOR_EXPIRED" for error in failure.errors)
