"""Closes connections whose client has been expected to act for too long, or leaves too much unread."""

import fcntl
import struct
import termios
from collections.abc import Iterable, Mapping
from contextlib import suppress
from math import inf
from typing import NamedTuple

from app.web.load.connections import MAX_UNREAD_BYTES
from app.web.serving.http_connections import (
    HEAD_TIMEOUT_SECONDS,
    KEEP_ALIVE_SECONDS,
    UNREAD_TIMEOUT_SECONDS,
    HTTPConnection,
)
from app.web.serving.raw_responses import HEAD_TOO_SLOW
from app.web.serving.websockets import WebSocketConnection

MonitoredConnection = HTTPConnection | WebSocketConnection

# What a client has to read of a response in `UNREAD_TIMEOUT_SECONDS`.
MIN_READ_BYTES = 65_536


class Pending(NamedTuple):
    """What a client has to do, since when (monotonic seconds), for how long, and how much it had not read then."""

    action: object
    since: float
    seconds: float
    unread: int = 0
    paused_writes: int = 0


class ConnectionMonitor:
    """Checks all connections. Requests pay nothing for it.

    A client that reads a response counts from its last progress, not from the beginning: it may be slow, but not stop.
    The client of a stream may also stop, as long as all unread responses fit their bound.
    """

    def __init__(self) -> None:
        self._pending: dict[MonitoredConnection, Pending] = {}

    def check(self, connections: Iterable[MonitoredConnection], now: float) -> None:
        """Check all connections. `now` is a monotonic time in seconds."""
        pending: dict[MonitoredConnection, Pending] = {}
        for connection in connections:
            current = find_pending(connection, now)
            if current is None:
                continue
            known = self._pending.get(connection)
            state = current if known is None or has_progressed(known, current) else known
            if now - state.since < current.seconds:
                pending[connection] = state
            elif isinstance(connection, HTTPConnection) and state.action is not connection.transport:
                connection.end(HEAD_TOO_SLOW)
            else:
                connection.transport.abort()
        self._pending = pending
        bound_unread(pending)


def find_pending(connection: MonitoredConnection, now: float) -> Pending | None:
    """What the client has to do now; None if nothing. A connection that has been idle for too long is closed."""
    is_closing = connection.transport.is_closing()
    if is_closing or connection.is_write_paused:
        seconds = inf if connection.streams and not is_closing else UNREAD_TIMEOUT_SECONDS
        return Pending(connection.transport, now, seconds, count_unreceived_bytes(connection), connection.paused_writes)
    action = connection.find_unfinished()
    if action is not None:
        return Pending(action, now, HEAD_TIMEOUT_SECONDS)
    if not isinstance(connection, HTTPConnection):
        return None
    if connection.idle_since is not None and now - connection.idle_since > KEEP_ALIVE_SECONDS:
        connection.transport.close()
    return None


def has_progressed(known: Pending, current: Pending) -> bool:
    """Whether the client has begun something else, or has read enough of what it has to read."""
    if known.action is not current.action or known.paused_writes != current.paused_writes:
        return True
    return current.unread <= known.unread - MIN_READ_BYTES


def count_unreceived_bytes(connection: MonitoredConnection) -> int:
    """The bytes that the client has not received: in the memory of this process, and in the kernel's send queue."""
    size = connection.transport.get_write_buffer_size()
    with suppress(OSError, AttributeError):
        descriptor = connection.transport.get_extra_info("socket").fileno()
        [queued] = struct.unpack("i", fcntl.ioctl(descriptor, termios.TIOCOUTQ, bytes(4)))
        size += queued
    return size


def bound_unread(pending: Mapping[MonitoredConnection, Pending]) -> None:
    """Close connections until all unread responses fit their bound, first those without progress for longest."""
    unread = [(state.since, connection) for connection, state in pending.items() if state.unread]
    total = sum(connection.count_unread_bytes() for _, connection in unread)
    for _, connection in sorted(unread, key=lambda item: item[0]):
        if total <= MAX_UNREAD_BYTES:
            return
        total -= connection.count_unread_bytes()
        connection.transport.abort()
