"""HTTP/1.1 by hand: connections whose every byte and end a test decides on, and which tell a lost answer from none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

HEAD = (
    "POST /graphql HTTP/1.1\r\nhost: test\r\naccept: application/graphql-response+json\r\n"
    "content-type: application/json\r\n"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def content(self) -> Any:
        return orjson.loads(self.body)


@dataclass(frozen=True, slots=True)
class Wire:
    """One connection. What it raises, ConnectionError or IncompleteReadError, says that the connection has ended."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, content: bytes) -> None:
        self.writer.write(content)
        await self.writer.drain()

    async def receive(self) -> Answer:
        lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = dict(line.lower().split(": ", 1) for line in lines[1:] if line)
        body = await self.reader.readexactly(int(headers["content-length"]))
        return Answer(int(lines[0].split()[1]), headers, body)

    async def ask(self, content: bytes) -> Answer:
        await self.send(content)
        return await self.receive()


@asynccontextmanager
async def connect(url: str) -> AsyncIterator[Wire]:
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


def write_post(query: str, token: str | None = None, **variables: Any) -> bytes:
    """A whole request."""
    body = orjson.dumps({"query": query, "variables": variables})
    authorization = "" if token is None else f"authorization: Bearer {token}\r\n"
    return f"{HEAD}{authorization}content-length: {len(body)}\r\n\r\n".encode() + body


def write_get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: test\r\n\r\n".encode()
