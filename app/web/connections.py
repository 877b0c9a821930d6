"""Connections that would stay for ever: those that never finish a request's head, go silent, or read no answer.

uvicorn bounds the idle time between two requests, and nothing else.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.errors import BadUserInput, OperationTimeout
from app.web.headers import SECURITY_HEADERS
from app.web.responses import write_error

HEAD_SECONDS = 10.0
UNREAD_SECONDS = 30.0
MOST_HEAD_BYTES = 65_536
MOST_HEADERS = 200
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class WholeAnswer(asyncio.Transport):
    """What uvicorn writes one answer to: the head waits for the body, so that both are sent at once.

    Else each of them is a packet of its own, which costs the kernel as much as a short answer costs this process.
    """

    __slots__ = ("_head", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = b""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head is None or data == CONTINUE:
            self._transport.write(data)
        elif self._head:
            self._transport.writelines((self._head, data))
            self._head = None
        else:
            self._head = bytes(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        if self._head:
            self._transport.write(self._head)
        self._transport.close()


class Connection(HttpToolsProtocol):
    """A connection of uvicorn's, whose requests have heads of a bounded size, and which never becomes anything else.

    Java's client offers HTTP/2 with its first request, and the parser takes such a request to end with its head; so it
    is parsed again without the offer.
    """

    _head_bytes = 0

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline_upgrade(data[offer.args[0] :])
        except httptools.HttpParserError:
            self.end(MALFORMED)
        if self.scope is None:
            return
        self._head_bytes = self._head_bytes + len(data) if is_in_head(self) else 0
        if self._head_bytes > MOST_HEAD_BYTES or len(self.headers) > MOST_HEADERS:
            self.end(HEAD_TOO_LARGE)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if cycle.scope["method"] != "HEAD":  # All other answers have a body, be it an empty one.
            cycle.transport = WholeAnswer(self.transport)
        super()._start_asgi_task(cycle, app)

    def _should_upgrade(self) -> bool:
        return True  # Which is why nothing is done about such a request until `_decline_upgrade`.

    def _decline_upgrade(self, rest: bytes) -> None:
        method = self.parser.get_method()
        if method == b"CONNECT":
            self.end(MALFORMED)
            return
        headers = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        head = b"%b %b HTTP/1.1\r\n%b\r\n" % (method, self.url, b"".join(headers))
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        self.data_received(head + rest)

    def end(self, answer: bytes) -> None:
        """Close the connection, with an answer if none is on its way."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(answer)
        self.transport.close()


class ConnectionWatch:
    """Ends connections that have been stuck at the same thing for too long. It costs requests nothing."""

    def __init__(self) -> None:
        self._stuck: dict[Connection, tuple[object, float]] = {}

    def look(self, connections: Iterable[Connection], now: float) -> None:
        """Look at all connections; `now` is a time in seconds that only grows."""
        stuck: dict[Connection, tuple[object, float]] = {}
        for connection in connections:
            thing, seconds = find_obstacle(connection)
            if thing is None:
                continue
            known = self._stuck.get(connection)
            since = known[1] if known is not None and known[0] is thing else now
            if now - since < seconds:
                stuck[connection] = thing, since
            elif seconds == UNREAD_SECONDS:
                connection.transport.abort()
            else:
                connection.end(HEAD_TOO_SLOW)
        self._stuck = stuck


def find_obstacle(connection: Connection) -> tuple[object | None, float]:
    """What a connection waits for its client to do, and how many seconds it may; None while a request is answered."""
    if connection.transport.is_closing() or connection.flow.write_paused:
        return connection.transport, UNREAD_SECONDS
    if connection.scope is None:
        return connection, HEAD_SECONDS
    cycle = connection.cycle
    if cycle is None:
        return connection.scope, HEAD_SECONDS
    if not cycle.response_complete:
        return None, 0
    if is_in_head(connection):
        return connection.scope, HEAD_SECONDS
    is_idle = connection.timeout_keep_alive_task is not None
    return (None, 0) if is_idle else (cycle, HEAD_SECONDS)


def is_in_head(connection: Connection) -> bool:
    """Whether the head of a request has begun to arrive, and has not ended."""
    return connection.cycle is None or connection.cycle.scope is not connection.scope


def write_answer(status_line: bytes, body: bytes) -> bytes:
    """An answer to what never became a request, with the headers that all answers have."""
    headers = [
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
        *SECURITY_HEADERS,
    ]
    head = b"".join(b"%b: %b\r\n" % header for header in headers)
    return b"HTTP/1.1 %b\r\n%b\r\n%b" % (status_line, head, body)


MALFORMED = write_answer(b"400 Bad Request", write_error(BadUserInput("The request is not valid HTTP.")))
HEAD_TOO_LARGE = write_answer(
    b"431 Request Header Fields Too Large", write_error(BadUserInput("The head of the request is too large."))
)
HEAD_TOO_SLOW = write_answer(
    b"408 Request Timeout", write_error(OperationTimeout("The request took too long to arrive."))
)
