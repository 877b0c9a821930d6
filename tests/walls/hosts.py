"""Hosts that a URL may name: the own server, places without one, and one that says nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from app.database.connector import Connector
from app.database.migrations import SERVICE_ROLE


def name_hosts(url: str, *hosts: Path | str) -> str:
    """The same database by several hosts; `...` stands for the server's own."""
    parts = urlsplit(url)
    [own], [port] = (parse_qs(parts.query)[name] for name in ("host", "port"))
    names = ",".join(own if str(host) == "..." else str(host) for host in hosts)
    return parts._replace(query=f"host={names}&port={port}").geturl()


def name_socket(url: str) -> Path:
    """The server's socket."""
    [host], [port] = (parse_qs(urlsplit(url).query)[name] for name in ("host", "port"))
    return Path(host, f".s.PGSQL.{port}")


def connector_of(url: str) -> Connector:
    return Connector(url, role=SERVICE_ROLE, statement_seconds=1.5)


@asynccontextmanager
async def be_silent(url: str, place: Path) -> AsyncIterator[list[asyncio.StreamWriter]]:
    """A host at this place that takes connections without a word."""
    taken: list[asyncio.StreamWriter] = []
    server = await asyncio.start_unix_server(lambda _, writer: taken.append(writer), place / name_socket(url).name)
    async with server:
        yield taken
        for writer in taken:
            writer.transport.abort()
