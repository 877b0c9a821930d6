"""HTTP/1.1 connections of which none takes more memory or time than is said here."""

import asyncio
from collections.abc import Iterable
from typing import Any

import httptools
from starlette.types import Scope

from app.web.headers import Header
from app.web.load.connections import CONNECTION, ConnectionLimits
from app.web.serving.counted_connections import BUFFER_LIMITS, CountedConnection
from app.web.serving.raw_responses import HEAD_TOO_LARGE, MALFORMED, OVERLOADED
from app.web.serving.uvicorn_internals import HTTPProtocol
from app.web.serving.websockets import WebSocketConnection

MAX_HEAD_BYTES = 65_536
MAX_HEADERS = 200
HEAD_TIMEOUT_SECONDS = 10.0
UNREAD_TIMEOUT_SECONDS = 30.0
KEEP_ALIVE_SECONDS = 75.0
HEAD_END = b"\r\n\r\n"
BODY_PIECE_BYTES = 512


class HTTPConnection(CountedConnection, HTTPProtocol):
    """A connection that limits heads, and runs one request after the other.

    What a client sends while its request is answered is not parsed before the answer, and reading pauses. Connections
    with such requests take turns.
    """

    _received = 0  # Bytes since the last whole request.
    _framing = 0  # Bytes in a row that belong to one head, or that frame a body without being of it.
    _has_received_much = False  # A head of this connection may be too large, and has to be measured.
    _ahead = bytearray()  # What the client has sent ahead. It is replaced, not changed, when more comes.
    _is_late = False  # What is parsed was sent before the last answer.

    def __init__(self, *args: Any, limits: ConnectionLimits | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.limits = limits or ConnectionLimits()
        self.app_state = {**self.app_state, CONNECTION: self}

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.count(is_counted=self.limits.open_one())
        transport.set_write_buffer_limits(*BUFFER_LIMITS)
        if not self.is_counted:
            self.is_ending = True
            self.connections.discard(self)
            self.refuse()

    def connection_lost(self, exc: Exception | None) -> None:
        self.count_lost()
        self._take_ahead(len(self._ahead))
        super().connection_lost(exc)
        self._let_go()

    def _let_go(self) -> None:
        """Drop what refers to this connection, so that it is freed without the garbage collector."""
        self.parser = self.cycle = self.scope = None  # type: ignore[assignment]
        self.app_state = {}

    def count_unread_bytes(self) -> int:
        return max(self.flow.unsent, super().count_unread_bytes()) if self.is_write_paused else 0

    def pause_writing(self) -> None:
        self.note_paused(is_paused=True)
        super().pause_writing()

    def resume_writing(self) -> None:
        self.note_paused(is_paused=False)
        super().resume_writing()

    async def drain(self) -> None:
        await self.flow.drain()

    def data_received(self, data: bytes) -> None:
        if self.is_ending:
            return
        if not (self._ahead or self.is_answering()) and data.count(HEAD_END) < 2:
            self._parse(data)
        elif self.limits.hold_ahead(len(data)):
            self._ahead = self._ahead + data
            self.flow.hold()
            self._parse_ahead()
        else:
            self.fail(OVERLOADED)

    def accept_head(self, scope: Scope) -> bool:
        headers = scope["headers"]
        target = (scope["raw_path"] or b"") + scope["query_string"]
        is_too_large = self._has_received_much and measure_fields(target, headers) > MAX_HEAD_BYTES
        if is_too_large or len(headers) > MAX_HEADERS:
            self.end(HEAD_TOO_LARGE)
            return False
        return True

    def follow_response(self) -> None:
        if not self._received:
            self.idle_since = self.loop.time()
        if self._ahead:
            self.limits.pipelines.add(self._follow_ahead)
        else:
            self.flow.release()

    def _follow_ahead(self) -> None:
        if self._ahead:  # The connection may have been lost.
            self._is_late = True
            self._parse_ahead()
            self._is_late = False

    def fail(self, response: bytes) -> None:
        self._take_ahead(len(self._ahead))
        super().fail(b"" if self._is_late else response)

    def _parse_ahead(self) -> None:
        """Parse what was sent ahead, piece by piece, until a request is whole. Go on reading after the last piece."""
        while self._ahead and not (self.is_ending or self.is_answering()):
            self._parse(self._take_ahead(self._find_end_of_piece()))
        if not (self._ahead or self.is_ending):
            self.flow.release()

    def _find_end_of_piece(self) -> int:
        """Where the next piece to parse ends: after a head. Where a body ends is not known, so its pieces are small."""
        if self.is_in_body():
            return BODY_PIECE_BYTES
        end = self._ahead.find(HEAD_END)
        return len(self._ahead) if end < 0 else end + len(HEAD_END)

    def _take_ahead(self, size: int) -> bytes:
        piece = bytes(self._ahead[:size])
        del self._ahead[:size]
        self.limits.bytes_ahead -= len(piece)
        return piece

    def _parse(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > MAX_HEAD_BYTES:
            self._has_received_much = True
            if not self.is_in_body() and self._framing + data.find(HEAD_END) > MAX_HEAD_BYTES:
                self.end(HEAD_TOO_LARGE)
                return
        try:
            is_framing = self.parse(data)
        except httptools.HttpParserError:
            self.fail(HEAD_TOO_LARGE if len(self.url) > MAX_HEAD_BYTES else MALFORMED)
            return
        if is_framing is None:
            self._received = self._framing = 0
            return
        self._framing = self._framing + len(data) if is_framing else 0
        if self._framing > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self.fail(HEAD_TOO_LARGE)

    def upgrade(self, rest: bytes) -> None:
        """Pass the connection to the WebSocket protocol, with what the client has sent after the head."""
        if measure_fields(self.url, self.headers) > MAX_HEAD_BYTES or len(self.headers) > MAX_HEADERS:
            self.end(HEAD_TOO_LARGE)
            return
        self.is_ending = True
        self.connections.discard(self)
        rest += self._take_ahead(len(self._ahead))
        self.flow.release()
        upgraded = WebSocketConnection(self.config, self.server_state, {}, limits=self.limits)
        upgraded.count(is_counted=self.is_counted)
        self.is_counted = False
        self.limits.watched.discard(self)
        self.limits.unread.discard(self)
        self.transport.set_protocol(upgraded)
        upgraded.connection_made(self.transport)
        upgraded.begin(self.url, self.headers, rest)
        self._let_go()


def measure_fields(target: bytes, headers: Iterable[Header]) -> int:
    """The bytes of a target and of headers, with what stands between them."""
    return len(target) + sum(len(name) + len(value) + len(b": \r\n") for name, value in headers)
