"""One connection to Postgres: how it is made, and the site that row security sees on it."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import asyncpg

CONNECT_SECONDS = 2.0
# More than the shapes that clients send; one that is pushed out costs two round trips when it comes back.
STATEMENTS_KEPT_A_CONNECTION = 256
ENTER_SITE = "SELECT set_config('attendance.site_id', $1, false)"
SESSION_SETTINGS = {
    "jit": "off",
    # Statements are written for any value; planned anew for each, they take twice the time and no better way.
    "plan_cache_mode": "force_generic_plan",
    # In milliseconds; without it a statement runs on for whoever has been cut off.
    "client_connection_check_interval": "1000",
}


class SiteConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that remembers for which site row security is set.

    The service keeps no other session state, so nothing is reset when a connection is given back. `generation` is
    that of the connections it belongs to.
    """

    entered_site: UUID | None = None
    generation: int = 0

    async def enter_site(self, site_id: UUID) -> None:
        """Let row security see this site, and no other; a change whose answer is lost is made again."""
        if self.entered_site != site_id:
            self.entered_site = None
            await self.fetchval(ENTER_SITE, str(site_id))
            self.entered_site = site_id

    def get_reset_query(self) -> str:
        return ""


Connect = Callable[[], Awaitable[SiteConnection]]


def prepare_connect(url: str, *, role: str | None, statement_seconds: float) -> Connect:
    """A function that makes a connection to the URL's server, which stops statements after so many seconds.

    With a role, the connection takes it, so that row security binds it. Without one there may be a pooler in between,
    which takes no settings of a session.
    """
    settings = {"application_name": "attendance"}
    if role is not None:
        settings |= SESSION_SETTINGS | {"role": role, "statement_timeout": str(int(statement_seconds * 1000))}

    async def connect() -> SiteConnection:
        connection: SiteConnection = await asyncpg.connect(
            url,
            connection_class=SiteConnection,
            server_settings=settings,
            statement_cache_size=STATEMENTS_KEPT_A_CONNECTION,
            max_cached_statement_lifetime=0,
            timeout=CONNECT_SECONDS,
            command_timeout=statement_seconds + 1,
        )
        return connection

    return connect
