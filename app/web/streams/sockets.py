"""GraphQL over WebSockets: a connection, its messages, and its operations. Follows `graphql-transport-ws`."""

import asyncio
from contextlib import suppress

from starlette.types import Message, Receive, Scope, Send

from app.errors import OperationTooComplex, ServiceUnavailable
from app.operations.streams import STOPPING
from app.web.endpoint import GraphQLEndpoint
from app.web.load.connections import CONNECTION, SHUTDOWN, StreamConnection
from app.web.streams.heartbeats import Member, send_at_once
from app.web.streams.messages import (
    ACKNOWLEDGED,
    PING,
    ClientMessage,
    CloseCode,
    SocketClosed,
    parse_message,
    read_id,
    write_close,
    write_pong,
    write_refusal,
)
from app.web.streams.socket_operations import SocketOperation, SocketSession
from app.web.streams.socket_tokens import open_session

INITIALISATION_SECONDS = 5.0
MAX_OPERATIONS = 100
TOO_MANY = OperationTooComplex(f"A connection runs at most {MAX_OPERATIONS} operations at once.", limit="operations")
TOO_LATE = SocketClosed(CloseCode.INITIALISATION_TIMEOUT, "The connection was not initialised in time.")
GOING_AWAY = SocketClosed(CloseCode.GOING_AWAY, "The service is being stopped.")


class GraphQLSocket:
    """One accepted connection. It handles messages in their order, and runs operations beside each other."""

    def __init__(self, endpoint: GraphQLEndpoint, scope: Scope, receive: Receive, send: Send) -> None:
        self._endpoint = endpoint
        self._scope = scope
        self._receive = receive
        self._send = send
        self._connection: StreamConnection = scope["state"][CONNECTION]
        self._session: SocketSession | None = None
        self._operations: dict[str, SocketOperation] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._group: set[Member] = set()
        self._closing: SocketClosed | None = None  # Why the connection closes after its last operation.
        self._is_closed = False
        self._timer = asyncio.get_running_loop().call_later(INITIALISATION_SECONDS, self._time_out)

    async def run(self) -> None:
        """Handle the messages of the client, until the connection closes."""
        try:
            while (message := await self._receive())["type"] != "websocket.disconnect":
                if message["type"] == SHUTDOWN:
                    await self._close_after_operations(GOING_AWAY)
                elif not self._is_closed:
                    await self._handle(message)
        finally:
            self._timer.cancel()
            self._is_closed = True
            self._group.discard(self)
            for operation in self._operations.values():
                operation.leave()
            if self._running:
                await asyncio.wait(self._running)

    def beat(self) -> None:
        for operation in self._operations.values():
            operation.check_end()
        if not self._is_closed:
            with suppress(OSError):  # The connection is lost.
                send_at_once(self._send, {"type": "websocket.send", "text": PING})

    def abort(self) -> None:
        self._connection.abort()

    async def _handle(self, received: Message) -> None:
        try:
            message = parse_message(received.get("text"))
            match message.type:
                case "connection_init":
                    await self._initialise(message)
                case "ping":
                    await self._send_text(write_pong(message))
                case "pong":
                    pass
                case "subscribe":
                    await self._subscribe(message)
                case "complete":
                    if operation := self._operations.pop(read_id(message), None):
                        operation.leave()
                case _:
                    raise SocketClosed(CloseCode.BAD_MESSAGE, "There is no message of this type.")
        except SocketClosed as closed:
            await self._close(closed)

    async def _initialise(self, message: ClientMessage) -> None:
        if self._session is not None:
            raise SocketClosed(CloseCode.TOO_MANY_INITIALISATIONS, "The connection is initialised already.")
        self._timer.cancel()
        self._session = await open_session(message, self._endpoint, self._scope, self._send_text)
        self._group = self._endpoint.heartbeats.add(self)
        await self._send_text(ACKNOWLEDGED)

    async def _subscribe(self, message: ClientMessage) -> None:
        """Start an operation. Raises SocketClosed."""
        if self._session is None:
            raise SocketClosed(CloseCode.UNAUTHORIZED, "The connection is not initialised.")
        identifier = read_id(message)
        if identifier in self._operations:
            raise SocketClosed(CloseCode.SUBSCRIBER_EXISTS, f"There is an operation {identifier} already.")
        if self._closing is not None:
            await self._send_text(write_refusal(identifier, ServiceUnavailable(STOPPING)))
        elif len(self._running) >= MAX_OPERATIONS:
            await self._send_text(write_refusal(identifier, TOO_MANY))
        else:
            operation = SocketOperation(identifier, message.text.encode(), self._session)
            self._operations[identifier] = operation
            task = asyncio.create_task(self._run_operation(identifier, operation))
            self._running.add(task)
            task.add_done_callback(self._running.discard)

    async def _run_operation(self, identifier: str, operation: SocketOperation) -> None:
        try:
            self._closing = await operation.run() or self._closing
        except SocketClosed as closed:
            await self._close(closed)
        finally:
            if self._operations.get(identifier) is operation:  # Its client may have left it, and used its id again.
                del self._operations[identifier]
        if self._closing is not None:
            await self._close_after_operations(self._closing)

    async def _send_text(self, text: str) -> None:
        await self._connection.drain()
        if not self._is_closed:
            with suppress(OSError):  # The connection is lost.
                await self._send({"type": "websocket.send", "text": text})

    async def _close_after_operations(self, closed: SocketClosed) -> None:
        self._closing = closed
        if not self._operations:
            await self._close(closed)

    async def _close(self, closed: SocketClosed) -> None:
        await self._connection.drain()
        if not self._is_closed:
            self._is_closed = True
            with suppress(OSError):
                await self._send(write_close(closed))

    def _time_out(self) -> None:
        self._is_closed = True
        send_at_once(self._send, write_close(TOO_LATE))
