"""Builds an index while the service writes, outside a transaction, and finds out how far such a build is.

A build takes no lock that other migrating processes wait for. Postgres itself lets one build at a time change a table,
and a build waits for all older transactions: for one that waited for the build, it would wait for ever.
"""

from enum import Enum
from typing import Any

import asyncpg

# The index is there but not valid while it is built, and stays so when its build is interrupted.
FIND_INDEX = """
SELECT c.oid::regclass::text AS name, i.indisvalid AS is_valid
FROM pg_index AS i
JOIN pg_class AS c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass('attendance') AND c.relname = $1
"""
# Somebody else's build is seen without its table.
IS_BUILDING = """
SELECT EXISTS (
    SELECT FROM pg_stat_progress_create_index
    WHERE datname = current_database() AND (relid IS NULL OR relid = to_regclass('attendance'))
)
"""
# Another process has begun the same build at the same moment. Who fails looks again.
COLLISIONS = (
    asyncpg.DeadlockDetectedError,
    asyncpg.DuplicateTableError,
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,
)


class IndexState(Enum):
    """How far the build of an index is."""

    MISSING = "missing"
    BEING_BUILT = "being built"
    BUILT = "built"


async def prepare_build(connection: Any, name: str) -> IndexState:
    """The state of an index, inside a transaction. What an interrupted build has left is dropped: it is then missing.

    Raises the driver's LockNotAvailableError when the table is in use for too long.
    """
    is_building = await connection.fetchval(IS_BUILDING)  # Before the index: a build may end between the two.
    found = await connection.fetchrow(FIND_INDEX, name)
    if found is not None and found["is_valid"]:
        return IndexState.BUILT
    if is_building:
        return IndexState.BEING_BUILT
    if found is not None:
        await connection.execute(f"DROP INDEX {found['name']}")
    return IndexState.MISSING


async def build_index(connection: Any, text: str) -> None:
    """Run a statement that builds an index concurrently; whether it is built is to be looked up afterwards."""
    try:
        await connection.execute(text)
    except COLLISIONS:
        return
