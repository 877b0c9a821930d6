"""A way to Postgres that loses a connection when it is told to: before a statement arrives, or before its answer."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

CHUNK_BYTES = 65536


class Loss(Enum):
    """What is lost, together with the connection: the next that a client sends, or the next that it is answered."""

    STATEMENT = "statement"
    ANSWER = "answer"


@dataclass(slots=True)
class LosingProxy:
    """Passes on what clients and Postgres say; `loss` happens once."""

    socket: Path
    url: str = ""
    loss: Loss | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on one connection until one side ends it, or it is lost."""
        from_server, to_server = await asyncio.open_unix_connection(str(self.socket))
        ways = [
            asyncio.create_task(self.pass_on(reader, to_server, Loss.STATEMENT)),
            asyncio.create_task(self.pass_on(from_server, writer, Loss.ANSWER)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        for each in (to_server, writer):
            each.close()

    async def pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, lost_here: Loss) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self.loss is lost_here:
                self.loss = None
                return
            writer.write(chunk)
            await writer.drain()


@asynccontextmanager
async def lose_connections(url: str) -> AsyncIterator[LosingProxy]:
    """A proxy before the server of a URL whose host is the directory of a Unix socket, as the embedded one's is."""
    host, port = (parse_qs(urlsplit(url).query)[name][0] for name in ("host", "port"))
    proxy = LosingProxy(Path(host, f".s.PGSQL.{port}"))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1")
    async with server:
        own_port = server.sockets[0].getsockname()[1]
        proxy.url = f"postgresql://postgres@127.0.0.1:{own_port}{urlsplit(url).path}?sslmode=disable"
        yield proxy
