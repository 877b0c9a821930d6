"""One connection to Postgres: how it is made, by which of a URL's hosts, and the site that row security sees on it."""

import asyncio
import math
import socket
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import asyncpg

CONNECT_SECONDS = 1.8
HEAD_START_SECONDS = 0.4
# More than the shapes of statements that clients send: one that is pushed out costs two round trips when it comes
# back. Each takes some 40 KB of Postgres's memory, 20 MB for a connection that has seen as many.
STATEMENTS_KEPT_A_CONNECTION = 512
LEAST_SECONDS = 0.001
UNKNOWN_STATEMENT = (asyncpg.InterfaceError, asyncpg.InvalidSQLStatementNameError, asyncpg.OutdatedSchemaCacheError)
ENTER_SITE = "SELECT set_config('attendance.site_id', $1, false)"
SESSION_SETTINGS = {
    "jit": "off",
    # Statements are written for any value; planned anew for each, they take twice the time and no better way.
    "plan_cache_mode": "force_generic_plan",
    # In milliseconds; without it a statement runs on for whoever has been cut off.
    "client_connection_check_interval": "1000",
}
# So that the system gives up a connection whose other end is gone, or that a firewall has forgotten.
SOCKET_OPTIONS = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5000}


@dataclass(slots=True, eq=False)
class Address:
    """One of the hosts that a URL names; without a name, what the URL says as a whole.

    `answers` counts what its server has said to whoever borrowed a connection; `fastest_connect` is in seconds.
    """

    host: str | None = None
    port: int | None = None
    answers: int = 0
    fastest_connect: float = math.inf


class SiteConnection(asyncpg.Connection):  # type: ignore[misc]
    """A connection that remembers for which site row security is set, where it leads, and the statements it has run.

    The service keeps no other session state, so nothing is reset when a connection is given back. `generation` is
    that of the connections it belongs to; `most_seconds` is how long a statement may take, from here.
    """

    most_seconds: float = math.inf
    entered_site: UUID | None = None
    generation: int = 0
    address: Address

    def __init__(self, protocol: Any, transport: Any, *arguments: Any) -> None:
        super().__init__(protocol, transport, *arguments)
        self._statements: dict[str, Any] = {}
        self.add_termination_listener(lambda _: self._statements.clear())
        keep_alive(transport.get_extra_info("socket"))

    async def run(self, text: str, arguments: Sequence[object]) -> list[Any]:
        """The rows of a statement, which stays prepared; to look it up here takes half the driver's own steps.

        One that was prepared before its tables have changed is prepared anew, and so is one that the server or the
        driver knows no more, the next time.
        """
        statement = self._statements.get(text)
        if statement is None:
            return await self._run_new(text, arguments)
        try:
            rows: list[Any] = await statement.fetch(*arguments)
        except asyncpg.InvalidCachedStatementError:
            self._statements.clear()
            return await self._run_new(text, arguments)
        except UNKNOWN_STATEMENT:
            self._statements.pop(text, None)  # The end of a connection has forgotten it before.
            raise
        return rows

    async def _run_new(self, text: str, arguments: Sequence[object]) -> list[Any]:
        """Prepare a statement, keep it in place of the one that was kept first, and run it: within one time limit.

        The driver closes a statement on the server once it is kept no more.
        """
        begin = time.monotonic()
        statement = await self.prepare(text)
        if len(self._statements) >= STATEMENTS_KEPT_A_CONNECTION:
            del self._statements[next(iter(self._statements))]
        self._statements[text] = statement
        left = self.most_seconds - (time.monotonic() - begin)
        rows: list[Any] = await statement.fetch(*arguments, timeout=max(left, LEAST_SECONDS))
        return rows

    async def enter_site(self, site_id: UUID) -> None:
        """Let row security see this site, and no other; a change whose answer is lost is made again."""
        if self.entered_site != site_id:
            self.entered_site = None
            await self.fetchval(ENTER_SITE, str(site_id))
            self.entered_site = site_id

    def get_reset_query(self) -> str:
        return ""


Connect = Callable[[], Awaitable[SiteConnection]]


def keep_alive(connected: Any) -> None:
    """Let the system notice the end of a TCP connection's other side, as far as it can."""
    if connected is None or connected.family not in (socket.AF_INET, socket.AF_INET6):
        return
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in SOCKET_OPTIONS.items():
        if (option := getattr(socket, name, None)) is not None:
            connected.setsockopt(socket.IPPROTO_TCP, option, value)


class Connector:
    """Makes connections to a URL's server, or to the first of its servers that gives one.

    With a role, a connection takes it, so that row security binds it, and its statements are stopped after so many
    seconds. Without one there may be a pooler in between, which takes no settings of a session.
    """

    def __init__(self, url: str, *, role: str | None, statement_seconds: float) -> None:
        self.addresses = split_hosts(url)
        settings = {"application_name": "attendance"}
        if role is not None:
            settings |= SESSION_SETTINGS | {"role": role, "statement_timeout": str(int(statement_seconds * 1000))}
        self._url = url
        self._options: dict[str, Any] = {
            "connection_class": SiteConnection,
            "server_settings": settings,
            "statement_cache_size": STATEMENTS_KEPT_A_CONNECTION,
            "max_cached_statement_lifetime": 0,
            "command_timeout": statement_seconds + 1,
        }

    async def connect(self) -> SiteConnection:
        """Connect to the host that gave the last connection, or to another one where that fails or is slow."""
        if len(self.addresses) == 1:
            return await self.connect_to(self.addresses[0], CONNECT_SECONDS)
        async with asyncio.timeout(CONNECT_SECONDS):
            connection = await self._connect_to_first(deque(self.addresses))
        self.addresses.remove(connection.address)
        self.addresses.insert(0, connection.address)
        return connection

    async def connect_to(self, address: Address, seconds: float) -> SiteConnection:
        """Connect to one host. Raises TimeoutError when that takes more than so many seconds."""
        begin = time.monotonic()
        connection: SiteConnection = await asyncpg.connect(
            self._url, host=address.host, port=address.port, timeout=seconds, **self._options
        )
        connection.address = address
        connection.most_seconds = self._options["command_timeout"]
        address.fastest_connect = min(address.fastest_connect, time.monotonic() - begin)
        return connection

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
                attempt.add_done_callback(drop_connection)
        assert failure is not None
        raise failure


def drop_connection(attempt: "asyncio.Task[SiteConnection]") -> None:
    """End a connection that nobody waits for any more."""
    if not attempt.cancelled() and attempt.exception() is None:
        attempt.result().terminate()


def split_hosts(url: str) -> list[Address]:
    """The hosts of a URL that names several, as libpq reads them; for any other URL one address without a name.

    To prefer a standby needs a look at all of them, which is left to the driver.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query)
    if options.get("target_session_attrs") == ["prefer-standby"]:
        return [Address()]
    named = parts.netloc.rpartition("@")[2].split(",")
    if named == [""]:
        hosts, ports = (options.get(name, [""])[-1].split(",") for name in ("host", "port"))
        ports = ports * len(hosts) if len(ports) == 1 else ports
        named = [f"{host}:{port}" for host, port in zip(hosts, ports, strict=False)]
    if len(named) == 1:
        return [Address()]
    return [Address(*split_port(host)) for host in named]


def split_port(host: str) -> tuple[str, int | None]:
    name, colon, port = host.rpartition(":")
    if not colon or port.endswith("]"):
        return host.strip("[]"), None
    return name.strip("[]"), int(port) if port else None
