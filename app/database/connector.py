"""Opens connections to Postgres, by whichever of a URL's hosts answers first."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import asyncpg

from app.database.connection import MAX_PREPARED_STATEMENTS, SiteConnection
from app.database.driver import open_connection
from app.database.failures import STARTUP_PARAMETER
from app.database.hosts import Address, split_hosts
from app.database.session import ExpectedSession, Pooler

CONNECT_SECONDS = 1.8
HEAD_START_SECONDS = 0.4
# How long the client waits beyond the limit in Postgres. Without row security it must not be much longer: a pooler may
# have dropped that limit.
SPARE_SECONDS, SPARE_SECONDS_BEHIND_POOLER = 1.0, 0.2
# Of all sessions, also of those that may be behind a pooler.
COMMON_SETTINGS = {
    # In milliseconds; without it a statement runs on after its client is gone.
    "client_connection_check_interval": "1000",
    # A bitmap has no order: a page of a large booking would read and sort all its records, where most are small.
    "enable_bitmapscan": "off",
}
SESSION_SETTINGS = {
    "jit": "off",
    # Statements are written for any value; planned again for each value, they take twice the time for the same plan.
    "plan_cache_mode": "force_generic_plan",
    **COMMON_SETTINGS,
}

APPLICATION = {"application_name": "attendance"}

Connect = Callable[[], Awaitable[SiteConnection]]


class Connector:
    """Opens connections to a URL's server, or to the first of its servers that accepts one, or to one of them alone.

    Statements are stopped after `statement_seconds`. With a role, each connection takes it, so that row security
    applies. Without a role there may be a pooler: if that refuses session settings, none are sent from then on.
    """

    def __init__(self, url: str, *, role: str | None, statement_seconds: float, address: Address | None = None) -> None:
        self.addresses = split_hosts(url) if address is None else [address]
        self._url = url
        self.role = role
        self._pooler = Pooler()
        limit = {"statement_timeout": str(int(statement_seconds * 1000))}
        self._settings = SESSION_SETTINGS | limit
        sent = COMMON_SETTINGS | limit if role is None else self._settings | {"role": role}
        spare = SPARE_SECONDS_BEHIND_POOLER if role is None else SPARE_SECONDS
        self._options: dict[str, Any] = {
            "connection_class": SiteConnection,
            "server_settings": APPLICATION | sent,
            "statement_cache_size": MAX_PREPARED_STATEMENTS,
            "max_cached_statement_lifetime": 0,
            "command_timeout": statement_seconds + spare,
        }

    async def connect(self) -> SiteConnection:
        """Connect to the host of the last connection, or to another one if that fails or is slow."""
        if len(self.addresses) == 1:
            return await self.connect_to(self.addresses[0], CONNECT_SECONDS)
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await self._connect_to_first(deque(self.addresses))
        self.addresses.remove(connection.address)
        self.addresses.insert(0, connection.address)
        return connection

    async def connect_to(self, address: Address, seconds: float) -> SiteConnection:
        """Connect to one host. Raises TimeoutError when that takes more than `seconds`."""
        begin = time.monotonic()
        try:
            connection = await self._open(address, seconds)
        except asyncpg.ProtocolViolationError as failure:
            if self.role is not None or STARTUP_PARAMETER not in str(failure):
                raise
            self._options["server_settings"] = APPLICATION
            connection = await self._open(address, seconds)
        connection.address = address
        if self.role is not None:
            connect = partial(self.connect_plainly, address)
            connection.expected_session = ExpectedSession(self.role, self._settings, connect, self._pooler)
        connection.timeout_seconds = self._options["command_timeout"]
        address.fastest_connect = min(address.fastest_connect, time.monotonic() - begin)
        return connection

    async def _open(self, address: Address, seconds: float) -> SiteConnection:
        connection: SiteConnection = await open_connection(
            self._url, host=address.host, port=address.port, timeout=seconds, **self._options
        )
        return connection

    async def connect_plainly(self, address: Address) -> Any:
        """Connect to one host as the URL's user, without a role or session settings."""
        return await open_connection(
            self._url, host=address.host, port=address.port, timeout=CONNECT_SECONDS, server_settings=APPLICATION
        )

    async def _connect_to_first(self, addresses: deque[Address]) -> SiteConnection:
        attempts: set[asyncio.Task[SiteConnection]] = set()
        failure: BaseException | None = None
        try:
            while addresses or attempts:
                if addresses:
                    attempts.add(asyncio.create_task(self.connect_to(addresses.popleft(), CONNECT_SECONDS)))
                head_start = HEAD_START_SECONDS if addresses else None
                ended, _ = await asyncio.wait(attempts, timeout=head_start, return_when=asyncio.FIRST_COMPLETED)
                for attempt in ended:
                    attempts.remove(attempt)
                    failure = attempt.exception()
                    if failure is None:
                        return attempt.result()
        finally:
            for attempt in attempts:
                attempt.cancel()
                attempt.add_done_callback(close_late_connection)
        assert failure is not None
        raise failure


def close_late_connection(attempt: "asyncio.Task[SiteConnection]") -> None:
    """Close the connection of an attempt whose result is no longer needed."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()
