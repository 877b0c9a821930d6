"""WebSocket connections: uvicorn's protocol with bounded buffers, without compression, and with its own handshake.

Of uvicorn's protocol it uses the attributes app_state, close_sent, close_timeout, config, conn, handshake_complete,
handshake_initiated, logger, ping_interval, queue, read_paused, response, scope, transport and writable.
"""

import logging
from typing import Any, cast

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.http11 import Request
from websockets.server import ServerProtocol

from app.web.headers import Header
from app.web.load.connections import CONNECTION, SHUTDOWN, ConnectionLimits
from app.web.serving.counted_connections import CountedConnection
from app.web.serving.raw_responses import MALFORMED

# The headers of the handshake. All others are for the application, and have other limits than the library's.
HANDSHAKE = frozenset({b"connection", b"host", b"upgrade"})
HANDSHAKE_PREFIX = b"sec-websocket-"
CLOSE_SECONDS = 5.0

logger = logging.getLogger("uvicorn.websockets")
logger.setLevel(logging.WARNING)  # At "info", the address of each connection would be logged, with its query string.


def is_websocket_upgrade(method: bytes, headers: list[Header]) -> bool:
    """Whether the head that offers an upgrade is the beginning of a WebSocket (RFC 6455, section 4.2.1)."""
    return method == b"GET" and [value.lower() for name, value in headers if name == b"upgrade"] == [b"websocket"]


class WebSocketConnection(CountedConnection, WebSocketsSansIOProtocol):
    """A connection that was upgraded. Its messages are bounded, and are read only if their client reads.

    It does not compress: that takes some 40 KB for each connection, and more time than it saves for small messages.
    """

    def __init__(self, *args: Any, limits: ConnectionLimits, **options: Any) -> None:
        super().__init__(*args, **options)
        self.limits = limits
        self.app_state = {CONNECTION: self}
        self.logger = logger
        self.conn = ServerProtocol(max_size=self.config.ws_max_size, logger=logger)
        self.ping_interval = None  # Heartbeats are the application's.
        self.close_timeout = CLOSE_SECONDS
        self.headers: list[Header] = []

    def begin(self, target: bytes, headers: list[Header], rest: bytes) -> None:
        """Begin with the head of the upgrade request, after which the client has sent `rest`."""
        self.headers = headers
        own = [each for each in headers if each[0] in HANDSHAKE or each[0].startswith(HANDSHAKE_PREFIX)]
        lines = [b"GET %b HTTP/1.1" % target, *(b"%b: %b" % header for header in own), b"", rest]
        if target.isascii():
            self.data_received(b"\r\n".join(lines))
        if not self.handshake_initiated:
            self.close_sent = True
            self.transport.write(MALFORMED)
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["headers"] = self.headers

    def connection_lost(self, exc: Exception | None) -> None:
        self.count_lost()
        super().connection_lost(exc)
        self.app_state = {}

    def pause_writing(self) -> None:
        """Read no more of a client that does not read: each ping has an answer."""
        self.note_paused(is_paused=True)
        super().pause_writing()
        self.transport.pause_reading()

    def resume_writing(self) -> None:
        self.note_paused(is_paused=False)
        super().resume_writing()
        if not self.read_paused:
            self.transport.resume_reading()

    async def receive(self) -> Any:
        message = await super().receive()
        if self.is_write_paused:
            self.transport.pause_reading()
        return message

    async def drain(self) -> None:
        await self.writable.wait()

    def shutdown(self) -> None:
        """Tell the application, which closes the connection when its last operation has ended."""
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait(cast(Any, {"type": SHUTDOWN}))
        else:
            super().shutdown()
