"""The limits that all HTTP connections of a process share."""

import asyncio
import logging
import resource
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple, Protocol

from app.operations.streams import ChangeStreams
from app.web.load.admission import Admission

MAX_CONNECTIONS = 1_000
# For sockets of the database, listeners and files.
OTHER_FILES = 200
# What a pipelining client has sent ahead, of all clients together.
MAX_BYTES_AHEAD = 8 * 1024 * 1024
# What has arrived of the messages of WebSockets, of all clients together.
MAX_BYTES_OF_MESSAGES = 16 * 1024 * 1024
MAX_LINGERING = 100
# What all clients together may leave unread in the memory of a process.
MAX_UNREAD_BYTES = 32 * 1024 * 1024
LARGE_UNREAD_BYTES = 1024 * 1024

logger = logging.getLogger("attendance.server")


class PipelineQueue:
    """Connections that go on with what their clients have sent ahead: one begins in each round of the event loop.

    Between two of them, the loop serves everybody else who has sent something.
    """

    def __init__(self) -> None:
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_scheduled = False

    def add(self, begin: Callable[[], None]) -> None:
        self._waiting.append(begin)
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._begin_next)

    def _begin_next(self) -> None:
        self._is_scheduled = False
        begin = self._waiting.popleft()
        self._schedule()
        begin()


@dataclass(slots=True)
class ConnectionLimits:
    """How many connections are open, and how many were refused.

    `streaming` counts the connections with streams, which have a limit of their own; `open` counts all others.
    `watched` holds the connections whose clients have something to do: all but those with streams that read them.
    `bytes_ahead` counts what clients have sent while a request before it is answered, `bytes_of_messages` what they
    have sent of messages of WebSockets that are not handled, `lingering` the refused connections that are still open.
    `pipelines` has the connections that go on with what their clients sent ahead.
    `unread` has those whose clients have more to read than fits the buffer, and `bound_unread` closes some of them.
    """

    max_open: int = MAX_CONNECTIONS
    open: int = 0
    streaming: int = 0
    refused: int = 0
    bytes_ahead: int = 0
    bytes_of_messages: int = 0
    lingering: int = 0
    watched: set[Any] = field(default_factory=set)
    pipelines: PipelineQueue = field(default_factory=PipelineQueue)
    unread: set[Any] = field(default_factory=set)
    bound_unread: Callable[[], object] | None = None

    def note_unread(self, connection: Any) -> None:
        """Note that a client has more to read than fits the buffer. A large response may exceed the bound at once."""
        self.unread.add(connection)
        if self.bound_unread is None or connection.count_unread_bytes() < LARGE_UNREAD_BYTES:
            return
        if sum(each.count_unread_bytes() for each in self.unread) > MAX_UNREAD_BYTES:
            asyncio.get_running_loop().call_soon(self.bound_unread)

    def open_one(self) -> bool:
        """Count a new connection. False if it must be refused."""
        if self.open >= self.max_open:
            self.refused += 1
            return False
        self.open += 1
        return True

    def hold_message(self, size: int) -> bool:
        """Count bytes of a WebSocket's message that is not handled. False if there is no room for them."""
        if self.bytes_of_messages + size > MAX_BYTES_OF_MESSAGES:
            return False
        self.bytes_of_messages += size
        return True

    def hold_ahead(self, size: int) -> bool:
        """Count bytes that a client has sent ahead. False if there is no room for them."""
        if self.bytes_ahead + size > MAX_BYTES_AHEAD:
            return False
        self.bytes_ahead += size
        return True


CONNECTION = "connection"  # Where the state of a request's scope has its connection.
SHUTDOWN = "websocket.shutdown"  # The type of the message of a WebSocket's connection when the process shuts down.


class StreamConnection(Protocol):
    """What streams may ask of their connection. A request finds its connection in the state of its scope."""

    def begin_stream(self, on_lost: Callable[[], object] | None = None) -> None:
        """Count a stream. While it has any, the client may read as slowly as it likes, and little is buffered for it.

        `on_lost` is called when the connection is lost, or at once if it has been lost already.
        """

    def end_stream(self) -> None:
        """End a stream. The client of a connection without streams has to read what is left."""

    async def drain(self) -> None:
        """Wait until all that was sent has left this process, or the connection is lost."""

    def abort(self) -> None:
        """Close the connection at once."""


class Load(NamedTuple):
    """What bounds the load of a process: slots for requests, limits of connections, and the streams."""

    admission: Admission
    connections: ConnectionLimits
    streams: ChangeStreams


@cache
def share_files(max_streams: int) -> tuple[int, int]:
    """How many connections without streams, and how many with streams, a process may have.

    It raises its limit of open files as far as is needed, or else as far as it may.
    """
    needed = MAX_CONNECTIONS + max_streams + OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != resource.RLIM_INFINITY and soft < needed:
        soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return MAX_CONNECTIONS, max_streams
    files = soft - OTHER_FILES
    connections = max(1, min(MAX_CONNECTIONS, files // 2))
    streams = max(1, min(max_streams, files - connections))
    if streams < max_streams:
        logger.warning("the limit of open files, %s, allows %s streams, not %s", soft, streams, max_streams)
    return connections, streams
