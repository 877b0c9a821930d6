"""What all transports have in common: events as they come, a proper end, and nothing left behind."""

import asyncio
import time
from uuid import uuid4

import httpx2

from tests.streams.conftest import LiveService, RunService
from tests.support.following import CHANGES, SSE_TYPE, Follow, follow_sse
from tests.support.service import READ_SCOPE, make_token


async def test_the_first_event_comes_at_once_and_has_a_cursor(live: LiveService, follow: Follow) -> None:
    async with follow(live.url, live.token) as follower:
        batch = await follower.batch(within=2)
        assert batch == {"cursor": batch["cursor"], "hasMore": False, "changes": []}
        assert batch["cursor"]


async def test_a_change_is_an_event(live: LiveService, follow: Follow) -> None:
    async with follow(live.url, live.token) as follower:
        await follower.batch()
        identifier = await live.set(numberOfAttendees=3)
        record = {"id": identifier, "status": "ATTENDED", "numberOfAttendees": 3}
        batch = await follower.batch()
        assert batch["changes"] == [{"kind": "SET", "attendanceId": identifier, "attendance": record}]


async def test_a_stream_that_goes_on_from_a_cursor_gets_what_came_since(live: LiveService, follow: Follow) -> None:
    async with follow(live.url, live.token) as follower:
        cursor = (await follower.batch())["cursor"]
    identifiers = [await live.set() for _ in range(3)]
    async with follow(live.url, live.token, after=cursor) as follower:
        batch = await follower.batch()
        assert [change["attendanceId"] for change in batch["changes"]] == identifiers


async def test_a_client_that_leaves_frees_its_stream(live: LiveService, follow: Follow) -> None:
    async with follow(live.url, live.token) as follower:
        await follower.batch()
        assert (live.streams.count, live.limits.streaming, live.limits.open) == (1, 1, 0)
    await live.wait_until_free()


async def test_streams_that_are_ended_are_completed(live: LiveService, follow: Follow) -> None:
    async with follow(live.url, live.token) as follower:
        await follower.batch()
        live.streams.end_all()
        assert await follower.wait_for_end() == []


async def test_a_stream_ends_when_its_token_expires(live: LiveService, follow: Follow, site_id: object) -> None:
    token = make_token(str(site_id), READ_SCOPE, exp=int(time.time()) + 2)
    async with follow(live.url, token) as follower:
        await follower.batch()
        assert await follower.wait_for_end(within=5) == []


async def test_a_quiet_stream_has_heartbeats(run_service: RunService, follow: Follow) -> None:
    async with run_service(heartbeat=0.5) as live, follow(live.url, live.token) as follower:
        await follower.batch()
        for _ in range(3):
            await follower.wait_for_heartbeat(within=5)
        identifier = await live.set()
        assert (await follower.batch())["changes"][0]["attendanceId"] == identifier


async def test_many_streams_of_one_site_get_each_change(live: LiveService, follow: Follow) -> None:
    followers = 20
    ready = asyncio.Barrier(followers + 1)

    async def read_one() -> str:
        async with follow(live.url, live.token) as follower:
            await follower.batch()
            await ready.wait()
            identifier: str = (await follower.batch())["changes"][0]["attendanceId"]
            return identifier

    async with asyncio.timeout(20), asyncio.TaskGroup() as group:
        tasks = [group.create_task(read_one()) for _ in range(followers)]
        await ready.wait()
        identifier = await live.set()
    assert {task.result() for task in tasks} == {identifier}


async def test_streams_hold_no_slots(run_service: RunService, follow: Follow) -> None:
    async with (
        run_service(MAX_RUNNING="1", MAX_QUEUED="1") as live,
        follow(live.url, live.token) as first,
        follow(live.url, live.token) as second,
    ):
        await first.batch()
        await second.batch()
        assert live.application.endpoint.admission.running == 0
        await live.set()
        assert len((await first.batch())["changes"]) == len((await second.batch())["changes"]) == 1


async def test_a_site_gives_up_streams_for_others(run_service: RunService) -> None:
    """Half of the streams are for other sites, once they want some."""
    async with run_service(MAX_STREAMS="2") as live:
        other = make_token(uuid4(), READ_SCOPE)
        async with follow_sse(live.url, live.token) as first, follow_sse(live.url, live.token) as second:
            await first.batch()
            await second.batch()
            async with follow_sse(live.url, other) as third:
                await third.batch()
                assert await second.wait_for_end() == []
                await live.set()
                assert len((await first.batch())["changes"]) == 1


async def test_a_service_that_is_stopped_opens_no_more_streams(live: LiveService) -> None:
    async with follow_sse(live.url, live.token) as follower:
        await follower.batch()
        live.application.end_streams()
        assert await follower.wait_for_end() == []
    headers = {"accept": SSE_TYPE, "authorization": f"Bearer {live.token}"}
    async with httpx2.AsyncClient(base_url=live.url) as client:
        refused = await client.post("/graphql", json={"query": CHANGES}, headers=headers)
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
