"""How the figures of a run were taken: the machine, the versions, and the settings."""

import asyncio
import os
import platform
import sys
from collections.abc import Mapping
from importlib.metadata import version

import asyncpg

from app.settings import Settings
from benchmarks.processes import HAS_NANOSECONDS

PACKAGES = ("asyncpg", "orjson", "uvicorn", "uvloop", "httptools", "graphql-core", "strawberry-graphql", "starlette")
POSTGRES_SETTINGS = ("shared_buffers", "work_mem", "fsync", "synchronous_commit", "full_page_writes")
READ_SETTINGS = "SELECT name, current_setting(name) FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, position)"


def describe_conditions(url: str, settings: Settings) -> list[str]:
    """A sentence for each thing that the figures depend on."""
    postgres_version, postgres_settings = asyncio.run(read_postgres(url))
    system = platform.uname()
    clock = "nanoseconds, from `schedstat`" if HAS_NANOSECONDS else "ticks of the kernel's clock, from `stat`"
    return [
        f"{os.cpu_count()} processors ({system.machine}, {system.system} {system.release.partition('-')[0]}), which the"
        " servers, Postgres and the load share",
        f"Python {platform.python_version()} ({sys.implementation.name}); "
        + ", ".join(f"{name} {version(name)}" for name in PACKAGES),
        f"Postgres {postgres_version}, embedded, over a Unix socket: "
        + ", ".join(f"`{name}` {value}" for name, value in postgres_settings.items()),
        "service: `attendance serve` with a secret to verify tokens by and the pool's size, else as it comes: row"
        f" security {'on' if settings.row_security else 'off'}",
        "hand-written endpoint: `uvicorn` with asyncpg's pool, whose connections are given back without a round trip;"
        " garbage collector and planner are set as the service sets them",
        f"processor time: user and system together, in {clock}; Postgres's is that of its backends, of the workers"
        " that read for them, and of the writer of its log",
    ]


async def read_postgres(url: str) -> tuple[str, Mapping[str, str]]:
    """Postgres's version, and those of its settings that speed depends on."""
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch(READ_SETTINGS, POSTGRES_SETTINGS)
        return str(await connection.fetchval("SHOW server_version")), {row[0]: row[1] for row in rows}
    finally:
        await connection.close()
