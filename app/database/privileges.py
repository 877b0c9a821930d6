"""The service's role and its privileges: created and granted by migrations, checked before the service is ready."""

from typing import Any

import asyncpg

from app.errors import ConfigurationError

SERVICE_ROLE = "attendance_service"
# The privileges that the service's role needs on each table.
TABLE_PRIVILEGES = {
    "attendance": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "attendance_deletion": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "site_revision": ("SELECT", "INSERT", "UPDATE"),
    "site_totals": ("SELECT",),
    "attendance_migrations": ("SELECT",),
}
CREATE_ROLE = "CREATE ROLE {role} NOLOGIN NOSUPERUSER NOBYPASSRLS"
DESCRIBE_OWNER = """
SELECT current_user::text AS name, quote_ident(current_user) AS quoted, rolsuper AS is_superuser,
    EXISTS (SELECT FROM pg_roles WHERE rolname = $1) AS role_exists
FROM pg_roles WHERE rolname = current_user
"""
# The role exists: `pg_has_role` fails for one that does not.
MAY_TAKE_ROLE = "SELECT pg_has_role(current_user, $1::name, $2)"
# The statements that grant what a role lacks, found by names, since a role does not see tables that it may not use.
FIND_MISSING_GRANTS = """
SELECT format('GRANT USAGE ON SCHEMA %I TO %I', nspname, $1::text)
FROM pg_namespace
WHERE nspname = $2 AND NOT has_schema_privilege($1::name, oid, 'USAGE')
UNION ALL
SELECT format(
    'GRANT %s ON TABLE %I.%I TO %I', string_agg(privilege, ', ' ORDER BY position), $2::text, relname, $1::text
)
FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS needed (table_name, privilege, position)
JOIN pg_class ON relname = table_name AND relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = $2)
WHERE NOT has_table_privilege($1::name, pg_class.oid, privilege)
GROUP BY relname
"""
# For imports, which stage each batch in a temporary table.
GRANT_TEMPORARY = """
SELECT format('GRANT TEMPORARY ON DATABASE %I TO %I', current_database(), $1::text)
WHERE NOT has_database_privilege($1::name, current_database(), 'TEMPORARY')
"""


async def ensure_service_role(connection: Any) -> None:
    """Create the service's role unless it exists, and let the current user take it.

    Raises ConfigurationError, with the statements that an administrator runs, when the current user may not.
    """
    role = SERVICE_ROLE
    owner = await connection.fetchrow(DESCRIBE_OWNER, role)
    grant = f"GRANT {role} TO {owner['quoted']}"
    try:
        if not owner["role_exists"]:
            await create_role(connection, role)
        if not owner["is_superuser"] and not await may_take_role(connection, role):
            async with connection.transaction():
                await connection.execute(grant)
    except asyncpg.InsufficientPrivilegeError as failure:
        raise ConfigurationError(
            f"the database refuses to be migrated: {owner['name']} may not create or grant the role {role}; an "
            f"administrator runs `{CREATE_ROLE.format(role=role)}` (unless it exists) and `{grant}`"
        ) from failure


async def create_role(connection: Any, role: str) -> None:
    """Create the role. Roles belong to the whole server, so the migration of another database may come first."""
    try:
        async with connection.transaction():
            await connection.execute(CREATE_ROLE.format(role=role))
    except (asyncpg.DuplicateObjectError, asyncpg.UniqueViolationError):
        return


async def may_take_role(connection: Any, role: str) -> bool:
    """Whether the current user may SET ROLE to it; from Postgres 16 on, a member may not always."""
    privilege = "SET" if connection.get_server_version().major >= 16 else "MEMBER"
    return bool(await connection.fetchval(MAY_TAKE_ROLE, role, privilege))


async def find_missing_grants(connection: Any, role: str, schema: str) -> list[str]:
    """The GRANT statements for what a role lacks on the service's tables in a schema."""
    needed = [(table, privilege) for table, privileges in TABLE_PRIVILEGES.items() for privilege in privileges]
    tables, privileges = zip(*needed, strict=True)
    return [row[0] for row in await connection.fetch(FIND_MISSING_GRANTS, role, schema, tables, privileges)]


async def grant_privileges(connection: Any, schema: str) -> None:
    """Grant the service's role what it lacks.

    Raises ConfigurationError, with the missing grants, when the current user may not grant them.
    """
    for grant in [
        *await find_missing_grants(connection, SERVICE_ROLE, schema),
        *[row[0] for row in await connection.fetch(GRANT_TEMPORARY, SERVICE_ROLE)],
    ]:
        try:
            async with connection.transaction():
                await connection.execute(grant)
        except asyncpg.InsufficientPrivilegeError:
            continue  # Without a right to grant anything Postgres raises this, with a part of it only a warning.
    missing = await find_missing_grants(connection, SERVICE_ROLE, schema)
    if missing:
        raise ConfigurationError(
            f"the role {SERVICE_ROLE} lacks privileges that the database's user may not grant; the owner or an "
            f"administrator runs {format_statements(missing)}"
        )


def format_statements(statements: list[str]) -> str:
    return " and ".join(f"`{statement}`" for statement in statements)
