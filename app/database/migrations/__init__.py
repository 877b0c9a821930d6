"""Migrations: numbered SQL files, applied in order under a lock, each in a transaction, recorded with a checksum."""

import hashlib
from dataclasses import dataclass
from importlib import resources
from typing import Any

import asyncpg

from app.database.failures import CONNECT_ERRORS
from app.errors import ConfigurationError

SERVICE_ROLE = "attendance_service"
LOCK_NUMBER = 0x61_74_74_65_6E_64
CREATE_HISTORY = """
CREATE TABLE IF NOT EXISTS attendance_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
READ_HISTORY = "SELECT version, name, checksum FROM attendance_migrations ORDER BY version"
RECORD_MIGRATION = "INSERT INTO attendance_migrations (version, name, checksum) VALUES ($1, $2, $3)"
HAS_HISTORY = "SELECT to_regclass('attendance_migrations') IS NOT NULL"
READ_ROW_SECURITY = """
SELECT relrowsecurity AND relforcerowsecurity FROM pg_class WHERE oid = to_regclass('attendance')
"""
SWITCH_ROW_SECURITY = {
    True: "ALTER TABLE attendance ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
    False: "ALTER TABLE attendance DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY",
}


@dataclass(frozen=True, slots=True)
class Migration:
    """One numbered file, such as 0001_attendance.sql."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()


def read_migrations() -> list[Migration]:
    """The migrations that this version of the service comes with, in order."""
    files = [file for file in resources.files(__package__).iterdir() if file.name.endswith(".sql")]
    named = sorted((file.name.removesuffix(".sql"), file.read_text(encoding="utf-8")) for file in files)
    return [Migration(int(name[:4]), name, text) for name, text in named]


async def migrate(url: str, *, row_security: bool) -> list[str]:
    """Bring a database up to date, and row security to its setting; the names of the migrations applied.

    Any number of processes may call this at once. Raises ConfigurationError when a migration that was applied has
    been changed since, or when the database knows migrations that this version does not.
    """
    connection = await connect_owner(url)
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", LOCK_NUMBER)
        pending = await find_pending(connection)
        for migration in pending:
            await apply_migration(connection, migration)
        if await connection.fetchval(READ_ROW_SECURITY) is not row_security:
            await connection.execute(SWITCH_ROW_SECURITY[row_security])
        return [migration.name for migration in pending]
    except asyncpg.PostgresError as failure:
        raise ConfigurationError(f"the database refuses to be migrated: {failure}") from failure
    finally:
        await connection.close()


async def refresh_statistics(url: str) -> None:
    """Tell Postgres's planner what a large change has made of the table, rather than wait for its own round.

    Where the URL's user does not own the table, Postgres warns and leaves it at that.
    """
    connection = await connect_owner(url)
    try:
        await connection.execute("ANALYZE attendance")
    finally:
        await connection.close()


async def check_connection(url: str) -> None:
    """Raise ConfigurationError, with the cause, when the database cannot be reached as its owner reaches it."""
    await (await connect_owner(url)).close()


async def connect_owner(url: str) -> Any:
    try:
        return await asyncpg.connect(url, timeout=10)
    except CONNECT_ERRORS as failure:
        raise ConfigurationError(f"the database cannot be reached: {failure}") from failure


async def find_pending(connection: Any) -> list[Migration]:
    """The migrations that are still to be applied."""
    await connection.execute(CREATE_HISTORY)
    return compare_history(await connection.fetch(READ_HISTORY), read_migrations())


def compare_history(history: list[Any], migrations: list[Migration]) -> list[Migration]:
    """What of `migrations` is missing in the history. Raises ConfigurationError where the two contradict."""
    known = {migration.version: migration for migration in migrations}
    for version, name, checksum in history:
        if version not in known:
            raise ConfigurationError(f"the database has migration {name}, which is newer than this service")
        if known[version].checksum != checksum:
            raise ConfigurationError(f"migration {name} was changed after it had been applied")
    applied = {row[0] for row in history}
    return [migration for migration in migrations if migration.version not in applied]


async def apply_migration(connection: Any, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.text)
        await connection.execute(RECORD_MIGRATION, migration.version, migration.name, migration.checksum)


async def explain_unreadiness(connection: Any, *, row_security: bool) -> str | None:
    """Why the service cannot work on this database as it is; None when it can."""
    if not await connection.fetchval(HAS_HISTORY):
        return "the database is not migrated: run `attendance migrate`"
    try:
        pending = compare_history(await connection.fetch(READ_HISTORY), read_migrations())
    except ConfigurationError as contradiction:
        return str(contradiction)
    if pending:
        return f"migration {pending[0].name} is missing: run `attendance migrate`"
    if await connection.fetchval(READ_ROW_SECURITY) is not row_security:
        return "row security of the table and ATTENDANCE_ROW_SECURITY differ: run `attendance migrate`"
    return None
