"""The check of a new session: its role, row security, its settings, and that no pooler shares it with others."""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.database.failures import SessionRefused
from app.database.row_security import POLICIES, SITE_TABLES

# The first statement of each connection; it also enters the first site.
CHECK_SESSION = """
SELECT set_config('attendance.site_id', $1, false) AS site,
    pg_backend_pid() AS pid,
    current_user::text AS role,
    session_user::text AS login,
    (SELECT bool_and(row_security_active(to_regclass(name))) FROM unnest($3::text[]) AS name) AS row_security,
    current_setting('row_security') AS row_security_setting,
    (
        SELECT bool_and(EXISTS (
            SELECT FROM pg_policy WHERE polrelid = to_regclass(name) AND polname = 'attendance_site'
        ))
        FROM unnest($3::text[]) AS name WHERE to_regclass(name) IS NOT NULL
    ) AS has_policy,
    (
        SELECT string_agg(format('%s on %s', polname, polrelid::regclass), ', ' ORDER BY polrelid, polname)
        FROM pg_policy
        WHERE polrelid IN (SELECT to_regclass(name) FROM unnest($3::text[]) AS name)
            AND polpermissive AND polname <> ALL ($4::text[])
            AND EXISTS (
                SELECT FROM unnest(polroles) AS granted WHERE granted = 0 OR pg_has_role(current_user, granted, 'USAGE')
            )
    ) AS other_policies,
    (SELECT json_object_agg(name, setting)::text FROM pg_settings WHERE name = ANY($2::text[])) AS settings
"""
# For a second connection, which may be far away, and for the notification that it sends.
CONNECT_SECONDS = 2.0
NOTIFY_SECONDS = 1.0
# A prepared statement is missing, there already, or another one, when statements run on different sessions in turn.
SHARED_SESSION_ERRORS = (
    asyncpg.InvalidSQLStatementNameError,
    asyncpg.DuplicatePreparedStatementError,
    asyncpg.ProtocolViolationError,
)
TRANSACTION_MODE = (
    "a pooler in transaction mode shares sessions between clients, so row security cannot hold: set the pooler to "
    "session mode, connect to Postgres directly, or set ATTENDANCE_ROW_SECURITY=off and run `attendance migrate`"
)
UNKNOWN_MODE = (
    "a pooler between the service and Postgres opened no second connection, by which its mode is checked: raise its "
    "pool size, or connect to Postgres directly"
)
STANDBY_BEHIND_POOLER = (
    "a pooler stands between the service and a standby, where its mode cannot be checked: connect to the standby "
    "directly"
)


class Pooler:
    """What is known of a pooler. Sessions are checked one at a time: each check needs one more connection to spare."""

    def __init__(self) -> None:
        self.is_there = False
        self._lock = asyncio.Lock()

    def wait_for_turn(self) -> AbstractAsyncContextManager[None]:
        return self._lock if self.is_there else nullcontext()


@dataclass(frozen=True, slots=True)
class ExpectedSession:
    """What a session must be like. `connect` opens one more connection to the same host, without session settings."""

    role: str
    settings: Mapping[str, str]
    connect: Callable[[], Awaitable[Any]]
    pooler: Pooler


async def check_session(connection: Any, expected: ExpectedSession, site: str) -> int:
    """Set row security to a site and check the session: the pid of its server process.

    Raises SessionRefused, whose text names the cure, when the session is not as expected.
    """
    async with expected.pooler.wait_for_turn():
        try:
            found = await connection.fetchrow(CHECK_SESSION, site, list(expected.settings), SITE_TABLES, POLICIES)
        except SHARED_SESSION_ERRORS as failure:
            raise SessionRefused(TRANSACTION_MODE) from failure
        fault = find_fault(found, expected)
        if fault is not None:
            raise SessionRefused(fault)
        pid: int = found["pid"]
        # A pooler makes up the pid that it tells a client when the connection starts.
        expected.pooler.is_there = pid != connection.get_server_pid()
        if expected.pooler.is_there:
            await check_pooler(connection, expected)
    return pid


def find_fault(found: Any, expected: ExpectedSession) -> str | None:
    """What is wrong with a session, with the cure; None when it is as expected."""
    role, login = found["role"], found["login"]
    if role != expected.role:
        return (
            f"connections run as the role {role} instead of {expected.role}, because a pooler drops the startup "
            f"parameter role: connect to Postgres directly, or log in as {expected.role}"
        )
    return find_row_security_fault(found, role, login) or find_settings_fault(found, expected.settings, login)


def find_row_security_fault(found: Any, role: str, login: str) -> str | None:
    # Without the tables there is nothing to protect yet, and the statement itself fails.
    if found["row_security"] is False:
        return (
            f"row security of the table attendance does not apply to the role {role}: run `attendance migrate`, and "
            f"ALTER ROLE {role} NOSUPERUSER NOBYPASSRLS"
        )
    if found["row_security"] and not found["has_policy"]:
        return (
            "a table lacks the policy attendance_site, so row security hides all its rows: create it "
            "as the migrations do"
        )
    if found["row_security"] and found["other_policies"]:
        return (
            f"row security does not keep the role {role} to one site because of the policy {found['other_policies']}: "
            "drop it, or grant it to another role"
        )
    if found["row_security_setting"] != "on":
        return f"the setting row_security is off, so statements fail: ALTER ROLE {login} SET row_security = on"
    return None


def find_settings_fault(found: Any, expected: Mapping[str, str], login: str) -> str | None:
    settings = json.loads(found["settings"] or "{}")
    wrong = {name: value for name, value in expected.items() if settings.get(name) != value}
    if not wrong:
        return None
    names = ", ".join(f"{name} = {settings.get(name)} instead of {value}" for name, value in wrong.items())
    cure = "; ".join(f"ALTER ROLE {login} SET {name} = '{value}'" for name, value in wrong.items())
    return (
        f"connections have {names}, because a pooler drops the startup parameters: connect to Postgres directly, or "
        f"run {cure}"
    )


async def check_pooler(connection: Any, expected: ExpectedSession) -> None:
    """Check that a pooler leaves this connection its server session while it is idle.

    A notification reaches an idle client only through a session that belongs to it: in transaction mode the pooler
    has given the session to nobody, and drops the notification. Raises SessionRefused.
    """
    channel = f"attendance_{secrets.token_hex(8)}"
    notified = asyncio.Event()

    def receive(*_notification: object) -> None:
        notified.set()

    try:
        await connection.add_listener(channel, receive)
    except asyncpg.ReadOnlySQLTransactionError as failure:
        raise SessionRefused(STANDBY_BEHIND_POOLER) from failure
    await notify(channel, expected)
    try:
        await asyncio.wait_for(notified.wait(), NOTIFY_SECONDS)
    except TimeoutError as failure:
        raise SessionRefused(TRANSACTION_MODE) from failure
    await connection.remove_listener(channel, receive)


async def notify(channel: str, expected: ExpectedSession) -> None:
    """Notify a channel by one more connection. Raises SessionRefused when the pooler gives none."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            other = await expected.connect()
            try:
                await other.execute(f"NOTIFY {channel}")
            finally:
                other.terminate()
    except (asyncpg.PostgresError, OSError) as failure:
        raise SessionRefused(UNKNOWN_MODE) from failure
