"""One connection to Postgres: its prepared statements, and the site that row security is set to."""

import secrets
import socket
import time
from collections.abc import Sequence
from itertools import count
from typing import Any
from uuid import UUID

import asyncpg

from app.database.failures import SessionRefused
from app.database.hosts import Address
from app.database.session import TRANSACTION_MODE, ExpectedSession, check_session

# More than the number of statement shapes that clients send: a statement that was evicted costs two round trips when
# it is needed again. What Postgres keeps of one grows with its text: measured, 16 KB and 60 to 70 bytes a character.
MAX_PREPARED_STATEMENTS = 512
MAX_PREPARED_BYTES = 20_000_000
BYTES_A_STATEMENT, BYTES_A_CHARACTER = 16_000, 70
MIN_TIMEOUT_SECONDS = 0.001
UNKNOWN_STATEMENT = (asyncpg.InterfaceError, asyncpg.InvalidSQLStatementNameError, asyncpg.OutdatedSchemaCacheError)
ENTER_SITE = "SELECT pg_backend_pid(), set_config('attendance.site_id', $1, false)"
# The operating system closes a connection whose other end is gone, or that a firewall has dropped.
SOCKET_OPTIONS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5000}


class SiteConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection with the site that row security is set to, its host, and its prepared statements.

    The service keeps no other session state, so nothing is reset on release. `leased_to` is the site of its borrower,
    or of the last one; `begun_at` is when its statement was sent, where that is measured. `generation` is that of its
    pool when the connection was opened; `timeout_seconds` is how long a statement may take, as the client measures it;
    `expected_session` is what its session must be like, `backend_pid` the server process that passed that check.
    """

    timeout_seconds: float = float("inf")
    entered_site: UUID | None = None
    leased_to: UUID | None = None
    begun_at: float = float("inf")
    generation: int = 0
    expected_session: ExpectedSession | None = None
    backend_pid: int | None = None
    address: Address

    def __init__(self, protocol: Any, transport: Any, *arguments: Any) -> None:
        super().__init__(protocol, transport, *arguments)
        self._prepared: dict[str, Any] = {}
        # The driver's names repeat in each process: behind a pooler one process would run another one's statement.
        self._names = (f"attendance_{secrets.token_hex(8)}_{number}" for number in count())
        self.add_termination_listener(lambda _: self._prepared.clear())
        enable_keepalive(transport.get_extra_info("socket"))

    async def run(self, text: str, arguments: Sequence[object]) -> list[Any]:
        """Fetch the rows of a statement, which stays prepared. A lookup here takes half the driver's own steps.

        A statement whose tables have changed is prepared again at once. One that the server or the driver no longer
        knows is prepared again at its next run.
        """
        statement = self._prepared.get(text)
        if statement is None:
            return await self._prepare_and_run(text, arguments)
        try:
            rows: list[Any] = await statement.fetch(*arguments)
        except asyncpg.InvalidCachedStatementError:
            self._prepared.clear()
            return await self._prepare_and_run(text, arguments)
        except UNKNOWN_STATEMENT:
            self._prepared.pop(text, None)  # When the connection ends, all have been removed before.
            raise
        return rows

    async def _prepare_and_run(self, text: str, arguments: Sequence[object]) -> list[Any]:
        """Prepare a statement, evict the oldest ones if there are too many, and run it, all within one timeout.

        The driver closes the evicted statements on the server.
        """
        begin = time.monotonic()
        statement = await self.prepare(text, name=next(self._names))
        total = weigh_statement(text) + sum(map(weigh_statement, self._prepared))
        while self._prepared and (len(self._prepared) >= MAX_PREPARED_STATEMENTS or total > MAX_PREPARED_BYTES):
            oldest = next(iter(self._prepared))
            total -= weigh_statement(oldest)
            del self._prepared[oldest]
        self._prepared[text] = statement
        left = self.timeout_seconds - (time.monotonic() - begin)
        rows: list[Any] = await statement.fetch(*arguments, timeout=max(left, MIN_TIMEOUT_SECONDS))
        return rows

    async def enter_site(self, site_id: UUID) -> None:
        """Set row security to this site. After a change whose answer was lost, the setting is made again.

        The first statement also checks the session. Raises SessionRefused when it must not be used.
        """
        if self.entered_site == site_id:
            return
        self.entered_site = None
        if self.backend_pid is None:
            await self.check_session(str(site_id))
        elif await self.fetchval(ENTER_SITE, str(site_id)) != self.backend_pid:
            raise SessionRefused(TRANSACTION_MODE)
        self.entered_site = site_id

    async def check_session(self, site: str = "") -> None:
        """Check the session unless that is done, and set row security to a site. Raises SessionRefused."""
        if self.backend_pid is None and self.expected_session is not None:
            self.backend_pid = await check_session(self, self.expected_session, site)

    def get_reset_query(self) -> str:
        return ""


def weigh_statement(text: str) -> int:
    """About how much of Postgres's memory a prepared statement takes, in bytes."""
    return BYTES_A_STATEMENT + BYTES_A_CHARACTER * len(text)


def enable_keepalive(connected: Any) -> None:
    """Have the operating system detect that the other side of a TCP connection is gone, as far as it can."""
    if connected is None or connected.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in SOCKET_OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)
