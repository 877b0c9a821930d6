"""A stream over HTTP: a response that ends when its stream does."""

from collections.abc import Sequence

from starlette.types import Scope, Send

from app.operations.change_stream import ChangeStream
from app.web.headers import SECURITY_HEADERS, Header
from app.web.load.connections import CONNECTION, StreamConnection
from app.web.streams.framings import Framing
from app.web.streams.heartbeats import Heartbeats, Member, send_at_once
from app.web.streams.open_streams import OpenStream

UNBUFFERED: Header = (b"x-accel-buffering", b"no")  # nginx passes on each event as it comes.


class HTTPStream:
    """A stream that is the response to a request. It reads the next event when the client has read the one before."""

    __slots__ = ("_connection", "_framing", "_headers", "_send", "_stream")

    def __init__(
        self, events: ChangeStream, framing: Framing, scope: Scope, send: Send, headers: Sequence[Header]
    ) -> None:
        self._framing = framing
        self._send = send
        self._headers = headers
        self._connection: StreamConnection = scope["state"][CONNECTION]
        self._stream = OpenStream(events, self._connection, owns=True)

    async def run(self, heartbeats: Heartbeats) -> None:
        """Send the response, until the stream ends or the client is gone."""
        framing = self._framing
        group: set[Member] = set()
        try:
            head = [(b"content-type", framing.content_type), *SECURITY_HEADERS, UNBUFFERED, *self._headers]
            await self._send({"type": "http.response.start", "status": 200, "headers": head})
            await self._write(framing.opening)
            group = heartbeats.add(self)
            async for body in self._stream.events:
                await self._write(framing.frame(body))
                await self._connection.drain()
            await self._write(framing.closing, more=False)
        finally:
            group.discard(self)
            self._stream.close()

    def beat(self) -> None:
        if not self._stream.check_end():
            send_at_once(self._send, {"type": "http.response.body", "body": self._framing.heartbeat, "more_body": True})

    def abort(self) -> None:
        self._connection.abort()

    async def _write(self, content: bytes, *, more: bool = True) -> None:
        await self._send({"type": "http.response.body", "body": content, "more_body": more})
