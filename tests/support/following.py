"""Clients of streams, by hand: what each of the three transports sends, event by event."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2
import orjson
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websocket
from websockets.exceptions import ConnectionClosed

SUBPROTOCOL = "graphql-transport-ws"
SSE_TYPE = "text/event-stream"
MULTIPART_TYPE = "multipart/mixed;subscriptionSpec=1.0, application/json"
CHANGES = """subscription Changes($after: String, $perspective: AttendancePerspective) {
  attendanceChanges(after: $after, perspective: $perspective) {
    cursor hasMore changes { kind attendanceId attendance { id status numberOfAttendees } }
  }
}"""
WAIT_SECONDS = 10.0


class StreamEnded(Exception):
    """The server has ended the stream properly."""


class StreamRefused(Exception):
    """The service has answered with another status than 200."""

    def __init__(self, status: int, content: bytes) -> None:
        super().__init__(status, content)
        self.status = status


@dataclass(slots=True)
class Follower:
    """The events of one stream, as they come: GraphQL responses, and how often there was a heartbeat between them."""

    events: AsyncIterator[Any]
    heartbeats: int = 0
    received: list[Any] = field(default_factory=list)

    async def next(self, within: float = WAIT_SECONDS) -> Any:
        """The next response. Raises StreamEnded, and TimeoutError if none comes."""
        async with asyncio.timeout(within):
            while True:
                event = await anext(self.events, None)
                if event is None:
                    raise StreamEnded
                if event == {}:
                    self.heartbeats += 1
                else:
                    self.received.append(event)
                    return event

    async def batch(self, within: float = WAIT_SECONDS) -> dict[str, Any]:
        """The next batch of changes, of a response without errors."""
        event = await self.next(within)
        assert "errors" not in event, event
        batch: dict[str, Any] = event["data"]["attendanceChanges"]
        return batch

    async def wait_for_end(self, within: float = WAIT_SECONDS) -> list[Any]:
        """The responses up to the end."""
        received = []
        async with asyncio.timeout(within):
            try:
                while True:
                    received.append(await self.next(within))
            except StreamEnded:
                return received

    async def wait_for_heartbeat(self, within: float) -> None:
        """Wait for a heartbeat, before which there is no response."""
        async with asyncio.timeout(within):
            assert await anext(self.events) == {}


Follow = Callable[..., AbstractAsyncContextManager[Follower]]


async def parse_events(chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """The responses of `next` events up to `complete`; a comment is {}. Anything else fails."""
    content = b""
    async for chunk in chunks:
        content += chunk
        *blocks, content = content.split(b"\n\n")
        for block in blocks:
            if block == b":":
                yield {}
            elif block == b"event: complete\ndata:":
                assert content == b""
                return
            else:
                head, data = block.split(b"\n")
                assert head == b"event: next"
                assert data.startswith(b"data: ")
                yield orjson.loads(data.removeprefix(b"data: "))
    raise AssertionError("the stream has ended without `complete`")


async def parse_parts(chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
    """The payloads of parts, as Apollo Client reads them: a part is read when the delimiter after it has come."""
    content = b""
    is_first = True
    async for chunk in chunks:
        content += chunk
        *parts, content = content.split(b"\r\n---")
        for part in parts:
            if is_first:
                assert part == b""
                is_first = False
                continue
            head, body = part.split(b"\r\n\r\n", 1)
            assert head.lower() == b"\r\ncontent-type: application/json"
            yield unwrap(orjson.loads(body))
        if content == b"--\r\n":
            return
    raise AssertionError("the stream has ended without its last delimiter")


def unwrap(part: Any) -> Any:
    if part == {}:
        return {}
    if part["payload"] is None:
        return {"errors": part["errors"]}
    assert part.keys() == {"payload"}
    return part["payload"]


async def skip_first_comment(events: AsyncIterator[Any]) -> AsyncIterator[Any]:
    """Events without the comment that sends the head."""
    assert await anext(events) == {}
    async for event in events:
        yield event


@asynccontextmanager
async def follow_http(
    url: str, token: str | None, query: str = CHANGES, *, accept: str, **variables: Any
) -> AsyncIterator[Follower]:
    headers = {"accept": accept} | ({"authorization": f"Bearer {token}"} if token else {})
    async with httpx2.AsyncClient(timeout=None) as client:
        content = {"query": query, "variables": variables}
        async with client.stream("POST", f"{url}/graphql", json=content, headers=headers) as response:
            if response.status_code != 200:
                raise StreamRefused(response.status_code, await response.aread())
            content_type, body = response.headers["content-type"], response.aiter_raw()
            if accept == SSE_TYPE:
                assert content_type == "text/event-stream; charset=utf-8"
                yield Follower(skip_first_comment(parse_events(body)))
            else:
                assert content_type == 'multipart/mixed; boundary="-"; subscriptionSpec=1.0'
                yield Follower(parse_parts(body))


def follow_sse(url: str, token: str | None, query: str = CHANGES, **variables: Any) -> Any:
    return follow_http(url, token, query, accept=SSE_TYPE, **variables)


def follow_multipart(url: str, token: str | None, query: str = CHANGES, **variables: Any) -> Any:
    return follow_http(url, token, query, accept=MULTIPART_TYPE, **variables)


@dataclass(slots=True)
class Socket:
    """A WebSocket, message by message."""

    connection: ClientConnection

    async def send(self, kind: str, **content: Any) -> None:
        await self.connection.send(orjson.dumps({"type": kind, **content}).decode())

    async def receive(self, within: float = WAIT_SECONDS) -> Any:
        """The next message. Raises ConnectionClosed."""
        async with asyncio.timeout(within):
            return orjson.loads(await self.connection.recv())

    async def read_until_closed(self, within: float = WAIT_SECONDS) -> tuple[list[Any], int]:
        """The messages that come before the server closes the connection, and the code that it closes it with."""
        received: list[Any] = []
        async with asyncio.timeout(within):
            with pytest.raises(ConnectionClosed) as closed:
                await self._read_into(received)
        assert closed.value.rcvd is not None
        return received, closed.value.rcvd.code

    async def _read_into(self, received: list[Any]) -> None:
        while True:
            received.append(await self.receive())

    async def wait_for_close(self, within: float = WAIT_SECONDS) -> int:
        """The code that the server closes the connection with; no message may come before."""
        received, code = await self.read_until_closed(within)
        assert received == []
        return code

    async def initialise(self, token: str) -> None:
        await self.send("connection_init", payload={"Authorization": f"Bearer {token}"})
        assert await self.receive() == {"type": "connection_ack"}

    async def subscribe(self, identifier: str, query: str, **variables: Any) -> None:
        await self.send("subscribe", id=identifier, payload={"query": query, "variables": variables})

    async def run(self, identifier: str, query: str, **variables: Any) -> Any:
        """The response to an operation that is no subscription."""
        await self.subscribe(identifier, query, **variables)
        message = await self.receive()
        assert (message["type"], message["id"]) == ("next", identifier), message
        assert await self.receive() == {"type": "complete", "id": identifier}
        return message["payload"]


@asynccontextmanager
async def open_socket(url: str, *, path: str = "/graphql", **options: Any) -> AsyncIterator[Socket]:
    """A connection that is not initialised."""
    options = {"subprotocols": [SUBPROTOCOL], **options}
    address = urlsplit(url)._replace(scheme="ws", path=path).geturl()
    async with connect_websocket(address, **options) as connection:
        yield Socket(connection)


async def read_socket(socket: Socket) -> AsyncIterator[Any]:
    """The responses of the one operation of a socket, which answers pings."""
    while True:
        message = orjson.loads(await socket.connection.recv())
        if message["type"] == "ping":
            await socket.send("pong")
            yield {}
        elif message["type"] == "complete":
            return
        elif message["type"] == "error":
            yield {"errors": message["payload"]}
        else:
            assert message["type"] == "next"
            yield message["payload"]


@asynccontextmanager
async def follow_websocket(
    url: str, token: str | None, query: str = CHANGES, **variables: Any
) -> AsyncIterator[Follower]:
    async with open_socket(url) as socket:
        await socket.initialise(token or "")
        await socket.subscribe("1", query, **variables)
        yield Follower(read_socket(socket))


FOLLOW: dict[str, Follow] = {"sse": follow_sse, "multipart": follow_multipart, "websocket": follow_websocket}
