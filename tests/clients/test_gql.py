"""docs/clients.md: the program for gql pages, writes, renews its token, outlives an outage, and follows changes."""

import asyncio
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from gql.client import AsyncClientSession
from gql.transport.exceptions import TransportQueryError

from app.errors import ServiceUnavailable
from tests.clients.conftest import ListedSession, Served
from tests.clients.setups.gql_client import DELETE, PAGE, SET, follow, open_client, read_codes, request
from tests.support.waiting import wait_until


@dataclass(slots=True)
class Tokens:
    """Gives the token in use, which has expired at first."""

    listed: ListedSession
    renewals: int = 0

    async def __call__(self, *, renew: bool) -> str:
        self.renewals += renew
        return self.listed.token if self.renewals else self.listed.expired_token


@pytest.fixture
def get_token(listed: ListedSession) -> Tokens:
    return Tokens(listed)


async def list_all(session: AsyncClientSession, get_token: Tokens, session_id: str) -> list[dict[str, Any]]:
    records, after = [], None
    while True:
        page = (await request(session, get_token, PAGE, sessionId=session_id, after=after))["attendances"]
        records += page["nodes"]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            return records


async def test_pages_and_writes_by_gql(served: Served, listed: ListedSession, get_token: Tokens) -> None:
    served.database.failures.append(ServiceUnavailable("an outage of the test"))
    async with open_client(f"{served.url}/graphql") as session:
        records = await list_all(session, get_token, listed.session_id)
        assert [record["id"] for record in records] == listed.ids
        assert served.database.failures == []
        assert get_token.renewals == 1

        changed = {**records[3], "numberOfAttendees": 77}
        given = {name: value for name, value in changed.items() if name != "id"}
        assert (await request(session, get_token, SET, input=given))["setAttendance"]["attendance"] == changed
        await request(session, get_token, DELETE, id=listed.ids[0])
        left = await list_all(session, get_token, listed.session_id)
        assert left == [*records[1:3], changed, *records[4:]]
        with pytest.raises(TransportQueryError) as refused:
            await request(session, get_token, DELETE, id=listed.ids[0])
        assert read_codes(refused.value) == {"ATTENDANCE_NOT_FOUND"}


async def test_changes_by_gql(served: Served, listed: ListedSession, get_token: Tokens) -> None:
    """Streams end in between, and the first token has expired."""
    url, streams = f"{served.url}/graphql", served.application.endpoint.service.streams
    seen: list[str] = []

    async def collect(after: str) -> None:
        async for batch in follow(url, get_token, listed.session_id, after):
            seen.extend(change["attendanceId"] for change in batch["changes"])

    async with open_client(url) as session:
        page = (await request(session, get_token, PAGE, sessionId=listed.session_id))["attendances"]
        following = asyncio.create_task(collect(page["changesCursor"]))
        written = []
        for _ in range(2):
            await wait_until(lambda: streams.count == 1, within=20)
            for _ in range(2):
                given = {"bookingId": str(uuid4()), "sessionId": listed.session_id, "status": "ATTENDED"}
                stored = (await request(session, get_token, SET, input=given))["setAttendance"]["attendance"]
                written.append(stored["id"])
                streams.end_all()
        await wait_until(lambda: len(seen) >= len(written), within=20)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await wait_until(lambda: streams.count == 0)
    assert seen == written


async def test_a_cursor_that_cannot_be_followed_by_gql(
    served: Served, listed: ListedSession, get_token: Tokens
) -> None:
    with pytest.raises(TransportQueryError) as refused:
        await anext(follow(f"{served.url}/graphql", get_token, listed.session_id, "no cursor"))
    assert read_codes(refused.value) == {"CURSOR_INVALID"}
