"""What a connection is told before it is used, and what it knows of itself."""

import asyncio
import math
import socket
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from app.database import connection as connection_module
from app.database import connector as connector_module
from app.database.connection import ENTER_SITE, SiteConnection, enable_keepalive
from app.database.connector import SESSION_SETTINGS, Connector, close_late_connection
from app.database.migrations import SERVICE_ROLE
from app.database.row_security import POLICIES, SITE_TABLES
from app.database.session import CHECK_SESSION
from tests.support.losing_proxy import lose_connections
from tests.walls.hosts import connector_of

SHOWN = {
    "application_name": "attendance",
    "role": SERVICE_ROLE,
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",
    "enable_bitmapscan": "off",
    "client_connection_check_interval": "1s",
    "statement_timeout": "1500ms",
}


async def show(connection: SiteConnection, names: list[str]) -> dict[str, str]:
    return {name: await connection.fetchval(f"SHOW {name}") for name in names}


async def test_a_session_is_set_up_for_row_security_and_bounded_statements(database_url: str) -> None:
    connection = await connector_of(database_url).connect()
    assert await show(connection, list(SHOWN)) == SHOWN
    config = connection._config  # noqa: SLF001 (the driver tells it nowhere else)
    assert (config.statement_cache_size, config.max_cached_statement_lifetime, config.command_timeout) == (512, 0, 2.5)
    assert connection.get_reset_query() == ""
    await connection.close()


async def test_without_a_role_a_session_has_the_limits_and_no_generic_plans(database_url: str) -> None:
    connection = await Connector(database_url, role=None, statement_seconds=1.5).connect()
    shown = await show(connection, list(SHOWN))
    assert shown == {**SHOWN, "role": "none", "jit": "on", "plan_cache_mode": "auto"}
    await connection.close()


async def test_a_site_is_entered_once_and_another_one_anew(database_url: str) -> None:
    connection = await connector_of(database_url).connect()
    assert connection.entered_site is None
    sent: list[tuple[str, tuple[Any, ...]]] = []
    one, two = uuid4(), uuid4()
    with connection.query_logger(lambda record: sent.append((record.query, record.args))):
        for site in (one, one, two, one):
            await connection.enter_site(site)
            assert connection.entered_site == site
        await asyncio.sleep(0)  # The driver tells of a query a moment later.
    assert sent == [
        (CHECK_SESSION, (str(one), [*SESSION_SETTINGS, "statement_timeout"], SITE_TABLES, POLICIES)),
        *((ENTER_SITE, (str(site),)) for site in (two, one)),
    ]
    assert await connection.fetchval("SELECT current_setting('attendance.site_id')") == str(one)
    await connection.close()
    with pytest.raises(Exception, match="closed"):
        await connection.enter_site(two)
    assert connection.entered_site is None


async def test_a_connection_over_tcp_is_watched_by_the_system(embedded: str) -> None:
    async with lose_connections(embedded) as way:
        connection = await connector_of(way.url).connect()
        connected = connection._transport.get_extra_info("socket")  # noqa: SLF001
        assert read_options(connected) == {"SO_KEEPALIVE": 1, **connection_module.SOCKET_OPTIONS}
        await connection.close()


def read_options(connected: socket.socket) -> dict[str, int]:
    options = {
        name: connected.getsockopt(socket.IPPROTO_TCP, getattr(socket, name))
        for name in connection_module.SOCKET_OPTIONS
    }
    return {"SO_KEEPALIVE": connected.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE), **options}


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_the_system_is_asked_for_what_it_can_do(monkeypatch: pytest.MonkeyPatch, family: int) -> None:
    wanted = {"TCP_KEEPIDLE": 30, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 5000}
    with socket.socket(family) as connected:
        monkeypatch.setattr(connection_module, "SOCKET_OPTIONS", {"TCP_OF_ANOTHER_SYSTEM": 7, **wanted})
        enable_keepalive(connected)
        monkeypatch.undo()
        assert read_options(connected) == {"SO_KEEPALIVE": 1, **wanted}


def test_what_is_no_tcp_connection_is_left_alone() -> None:
    enable_keepalive(None)
    one, two = socket.socketpair()
    with one, two:
        enable_keepalive(one)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 0


async def test_a_connection_that_comes_too_late_is_ended(database_url: str) -> None:
    async def fail() -> SiteConnection:
        raise OSError

    late = asyncio.create_task(connector_of(database_url).connect())
    failed, cancelled = asyncio.create_task(fail()), asyncio.create_task(fail())
    cancelled.cancel()
    await asyncio.wait([late, failed, cancelled])
    for attempt in (late, failed, cancelled):
        close_late_connection(attempt)
    assert late.result().is_closed()


async def test_how_fast_a_host_was_at_best_is_remembered(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = iter([10.0, 10.5, 20.0, 21.0, 30.0, 30.25])
    connector = connector_of(database_url)
    [address] = connector.addresses
    assert address.fastest_connect == math.inf
    monkeypatch.setattr(connector_module, "time", SimpleNamespace(monotonic=lambda: next(moments)))
    seen = []
    for _ in range(3):
        connection = await connector.connect_to(address, 5)
        seen.append(address.fastest_connect)
        assert connection.address is address
        await connection.close()
    assert seen == [0.5, 0.5, 0.25]
