"""Subscriptions through real gateways, which ask the service for streams by Server-Sent Events or by WebSocket."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID, uuid4

import httpx2
import orjson
import pytest

from app.web.application import Application
from app.web.serving.http_connections import HTTPConnection
from tests.federation.conftest import SubgraphBuilder
from tests.support.gateways import start_gateway
from tests.support.mutations import SET, make_input
from tests.support.service import READ_SCOPE, WRITE_SCOPE, GraphQLClient, make_token
from tests.support.serving import run_uvicorn
from tests.support.waiting import wait_until

GATEWAYS = ["hive", "hive-websocket", "grafbase", "grafbase-websocket"]
CHANGES = """subscription($after: String) { attendanceChanges(after: $after) { cursor hasMore changes {
  kind attendanceId attendance { numberOfAttendees booking { id customer } session { title } }
} } }"""
DELETE = "mutation($id: ID!) { deleteAttendance(id: $id) { deletedId } }"


@dataclass(frozen=True, slots=True)
class StreamGateway:
    """A gateway, and the service behind it."""

    application: Application
    service_url: str
    url: str

    @asynccontextmanager
    async def follow(self, token: str, **variables: object) -> AsyncIterator[AsyncIterator[dict[str, object]]]:
        """The events of a subscription, as the gateway sends them."""
        headers = {"accept": "text/event-stream", "authorization": f"Bearer {token}"}
        content = {"query": CHANGES, "variables": variables}
        async with (
            httpx2.AsyncClient(timeout=20) as http,
            http.stream("POST", self.url, json=content, headers=headers) as response,
        ):
            yield read_data(response.aiter_lines())

    async def run(self, token: str, query: str, **variables: object) -> dict[str, object]:
        """Run an operation on the service itself."""
        async with httpx2.AsyncClient(base_url=self.service_url) as http:
            return await GraphQLClient(http, token).data(query, **variables)

    @property
    def stream_count(self) -> int:
        return self.application.endpoint.service.streams.count


async def read_data(lines: AsyncIterator[str]) -> AsyncIterator[dict[str, object]]:
    """The responses of events; each gateway writes them in its own way."""
    async for line in lines:
        if line.startswith("data:") and line.removeprefix("data:").strip():
            yield orjson.loads(line.removeprefix("data:"))


async def read_batch(events: AsyncIterator[dict[str, object]]) -> dict[str, object]:
    event = await anext(events)
    assert "errors" not in event, event
    batch: dict[str, object] = event["data"]["attendanceChanges"]  # type: ignore[index]
    return batch


@pytest.fixture(scope="module", params=GATEWAYS)
async def gateway(request: pytest.FixtureRequest, subgraph: SubgraphBuilder) -> AsyncIterator[StreamGateway]:
    application = subgraph()
    assert isinstance(application, Application)
    http = partial(HTTPConnection, limits=application.connection_limits)
    async with (
        run_uvicorn(application, http=http) as (_, service_url),
        start_gateway(request.param, "guild", f"{service_url}/graphql") as url,
    ):
        yield StreamGateway(application, service_url, url)


@pytest.fixture
def token(site_id: UUID) -> str:
    return make_token(site_id, READ_SCOPE, WRITE_SCOPE)


async def test_each_change_comes_with_what_other_subgraphs_know_of_it(gateway: StreamGateway, token: str) -> None:
    booking = str(uuid4())
    async with gateway.follow(token) as events:
        assert (await read_batch(events))["changes"] == []
        given = make_input(bookingId=booking, sessionId="yoga", numberOfAttendees=3)
        stored = await gateway.run(token, SET, input=given)
        identifier = stored["setAttendance"]["attendance"]["id"]  # type: ignore[index]
        record = {
            "numberOfAttendees": 3,
            "booking": {"id": booking, "customer": f"customer of {booking}"},
            "session": {"title": "title of yoga"},
        }
        changes = (await read_batch(events))["changes"]
        assert changes == [{"kind": "SET", "attendanceId": identifier, "attendance": record}]
        await gateway.run(token, DELETE, id=identifier)
        changes = (await read_batch(events))["changes"]
        assert changes == [{"kind": "DELETED", "attendanceId": identifier, "attendance": None}]
    await wait_until(lambda: gateway.stream_count == 0)


async def test_a_subscription_goes_on_from_a_cursor(gateway: StreamGateway, token: str) -> None:
    async with gateway.follow(token) as events:
        cursor = (await read_batch(events))["cursor"]
    for _ in range(3):
        await gateway.run(token, SET, input=make_input())
    async with gateway.follow(token, after=cursor) as events:
        batch = await read_batch(events)
        assert len(batch["changes"]) == 3  # type: ignore[arg-type]
        assert batch["hasMore"] is False


async def test_each_caller_sees_the_changes_of_the_own_site(gateway: StreamGateway, token: str) -> None:
    other = make_token(uuid4(), READ_SCOPE, WRITE_SCOPE)
    async with gateway.follow(token) as own_events, gateway.follow(other) as other_events:
        await read_batch(own_events)
        await read_batch(other_events)
        for each in (token, other):
            await gateway.run(each, SET, input=make_input())
        for events in (own_events, other_events):
            assert len((await read_batch(events))["changes"]) == 1  # type: ignore[arg-type]


async def test_a_refused_subscription_is_an_error(gateway: StreamGateway, token: str) -> None:
    for refused in (gateway.follow("not a token"), gateway.follow(token, after="not a cursor")):
        async with refused as events:
            event = await anext(events)
            assert event["errors"]
    assert gateway.stream_count == 0
