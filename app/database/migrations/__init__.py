"""Migrations: numbered SQL files, applied in order and recorded with a checksum.

Each is applied in a transaction under a lock; a file that builds an index concurrently is run outside of both.
"""

import asyncio
import hashlib
import re
import time
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

import asyncpg

from app.database.distribution import DISTRIBUTING, check_server
from app.database.migrations.indexes import IndexState, build_index, prepare_build
from app.database.owner import open_owner
from app.database.privileges import SERVICE_ROLE, ensure_service_role, grant_privileges
from app.database.row_security import set_row_security
from app.database.totals import count_sites
from app.errors import ConfigurationError

__all__ = ["SERVICE_ROLE", "Migration", "migrate", "read_migrations"]

PATIENCE_SECONDS = 300
PAUSE_SECONDS = 0.5
LOCK_NUMBER = 0x61_74_74_65_6E_64
CREATE_HISTORY = """
CREATE TABLE attendance_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
READ_HISTORY = "SELECT version, name, checksum FROM attendance_migrations ORDER BY version"
RECORD_MIGRATION = "INSERT INTO attendance_migrations (version, name, checksum) VALUES ($1, $2, $3)"
FIND_SCHEMA = """
SELECT current_schema()::text AS name, quote_ident(current_schema()) AS quoted, current_setting('search_path') AS path,
    current_user::text AS owner, quote_ident(current_user) AS quoted_owner,
    has_schema_privilege(current_schema(), 'CREATE') AS may_create
"""
FIND_SCHEMA_OF_TABLES = """
SELECT nspname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
WHERE pg_class.oid = to_regclass('attendance')
"""
LOCK = f"SELECT pg_advisory_xact_lock({LOCK_NUMBER})"
HAS_HISTORY = "SELECT to_regclass('attendance_migrations') IS NOT NULL"
# Less than Postgres's deadlock_timeout: of a migration and an index's build that wait for each other, this one ends.
LIMIT_LOCKS = "SET LOCAL lock_timeout = '800ms'"
LOCK_ERRORS = (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError)
CONCURRENT_INDEX = re.compile(r"^CREATE (?:UNIQUE )?INDEX CONCURRENTLY (\w+) ON attendance ", re.MULTILINE)
NEEDS_NO_INDEX = "-- This needs no index that a migration before it builds.\n"
CAN_WAIT = "-- The service works before this is applied.\n"


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file, such as 0001_attendance.sql."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def index(self) -> str | None:
        """The index that this migration builds concurrently, outside a transaction; None for any other migration."""
        found = CONCURRENT_INDEX.search(self.text)
        return None if found is None else found[1]

    @property
    def can_wait(self) -> bool:
        """Whether the service works before this is applied: while an index is built, and before another one goes."""
        return self.index is not None or CAN_WAIT in self.text


@dataclass(slots=True)
class Step:
    """What one transaction has applied, what stopped it, and the index that is to be built before the next one."""

    applied: list[str] = field(default_factory=list)
    failure: asyncpg.PostgresError | ConfigurationError | None = None
    index: Migration | None = None
    state: IndexState | None = None


def read_migrations() -> list[Migration]:
    """The migrations of this version of the service, in order."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".sql")]
    named = sorted((file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files)
    return [Migration(int(name[:4]), name, text) for name, text in named]


async def migrate(url: str, *, row_security: bool, distributed: bool = False) -> list[str]:
    """Bring a database up to date and switch row security as set; returns the names of the migrations applied.

    With `distributed`, which excludes row security, Citus distributes the tables, if they are not distributed yet.
    Any number of processes may call this at once. Raises ConfigurationError when an applied migration has been changed
    since, when the database has migrations that this version does not know, or when it refuses.
    """
    try:
        async with open_owner(url) as connection:
            await check_server(connection, distributed=distributed)
            applied = sorted(await apply_all(connection, row_security=None if distributed else row_security))
            for distribute in DISTRIBUTING if distributed else ():
                async with connection.transaction():
                    await connection.execute(LOCK)
                    await distribute(connection)
            await count_sites(url, connection, distributed=distributed)
            return applied
    except asyncpg.LockNotAvailableError as failure:
        raise ConfigurationError(
            f"the table attendance was in use for {PATIENCE_SECONDS} seconds by a transaction that does not end, such "
            "as a backup or an export: run `attendance migrate` again after it"
        ) from failure
    except (asyncpg.PostgresError, asyncpg.InterfaceError) as failure:
        raise ConfigurationError(f"the database refuses to be migrated: {failure}") from failure


async def apply_all(connection: Any, *, row_security: bool | None) -> list[str]:
    """Apply what is missing: transactions in turn with what must run outside of them. Returns the names applied.

    Row security is switched as set, or left as it is without a value.

    A table that is in use is tried again: who waits for its lock makes all others wait too, so no wait is long.
    """
    applied: list[str] = []
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        step = await apply_pending(connection, row_security=row_security)
        applied += step.applied
        if isinstance(step.failure, LOCK_ERRORS) and time.monotonic() < deadline:
            await asyncio.sleep(PAUSE_SECONDS)
        elif step.failure is not None:
            raise step.failure
        elif step.index is None:
            return applied
        elif step.state is IndexState.BEING_BUILT:
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            await build_index(connection, step.index.text)


async def apply_pending(connection: Any, *, row_security: bool | None) -> Step:
    """Apply in one transaction, under the lock, what is missing up to the next index to build.

    The lock belongs to the transaction, because a pooler would keep a session's lock for ever. Each migration has a
    savepoint, so that those before one that fails are committed. The new tables can be used before an index is built.
    """
    step = Step()
    async with connection.transaction():
        await connection.execute(LOCK)
        await connection.execute(LIMIT_LOCKS)
        await prepare(connection)
        try:
            if not await connection.fetchval(HAS_HISTORY):  # in any schema of the search_path
                await connection.execute(CREATE_HISTORY)
            await apply_up_to_index(connection, await read_pending(connection), step)
            if row_security is not None:
                async with connection.transaction():
                    await set_row_security(connection, row_security=row_security)
            await grant_privileges(connection, await connection.fetchval(FIND_SCHEMA_OF_TABLES))
        except (asyncpg.PostgresError, ConfigurationError) as failure:
            step.failure = failure
    return step


async def apply_up_to_index(connection: Any, pending: list[Migration], step: Step) -> None:
    """Apply migrations until one builds an index that is not there yet, and those that need none; the step says which.

    So the service works as soon as it can, and not only when the index is built.
    """
    for migration in pending:
        if step.index is not None and NEEDS_NO_INDEX not in migration.text:
            continue
        async with connection.transaction():
            if migration.index is None:
                await connection.execute(migration.text)
            else:
                step.state = await prepare_build(connection, migration.index)
                if step.state is not IndexState.BUILT:
                    step.index = migration
                    continue
            await connection.execute(RECORD_MIGRATION, migration.version, migration.name, migration.checksum)
        step.applied.append(migration.name)


async def prepare(connection: Any) -> None:
    """Check the database, and create the service's role. Raises ConfigurationError."""
    reason = explain_encoding(connection.get_settings().server_encoding)
    if reason is not None:
        raise ConfigurationError(reason)
    schema = await connection.fetchrow(FIND_SCHEMA)
    if schema["name"] is None:
        raise ConfigurationError(
            f"no schema of the search_path ({schema['path']}) exists, or {schema['owner']} may not use it: create "
            f"one by CREATE SCHEMA, or run GRANT USAGE, CREATE ON SCHEMA ... TO {schema['quoted_owner']}"
        )
    if not schema["may_create"] and not await connection.fetchval(HAS_HISTORY):
        raise ConfigurationError(
            f"{schema['owner']} may not create tables in the schema {schema['name']}: an administrator runs "
            f"`GRANT CREATE ON SCHEMA {schema['quoted']} TO {schema['quoted_owner']}`"
        )
    await ensure_service_role(connection)


def explain_encoding(encoding: str) -> str | None:
    """Why a database of this encoding cannot be used; None for UTF8, the only one that holds every legal id."""
    if encoding == "UTF8":
        return None
    return (
        f"the encoding of the database is {encoding} and must be UTF8: create one by CREATE DATABASE attendance "
        "ENCODING 'UTF8' TEMPLATE template0"
    )


async def read_pending(connection: Any) -> list[Migration]:
    """The migrations that a migrated database lacks. Raises ConfigurationError as `migrate` does."""
    history, migrations = await connection.fetch(READ_HISTORY), read_migrations()
    known = {migration.version: migration for migration in migrations}
    for version, name, checksum in history:
        if version not in known:
            raise ConfigurationError(f"the database has migration {name}, which is newer than this service")
        if known[version].checksum != checksum:
            raise ConfigurationError(f"migration {name} was changed after it had been applied")
    applied = {row[0] for row in history}
    return [migration for migration in migrations if migration.version not in applied]
