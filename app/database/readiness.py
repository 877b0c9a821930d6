"""Whether the service can work on a database as it is: encoding, schema, migrations, privileges, row security."""

import re
from typing import Any
from urllib.parse import quote

from app.database.distribution import explain_distribution
from app.database.migrations import explain_encoding, read_pending
from app.database.privileges import find_missing_grants, format_statements
from app.database.row_security import differs_from_setting
from app.errors import ConfigurationError

NOT_MIGRATED = "the database is not migrated: run `attendance migrate`"
SIMPLE_NAME = re.compile(r"[a-z_][a-z0-9_]*")
# A role does not see a table by its name alone when its search_path lacks the schema, or it may not use the schema.
FIND_TABLES = """
SELECT current_user::text AS role,
    current_setting('search_path') AS search_path,
    (SELECT nspname::text FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE pg_class.oid = to_regclass('attendance_migrations')) AS schema,
    (SELECT min(nspname::text) FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace
    WHERE relname = 'attendance_migrations' AND relkind IN ('r', 'p')) AS hidden_schema
"""


async def explain_unreadiness(connection: Any, *, row_security: bool, distributed: bool = False) -> str | None:
    """Why the service cannot work on this database as it is, with the cure; None when it can."""
    return (
        explain_encoding(connection.get_settings().server_encoding)
        or await explain_tables(connection)
        or await explain_history(connection, row_security=row_security, needs_all=False)
        or await explain_distribution(connection, distributed=distributed)
    )


async def explain_tables(connection: Any) -> str | None:
    """Why the role of a connection cannot use the service's tables; None when it can."""
    found = await connection.fetchrow(FIND_TABLES)
    schema = found["schema"] or found["hidden_schema"]
    if schema is None:
        return NOT_MIGRATED
    missing = await find_missing_grants(connection, found["role"], schema)
    if missing:
        return (
            f"the role {found['role']} lacks privileges in the schema {schema}: run `attendance migrate`, or "
            f"{format_statements(missing)}"
        )
    if found["schema"] is None:
        return (
            f"the tables are in the schema {schema}, which the search_path ({found['search_path']}) does not name: "
            f"add {write_options(schema)} to the URL of the database, or run `attendance migrate`"
        )
    return None


def write_options(schema: str) -> str:
    """The parameter of a URL that names a schema; libpq's `options` are words, in which a space is escaped."""
    name = schema if SIMPLE_NAME.fullmatch(schema) else '"{}"'.format(schema.replace('"', '""'))
    word = name.replace("\\", "\\\\").replace(" ", "\\ ")
    return f"options=-c%20search_path={quote(word)}"


async def explain_history(connection: Any, *, row_security: bool, needs_all: bool = True) -> str | None:
    """What the migrations of a database and its row security lack; None when both are as they must be.

    While an index is built, which may take hours, the service works without it.
    """
    try:
        pending = [each for each in await read_pending(connection) if needs_all or not each.can_wait]
    except ConfigurationError as contradiction:
        return str(contradiction)
    if pending:
        return f"migration {pending[0].name} is missing: run `attendance migrate`"
    if await differs_from_setting(connection, row_security=row_security):
        return "row security of the table and ATTENDANCE_ROW_SECURITY differ: run `attendance migrate`"
    return None
