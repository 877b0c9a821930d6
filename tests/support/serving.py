"""Applications over a real server on loopback, for what a transport in this process cannot show."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.types import ASGIApp


@asynccontextmanager
async def serve(application: ASGIApp) -> AsyncIterator[str]:
    """Serve an application whose lifespan is its owner's business; gives the address that its paths are appended to."""
    async with run_uvicorn(application) as (_, address):
        yield address


@asynccontextmanager
async def run_uvicorn(application: ASGIApp, **options: Any) -> AsyncIterator[tuple[uvicorn.Server, str]]:
    """A server in this process, and its address.

    The socket listens before the server runs, so that requests may be sent at once.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(application, lifespan="off", ws="none", log_config=None, **options))
    serving = asyncio.create_task(server.serve([listener]))
    try:
        yield server, f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving
