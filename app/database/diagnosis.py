"""What is right and wrong about the databases of a configuration, one subject after another, for `attendance check`."""

import time
from dataclasses import dataclass
from typing import Any

import asyncpg

from app.database.distribution import describe_workers, explain_distribution
from app.database.failures import CONNECT_ERRORS, describe_failure, explain_refusal
from app.database.migrations import HAS_HISTORY, explain_encoding, read_migrations
from app.database.owner import open_owner
from app.database.pool import STATEMENT_SECONDS, build_connector
from app.database.privileges import SERVICE_ROLE
from app.database.readiness import NOT_MIGRATED, explain_history, explain_tables
from app.database.totals import compare_totals
from app.errors import ConfigurationError

MIN_SERVER_VERSION = 15
# Tokens are accepted some 30 seconds beyond their time; clocks that differ by more than this use up that margin.
MAX_CLOCK_SECONDS = 5.0
# So many sites are named at once.
MOST_SITES = 20
TOTALS_DIFFER = (
    "those of {count} sites differ from their records, which were written while the triggers were off: run "
    "`UPDATE site_totals SET is_counted = false WHERE site_id IN ({sites})`, then `attendance migrate`"
)
DESCRIBE_SERVER = """
SELECT current_setting('server_version') AS version, pg_is_in_recovery() AS is_standby,
    current_setting('default_transaction_read_only') AS read_only, clock_timestamp() AS clock
"""

FIND_LIMIT = """
SELECT current_setting('statement_timeout') AS setting, quote_ident(session_user) AS role,
    extract(epoch FROM current_setting('statement_timeout')::interval)::float8 AS seconds
"""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One subject that was checked: `trouble` says what is wrong and names the cure, None when it is right.

    `detail` describes the subject in a few words. `is_checked` is False when other trouble kept it from being checked.
    """

    subject: str
    detail: str = ""
    trouble: str | None = None
    is_checked: bool = True


async def diagnose_primary(url: str, *, row_security: bool, distributed: bool = False) -> list[Diagnosis]:
    """Check a database, the service's role, the migrations and the distribution in it, and its clock."""
    try:
        async with open_owner(url) as owner:
            server = await diagnose_server(owner)
            return [
                server,
                await diagnose_role(url, row_security=row_security),
                await diagnose_migrations(owner, row_security=row_security),
                await diagnose_distribution(url, owner, row_security=row_security, distributed=distributed),
                await diagnose_clock(owner),
            ]
    except (ConfigurationError, *CONNECT_ERRORS) as failure:
        others = [Diagnosis(subject, is_checked=False) for subject in ("role", "migrations", "workers", "clock")]
        return [Diagnosis("database", trouble=str(failure)), *others]


async def diagnose_server(owner: Any) -> Diagnosis:
    found = await owner.fetchrow(DESCRIBE_SERVER)
    encoding = owner.get_settings().server_encoding
    trouble = explain_encoding(encoding)
    if owner.get_server_version().major < MIN_SERVER_VERSION:
        trouble = f"Postgres {found['version']} is too old: upgrade to {MIN_SERVER_VERSION} or later"
    elif found["is_standby"]:
        trouble = "it is a standby, which takes no writes: name the primary, or add ?target_session_attrs=read-write"
    elif found["read_only"] == "on":
        trouble = (
            "it takes no writes: find out who has set default_transaction_read_only and why, such as a full disk, and "
            "reset it"
        )
    return Diagnosis("database", f"Postgres {found['version']}, {encoding}", trouble)


async def diagnose_role(url: str, *, row_security: bool) -> Diagnosis:
    """Check the session that operations get: its role, row security, settings and privileges."""
    detail = f"{SERVICE_ROLE}, bound by row security" if row_security else "the user of the URL, row security is off"
    try:
        connection = await build_connector(url, row_security=row_security).connect()
        try:
            await connection.check_session()
            trouble = await explain_tables(connection)
            if trouble is None and not row_security:
                trouble = await explain_limit(connection)
        finally:
            connection.terminate()
    except CONNECT_ERRORS as failure:
        trouble = explain_refusal(failure, SERVICE_ROLE if row_security else None) or describe_failure(failure)
    return Diagnosis("role", detail, None if trouble == NOT_MIGRATED else trouble)


async def explain_limit(connection: Any) -> str | None:
    """Why nothing in Postgres ends a statement that takes too long, with the cure; None if something does."""
    found = await connection.fetchrow(FIND_LIMIT)
    if 0 < found["seconds"] <= STATEMENT_SECONDS:
        return None
    return (
        f"connections have statement_timeout = {found['setting']}, because a pooler drops the startup parameters: run "
        f"ALTER ROLE {found['role']} SET statement_timeout = '{STATEMENT_SECONDS:.0f}s'"
    )


async def diagnose_migrations(owner: Any, *, row_security: bool) -> Diagnosis:
    latest = read_migrations()[-1].name
    try:
        is_migrated = await owner.fetchval(HAS_HISTORY)
        trouble = await explain_history(owner, row_security=row_security) if is_migrated else NOT_MIGRATED
    except asyncpg.PostgresError as failure:
        trouble = describe_failure(failure)
    return Diagnosis("migrations", f"up to {latest}", trouble)


async def diagnose_distribution(url: str, owner: Any, *, row_security: bool, distributed: bool) -> Diagnosis:
    """Check that the tables are distributed as the setting says, and that all workers answer."""
    detail = ""
    try:
        if not await owner.fetchval(HAS_HISTORY):
            return Diagnosis("workers", is_checked=False)
        connection = await build_connector(url, row_security=row_security).connect()  # whose settings are checked, too
        try:
            trouble = await explain_distribution(connection, distributed=distributed)
        finally:
            connection.terminate()
        if distributed and trouble is None:
            detail, trouble = await describe_workers(owner)
    except CONNECT_ERRORS as failure:
        trouble = describe_failure(failure)
    return Diagnosis("workers", detail or "none", trouble)


async def diagnose_clock(owner: Any) -> Diagnosis:
    """Compare this machine's clock with the server's, in seconds."""
    begin = time.time()
    clock = (await owner.fetchrow(DESCRIBE_SERVER))["clock"].timestamp()
    ahead = (begin + time.time()) / 2 - clock
    if abs(ahead) > MAX_CLOCK_SECONDS:
        direction = "ahead of" if ahead > 0 else "behind"
        return Diagnosis(
            "clock", trouble=f"this machine's clock is {abs(ahead):.0f} s {direction} the database's: set both by NTP"
        )
    return Diagnosis("clock", f"{abs(ahead):.1f} s from the database's")


async def diagnose_totals(url: str) -> Diagnosis:
    """Compare the totals of all sites with their records, all of which are read."""
    try:
        counted, uncounted, wrong = await compare_totals(url)
    except (ConfigurationError, *CONNECT_ERRORS) as failure:
        return Diagnosis("totals", trouble=str(failure))
    if wrong:
        sites = ", ".join(f"'{site}'" for site in wrong[:MOST_SITES])
        return Diagnosis("totals", trouble=TOTALS_DIFFER.format(count=len(wrong), sites=sites))
    return Diagnosis("totals", f"right for {counted} sites, not counted yet for {uncounted}")
