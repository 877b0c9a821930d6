"""What rests on uvicorn's internals. A test fails when another uvicorn has changed any of what is listed here."""

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from app.web.headers import CLOSE
from app.web.serving.raw_responses import MALFORMED, write_head
from app.web.serving.websockets import is_websocket_upgrade

# What is used of uvicorn's classes, here and where `server.py`, `websockets.py` and `workers.py` extend them.
INTERNALS = """
uvicorn.protocols.http.flow_control.FlowControl
    drain pause_reading read_paused resume_reading write_paused
uvicorn.protocols.http.httptools_impl.RequestResponseCycle
    body default_headers disconnected flow keep_alive message_event more_body on_response response_complete
    response_started scope send transport
uvicorn.protocols.http.httptools_impl.HttpToolsProtocol
    _should_upgrade _start_asgi_task app_state config connection_lost connection_made connections cycle data_received
    flow headers loop on_response_complete parser pause_writing pipeline resume_writing scope server_state transport url
uvicorn.protocols.websockets.websockets_sansio_impl.WebSocketsSansIOProtocol
    app_state close_sent close_timeout config conn connection_lost connection_made data_received handle_connect
    handshake_complete handshake_initiated logger pause_writing ping_interval queue read_paused receive response
    resume_writing scope shutdown transport writable
uvicorn.server.Server
    _captured_signals config lifespan on_tick run server_state shutdown startup
uvicorn.supervisors.multiprocess.Process
    _server exitcode is_alive join kill process target
uvicorn.supervisors.multiprocess.Multiprocess
    processes run sockets terminate_all
"""


class HoldableFlow(FlowControl):
    """While reading is held, nothing resumes it."""

    is_held = False
    unsent = 0  # The bytes that were written last. All of them stay in memory until the last one is sent.

    def resume_writing(self) -> None:
        self.unsent = 0
        super().resume_writing()

    def hold(self) -> None:
        self.is_held = True
        self.pause_reading()

    def release(self) -> None:
        self.is_held = False
        super().resume_reading()

    def resume_reading(self) -> None:
        if self.read_paused and not self.is_held:
            super().resume_reading()


class Cycle(RequestResponseCycle):
    """A request and its response. The head of a response waits for its body, and both are one write if they are whole.

    uvicorn sends the head by itself, as a packet that costs the kernel as much as a short response costs this process.
    """

    flow: HoldableFlow
    _start: Any = None

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start" and not self.response_started:
            self._start = message
            return
        start, self._start = self._start, None
        if start is not None:
            if self._send_whole(start, message):
                return
            await super().send(start)
        await self.flow.drain()
        self.flow.unsent = len(message.get("body", b""))
        await super().send(message)

    def _send_whole(self, start: Any, message: Any) -> bool:
        """Send a response at once if it is whole, has its length, and need not wait. uvicorn sends all others."""
        headers, body = start["headers"], message["body"]
        is_whole = not message.get("more_body") and (b"content-length", b"%d" % len(body)) in headers
        is_blocked = self.flow.write_paused or self.disconnected
        if is_blocked or not is_whole or self.scope["method"] == "HEAD":
            return False
        if CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers = [*headers, CLOSE]
        head = write_head(STATUS_LINE[start["status"]], [*self.default_headers, *headers])
        self.flow.unsent = len(body)
        self.transport.writelines((head, body))
        self.response_started = self.response_complete = True
        self.message_event.set()
        if not self.keep_alive:
            self.transport.close()
        self.on_response()
        return True


class HTTPProtocol(HttpToolsProtocol):
    """uvicorn's protocol without timers and trailers, and without upgrades except to WebSockets."""

    accept_head: Callable[[Scope], bool]  # Whether a request whose head has arrived may run.
    follow_response: Callable[[], None]  # Called after each response.
    upgrade: Callable[[bytes], None]  # Called after the head of a WebSocket, with what follows it.
    flow: HoldableFlow
    url = b""
    idle_since: float | None = None  # The end of the last response, by the clock of the loop, if nothing came since.
    is_ending = False  # Nothing more of the client is read.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.flow = HoldableFlow(transport)
        self.headers = []

    def is_in_body(self) -> bool:
        """Whether a head has arrived without all of its body."""
        return self.cycle is not None and self.cycle.more_body

    def is_answering(self) -> bool:
        """Whether a whole request has arrived but is not answered. Then the client may only wait."""
        cycle = self.cycle
        return cycle is not None and (not (cycle.more_body or cycle.response_complete) or bool(self.pipeline))

    def find_unfinished(self) -> object | None:
        """What the client has to go on with: it has begun to send something else if this changes. None if nothing."""
        is_running = self.cycle is not None and not self.cycle.response_complete
        return None if is_running or self.idle_since is not None else self.scope or self

    def parse(self, data: bytes) -> bool | None:
        """Parse what the client has sent. Raises HttpParserError.

        Whether it is no more than a part of a head, or of what frames a body. None if a request is whole, and no more.
        """
        before, was_in_body = self.cycle, self.is_in_body()
        self.idle_since = None
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            return self._upgrade(data[upgrade.args[0] :])
        cycle = self.cycle
        if cycle is None or cycle.scope is not self.scope:
            return not was_in_body
        if cycle.more_body:
            return cycle is before and not (cycle.body or cycle.response_complete)
        return None if cycle is not before or was_in_body else True

    def fail(self, response: bytes) -> None:
        """Close the connection because of what the client has sent.

        If a request is being answered, the connection closes after its answer and `response` is not sent: it would be
        taken for the answer, and say that nothing has been done.
        """
        if not self.is_answering():
            self.end(response)
            return
        self.is_ending = True
        self.flow.hold()
        self.cycle.keep_alive = False

    def end(self, response: bytes) -> None:
        """Close the connection now. Send a response first unless one has begun."""
        self.is_ending = True
        if self.transport.is_closing():
            return
        if response and (self.cycle is None or self.cycle.response_complete or not self.cycle.response_started):
            self.transport.write(response)
        self.transport.close()

    def on_chunk_header(self) -> None:
        self.headers = []  # Trailers, which the parser reports as headers, must not become headers of the request.

    def on_response_complete(self) -> None:
        if self.is_ending:
            self.transport.close()
        elif not self.transport.is_closing():
            if self.pipeline:
                self._start_asgi_task(*self.pipeline.pop())
            self.follow_response()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        scope: Any = cycle.scope
        if self.accept_head(scope):
            cycle.__class__ = Cycle
            super()._start_asgi_task(cycle, app)

    def _should_upgrade(self) -> bool:
        return True  # uvicorn then leaves such a request to `_upgrade`.

    def _upgrade(self, rest: bytes) -> bool | None:
        """Upgrade to a WebSocket, or else answer the request without what it offers.

        Java's client offers HTTP/2 with its first request, of which the parser then only parses the head.
        """
        method = self.parser.get_method()
        if is_websocket_upgrade(method, self.headers):
            self.upgrade(rest)
        elif method == b"CONNECT":
            self.fail(MALFORMED)
        else:
            headers = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
            return self.parse(b"%b %b HTTP/1.1\r\n%b\r\n%b" % (method, self.url, b"".join(headers), rest))
        return None
