"""Asking a server for a site, and looking at its one connection."""

from uuid import UUID

from app.database.connection_pool import ConnectionCounts
from app.database.server import PostgresServer

SITE = "SELECT current_setting('attendance.site_id', true) AS site, pg_backend_pid() AS pid"


async def find_pid(server: PostgresServer, site_id: UUID) -> int:
    [row] = await server.fetch_rows(SITE, [], site_id)
    assert row["site"] == str(site_id)
    pid: int = row["pid"]
    return pid


def is_idle(counts: ConnectionCounts) -> bool:
    return counts.size == counts.idle == 1
