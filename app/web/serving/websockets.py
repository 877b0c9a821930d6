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
from app.web.serving.websocket_frames import FrameBuffer

# The headers of the handshake. All others are for the application, and have other limits than the library's.
HANDSHAKE = frozenset({b"connection", b"host", b"upgrade"})
HANDSHAKE_PREFIX = b"sec-websocket-"
CLOSE_SECONDS = 5.0
FRAMES_A_TURN = 10

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
        self._arrived = FrameBuffer(limits, self.config.ws_max_size)
        self._has_turn = False  # It waits for its turn to go on.
        self._unfinished: object | None = None  # Another object for each message that has begun.

    def begin(self, target: bytes, headers: list[Header], rest: bytes) -> None:
        """Begin with the head of the upgrade request, after which the client has sent `rest`."""
        self.headers = headers
        own = [each for each in headers if each[0] in HANDSHAKE or each[0].startswith(HANDSHAKE_PREFIX)]
        lines = [b"GET %b HTTP/1.1" % target, *(b"%b: %b" % header for header in own), b"", b""]
        if target.isascii():
            super().data_received(b"\r\n".join(lines))
        if not self.handshake_initiated:
            self.close_sent = True
            self.transport.write(MALFORMED)
            self.transport.close()
        elif rest:
            self.data_received(rest)

    def data_received(self, data: bytes) -> None:
        """Parse the frames that are whole, a few at once. Their connection takes turns with others."""
        if self.transport.is_closing():
            return
        if self._arrived.add(data):
            self._parse_frames()
        else:
            self.transport.abort()

    def _parse_frames(self) -> None:
        self._has_turn = False
        for _ in range(FRAMES_A_TURN):
            frame = None if self._must_wait() else self._arrived.take_frame()
            if frame is None:
                break
            super().data_received(frame)
            if not self._arrived.count(frame):
                self.transport.abort()
            if not self._arrived.is_inside_message:
                self._unfinished = None
        else:
            self._take_turn()
        if self._arrived.is_inside_message or not (self._arrived.is_empty or self._must_wait()):
            self._unfinished = self._unfinished or object()
        self._follow_reading()

    def _must_wait(self) -> bool:
        """Whether what has arrived must wait: for the handshake, the application, the client to read, or others."""
        is_ready = self.handshake_complete and not self.transport.is_closing()
        return not is_ready or self.read_paused or self.is_write_paused or self._has_turn

    def _take_turn(self) -> None:
        """Go on with what has arrived after others have had their turn."""
        if not (self._arrived.is_empty or self._has_turn):
            self._has_turn = True
            self.limits.pipelines.add(self._parse_frames)

    def _follow_reading(self) -> None:
        if not self.transport.is_closing():
            (self.transport.pause_reading if self._must_wait() else self.transport.resume_reading)()
        self.watch()

    def find_unfinished(self) -> object | None:
        """What the client has to go on with: it has begun to send another message if this changes. None if nothing."""
        return self._unfinished

    def must_act(self) -> bool:
        return super().must_act() or self._unfinished is not None

    def handle_connect(self, event: Request) -> None:
        super().handle_connect(event)
        if self.response.status_code == 101:
            self.scope["headers"] = self.headers

    def connection_lost(self, exc: Exception | None) -> None:
        self.count_lost()
        self._arrived.clear()
        super().connection_lost(exc)
        self.app_state = {}

    def pause_writing(self) -> None:
        """Read no more of a client that does not read: each ping has an answer."""
        self.note_paused(is_paused=True)
        super().pause_writing()
        self._follow_reading()

    def resume_writing(self) -> None:
        self.note_paused(is_paused=False)
        super().resume_writing()
        self._take_turn()
        self._follow_reading()

    async def receive(self) -> Any:
        message = await super().receive()
        self._take_turn()
        self._follow_reading()
        return message

    async def send(self, message: Any) -> None:
        was_connected = self.handshake_complete
        await super().send(message)
        if self.close_sent:
            self.handshake_complete = True  # Otherwise uvicorn takes a refused handshake for a fault.
        if self.close_sent or not was_connected:  # What has arrived may hold the client's part of the closing.
            self._take_turn()
            self._follow_reading()

    async def drain(self) -> None:
        await self.writable.wait()

    def shutdown(self) -> None:
        """Tell the application, which closes the connection when its last operation has ended."""
        if self.handshake_complete and not self.close_sent:
            self.queue.put_nowait(cast(Any, {"type": SHUTDOWN}))
        else:
            super().shutdown()
