"""Streams of server processes: they are ended when the process is told to, and the log has no values of theirs."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from uuid import UUID

import httpx2
import orjson
import pytest

from tests.support.commands import RunningService, start_service
from tests.support.following import CHANGES, FOLLOW, SSE_TYPE, Follow, open_socket
from tests.support.mutations import SET, make_input
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, GraphQLClient, make_token

SECONDS_TO_END = 5.0

Start = Callable[..., AbstractContextManager[RunningService]]


@pytest.fixture
def start(tmp_path: Path, database_url: str) -> Start:
    """The service on the tests' database, with these settings."""
    return lambda *arguments, **settings: start_service(
        tmp_path, "serve", *arguments, DATABASE_URL=database_url, JWT_SECRET=SECRET, **settings
    )


@pytest.fixture
def token(site_id: UUID) -> str:
    return make_token(site_id, READ_SCOPE, WRITE_SCOPE)


@pytest.mark.parametrize("follow", FOLLOW.values(), ids=FOLLOW)
async def test_a_process_that_is_told_to_end_completes_its_streams(start: Start, token: str, follow: Follow) -> None:
    with start() as service:
        async with follow(service.url, token) as follower:
            await follower.batch()
            started = time.monotonic()
            service.process.terminate()
            assert await follower.wait_for_end(within=SECONDS_TO_END) == []
        await asyncio.to_thread(service.process.wait, SECONDS_TO_END)
        assert time.monotonic() - started < SECONDS_TO_END
        assert "Traceback" not in service.output.read_text()


async def test_a_websocket_closes_after_its_streams_are_completed(start: Start, token: str) -> None:
    with start() as service:
        async with open_socket(service.url) as socket, open_socket(service.url) as idle:
            await socket.initialise(token)
            for identifier in ("a", "b"):
                await socket.subscribe(identifier, CHANGES)
                assert (await socket.receive())["type"] == "next"
            service.process.terminate()
            received, code = await socket.read_until_closed()
            assert sorted(each["id"] for each in received if each["type"] == "complete") == ["a", "b"]
            assert code == 1001
            assert await idle.wait_for_close() == 1001
        assert await asyncio.to_thread(service.process.wait, SECONDS_TO_END) == 0


async def test_a_client_that_reads_nothing_does_not_keep_a_process_from_ending(start: Start, token: str) -> None:
    with start() as service:
        headers = {"accept": SSE_TYPE, "authorization": f"Bearer {token}"}
        async with (
            httpx2.AsyncClient(base_url=service.url, timeout=30) as http,
            http.stream("POST", "/graphql", json={"query": CHANGES}, headers=headers),
        ):
            client = GraphQLClient(http, token)
            for _ in range(300):
                await client.data(SET, input=make_input(sessionId="s" * 250))
            service.process.terminate()
            assert await asyncio.to_thread(service.process.wait, 10) == 0
            assert "Traceback" not in service.output.read_text()


async def test_the_log_has_nothing_of_what_clients_send(start: Start, token: str) -> None:
    """Neither the addresses of WebSockets, which may have a query string, nor documents, ids and cursors."""
    with start() as service:
        async with open_socket(service.url, path="/graphql?secret=value") as socket:
            await socket.initialise(token)
            await socket.subscribe(
                "id-of-the-client", 'subscription Named { attendanceChanges(after: "secret") { cursor } }'
            )
            await socket.receive()
            await socket.send("secret")
            await socket.read_until_closed()
        async with open_socket(service.url) as socket:
            await socket.send("connection_init", payload={"Authorization": "Bearer secret"})
            assert await socket.wait_for_close() == 4401
        await asyncio.sleep(0.2)
        service.process.terminate()
        await asyncio.to_thread(service.process.wait, SECONDS_TO_END)
        lines = [orjson.loads(line) for line in service.output.read_text().splitlines() if line.startswith("{")]
    text = service.output.read_text()
    assert not any(word in text for word in ("secret", "id-of-the-client", token))
    operations = [line for line in lines if line["event"] == "operation"]
    assert [(each["operation"], each["type"], each["outcome"]) for each in operations] == [
        ("Named", "subscription", "CURSOR_INVALID"),
        (None, None, "UNAUTHENTICATED"),
    ]
    assert {line["level"] for line in lines} == {"info"}
