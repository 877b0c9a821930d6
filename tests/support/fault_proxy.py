"""A way to Postgres over TCP that can be cut, refused, stalled, or swallow everything without a word."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

CHUNK_BYTES = 65536
LOOPBACK = "127.0.0.1"


class FaultProxy:
    """Passes on what clients and a Postgres say; `target` is the path of the server's socket, and may change."""

    def __init__(self, target: Path) -> None:
        self.target = target
        self.port = 0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._welcoming = asyncio.Event()
        self._welcoming.set()
        self._listener: asyncio.Server | None = None
        self._ways: set[asyncio.Task[None]] = set()
        self._fillers: list[socket.socket] = []

    async def listen(self) -> None:
        if self._listener is None:
            self._listener = await asyncio.start_server(self._serve, LOOPBACK, self.port, reuse_address=True)
            self.port = self._listener.sockets[0].getsockname()[1]

    def stall(self) -> None:
        """Pass on nothing, and take new connections without a word: a server that is stopped."""
        self._flowing.clear()

    def ignore_newcomers(self) -> None:
        """Take new connections without a word, and go on with those that there are."""
        self._welcoming.clear()

    def swallow(self) -> None:
        """Pass on nothing, and don't answer whoever connects: packets that are dropped on their way.

        A listener whose queue is full has Linux drop what asks for a connection.
        """
        self._flowing.clear()
        self._stop_listening()
        self._fillers = [make_listener(self.port), *(begin_to_connect(self.port) for _ in range(4))]

    def refuse(self) -> None:
        """End all connections, and refuse new ones: a machine without a server."""
        self._stop_listening()
        self.cut()

    def cut(self) -> None:
        """End all connections."""
        for way in self._ways:
            way.cancel()

    async def heal(self) -> None:
        """Pass on everything again, also what was held up."""
        while self._fillers:
            self._fillers.pop().close()
        self._flowing.set()
        self._welcoming.set()
        await self.listen()

    async def close(self) -> None:
        self._stop_listening()
        self.cut()
        await asyncio.gather(*self._ways, return_exceptions=True)
        while self._fillers:
            self._fillers.pop().close()

    def _stop_listening(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        way = asyncio.current_task()
        assert way is not None
        self._ways.add(way)
        try:
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._connect(reader, writer)
        finally:
            self._ways.discard(way)
            writer.transport.abort()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        await self._welcoming.wait()
        from_server, to_server = await asyncio.open_unix_connection(str(self.target))
        try:
            async with asyncio.TaskGroup() as ways:
                ways.create_task(self._pass_on(reader, to_server))
                ways.create_task(self._pass_on(from_server, writer))
        except* (OSError, EndOfConnectionError):
            pass
        finally:
            to_server.transport.abort()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._flowing.wait()
            writer.write(chunk)
            await writer.drain()
        raise EndOfConnectionError


class EndOfConnectionError(Exception):
    """One side has ended the connection."""


def make_listener(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((LOOPBACK, port))
    listener.listen(0)
    return listener


def begin_to_connect(port: int) -> socket.socket:
    filler = socket.socket()
    filler.setblocking(False)  # noqa: FBT003 (the standard library's)
    with contextlib.suppress(BlockingIOError):
        filler.connect((LOOPBACK, port))
    return filler


@asynccontextmanager
async def open_proxy(target: Path) -> AsyncIterator[FaultProxy]:
    proxy = FaultProxy(target)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.close()
