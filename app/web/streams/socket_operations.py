"""One operation of a WebSocket: runs as a request over HTTP does, and sends what it gives."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple

import orjson
from starlette.types import Message, Scope

from app.operations.change_stream import ChangeStream
from app.operations.record import OperationRecord
from app.operations.response import Outcome, Response
from app.operations.streaming import open_stream
from app.operations.streams import EndReason
from app.web.endpoint import GraphQLEndpoint
from app.web.headers import Headers, read_request_id
from app.web.load.body_reader import ClientDisconnected
from app.web.load.connections import StreamConnection
from app.web.requests import HTTPError
from app.web.streams.messages import CloseCode, SocketClosed, write_complete, write_error, write_next
from app.web.streams.open_streams import OpenStream

EXPIRED = SocketClosed(CloseCode.UNAUTHORIZED, "The token has expired.")
REJECTED = SocketClosed(CloseCode.UNAUTHORIZED, "The token is not valid.")
OVER_WEBSOCKET = partial(open_stream, transport="websocket")


class SocketSession(NamedTuple):
    """What the operations of one WebSocket share. `send` sends a text once the client has read all before it."""

    endpoint: GraphQLEndpoint
    scope: Scope
    connection: StreamConnection
    headers: Headers
    send: Callable[[str], Awaitable[None]]


class MessageBody:
    """A message as the body of a request: `receive` gives it, as ASGI has it, and the end when its client has left."""

    __slots__ = ("_body", "_gone")

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._gone = asyncio.Event()

    def leave(self) -> None:
        self._gone.set()

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body}
        await self._gone.wait()
        return {"type": "http.disconnect"}


class SocketOperation:
    """An operation of a client, from `subscribe` to `complete`."""

    __slots__ = ("_body", "_id", "_session", "_stream", "has_left")

    def __init__(self, identifier: str, message: bytes, session: SocketSession) -> None:
        self.has_left = False
        self._body = MessageBody(message)
        self._id = orjson.dumps(identifier)
        self._session = session
        self._stream: OpenStream | None = None

    def leave(self) -> None:
        """Stop, because the client does not wait any more. A mutation that has begun goes on."""
        self.has_left = True
        self._body.leave()
        if self._stream is not None:
            self._stream.events.close()

    def check_end(self) -> None:
        """Have the client read what is left, if the stream has ended."""
        if self._stream is not None:
            self._stream.check_end()

    async def run(self) -> SocketClosed | None:
        """Run to the end, or until the client leaves. Raises SocketClosed if the connection must end at once.

        Returns why the connection must end after its operations, if it must.
        """
        session, record = self._session, OperationRecord(read_request_id({}))
        try:
            response = await session.endpoint.run_message(
                session.headers, self._body.receive, record, OVER_WEBSOCKET, session.scope
            )
        except ClientDisconnected:
            return None
        except HTTPError as failure:
            raise SocketClosed(CloseCode.BAD_MESSAGE, failure.error.message) from failure
        if isinstance(response, Response):
            await self._send_response(response)
            return None
        return await self._follow(response)

    async def _send_response(self, response: Response) -> None:
        """Send a whole response; as an error if nothing has run."""
        if response.outcome is Outcome.UNAUTHENTICATED:
            raise REJECTED
        content = {} if response.outcome is Outcome.EXECUTED else orjson.loads(response.body)
        if content and "data" not in content:
            await self._send(write_error(self._id, orjson.dumps(content["errors"])))
        else:
            await self._send(write_next(self._id, response.body))
            await self._send(write_complete(self._id))

    async def _follow(self, events: ChangeStream) -> SocketClosed | None:
        """Send the events of a stream, each when the client has read the one before, until it ends."""
        connection = self._session.connection
        stream = self._stream = OpenStream(events, connection, owns=False)
        try:
            if self.has_left:
                events.close()
            async for body in events:
                await self._send(write_next(self._id, body))
                await connection.drain()
            await self._send(write_complete(self._id))
        finally:
            stream.close()
        return EXPIRED if events.end_reason is EndReason.TOKEN_EXPIRED else None

    async def _send(self, text: str) -> None:
        if not self.has_left:
            await self._session.send(text)
