"""A schema other than an open `public`: the service's role gets what it needs there, or the missing grant is named."""

import re
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import asyncpg
import pytest

from app.database.migrations import migrate
from app.database.pool import Database
from app.errors import ConfigurationError
from tests.database.conftest import CreateOwner
from tests.support.service import Record, store


async def execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def explain(url: str, *, row_security: bool = True) -> str | None:
    """What readiness says; a site's record is stored and read when it says nothing."""
    database = Database(url, pool_size=1, row_security=row_security)
    await database.open()
    try:
        if (reason := await database.explain_unreadiness()) is None:
            site_id = uuid4()
            await store(database, site_id, [Record()])  # type: ignore[arg-type]
            seen = await database.fetch_rows("SELECT site_id FROM attendance WHERE site_id = $1", [site_id], site_id)
            assert len(seen) == 1
        return reason
    finally:
        await database.close()


async def test_a_public_schema_that_is_closed_is_opened_for_the_service(empty_url: str, service_role: str) -> None:
    await execute(empty_url, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await migrate(empty_url, row_security=True)
    assert await explain(empty_url) is None
    await execute(empty_url, f"DROP OWNED BY {service_role}")


@pytest.mark.parametrize("by", ["role", "options", "database"])
async def test_a_schema_named_by_a_search_path_is_opened_for_the_service(
    server: Any, create_owner: CreateOwner, by: str
) -> None:
    url = await create_owner("CREATEROLE")
    owner = urlsplit(url).username
    await execute(url, 'CREATE SCHEMA "Our App"')
    if by == "options":
        url += f"{'&' if urlsplit(url).query else '?'}options=-c%20search_path=%22Our%5C%20App%22"
    else:
        target = f"ROLE {owner}" if by == "role" else f"DATABASE {owner}"
        await server.execute(f'ALTER {target} SET search_path = "Our App"')
    await migrate(url, row_security=True)
    assert await explain(url) is None
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT to_regclass('\"Our App\".attendance') IS NOT NULL")
    await connection.close()


async def test_a_schema_of_the_owners_name_is_told_with_what_to_add(create_owner: CreateOwner) -> None:
    url = await create_owner("CREATEROLE")
    owner = urlsplit(url).username
    await execute(url, f"CREATE SCHEMA AUTHORIZATION {owner}")
    await migrate(url, row_security=True)
    assert await explain(follow_advice(url, await explain(url))) is None


async def test_a_schema_whose_name_needs_quotes_is_told_as_the_url_takes_it(empty_url: str, service_role: str) -> None:
    await execute(empty_url, 'CREATE SCHEMA "Our ""App"""')
    await migrate(
        follow_advice(empty_url, "options=-c%20search_path=%22Our%5C%20%22%22App%22%22%22 "), row_security=True
    )
    assert await explain(follow_advice(empty_url, await explain(empty_url))) is None
    await execute(empty_url, f"DROP OWNED BY {service_role}")


def follow_advice(url: str, reason: str | None) -> str:
    """The URL with the parameter that a reason says to add."""
    advised = re.search(r"options=\S+", reason or "")
    assert advised is not None, reason
    return f"{url}{'&' if '?' in url else '?'}{advised[0]}"


async def test_tables_outside_the_search_path_are_found_and_named(empty_url: str, service_role: str) -> None:
    await execute(empty_url, "CREATE SCHEMA app")
    await migrate(f"{empty_url}{'&' if '?' in empty_url else '?'}options=-c%20search_path=app", row_security=True)
    reason = await explain(empty_url)
    assert reason is not None
    assert reason.startswith('the tables are in the schema app, which the search_path ("$user", public) does not name')
    await execute(empty_url, f"DROP OWNED BY {service_role}")


async def test_tables_in_a_later_schema_of_the_search_path_get_the_grants(empty_url: str, service_role: str) -> None:
    await execute(empty_url, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await migrate(empty_url, row_security=True)
    await execute(empty_url, "CREATE SCHEMA app", f"REVOKE ALL ON SCHEMA public FROM {service_role}")
    url = f"{empty_url}{'&' if '?' in empty_url else '?'}options=-c%20search_path=app,public"
    assert await migrate(url, row_security=True) == []
    assert await explain(url) is None
    await execute(empty_url, f"DROP OWNED BY {service_role}")


@pytest.mark.parametrize(
    ("revoked", "statement"),
    [
        ("USAGE ON SCHEMA public", "GRANT USAGE ON SCHEMA public TO {role}"),
        ("INSERT, DELETE ON attendance", "GRANT INSERT, DELETE ON TABLE public.attendance TO {role}"),
        ("SELECT ON attendance_migrations", "GRANT SELECT ON TABLE public.attendance_migrations TO {role}"),
    ],
)
async def test_a_missing_grant_is_named_and_the_next_migration_grants_it(
    empty_url: str, service_role: str, revoked: str, statement: str
) -> None:
    await execute(empty_url, "REVOKE ALL ON SCHEMA public FROM PUBLIC")
    await migrate(empty_url, row_security=True)
    await execute(empty_url, f"REVOKE {revoked} FROM {service_role}")
    assert await explain(empty_url) == (
        f"the role {service_role} lacks privileges in the schema public: run `attendance migrate`, or "
        f"`{statement.format(role=service_role)}`"
    )
    assert await migrate(empty_url, row_security=True) == []
    assert await explain(empty_url) is None
    await execute(empty_url, f"DROP OWNED BY {service_role}")


async def test_a_schema_that_the_owner_may_not_open_is_told_with_the_grant(
    create_owner: CreateOwner, service_role: str
) -> None:
    url = await create_owner("CREATEROLE")
    owner = urlsplit(url).username
    as_admin = urlsplit(url)._replace(netloc="postgres@" + urlsplit(url).netloc.rpartition("@")[2]).geturl()
    await execute(
        as_admin,
        "ALTER SCHEMA public OWNER TO postgres",
        "REVOKE ALL ON SCHEMA public FROM PUBLIC",
        f"GRANT USAGE, CREATE ON SCHEMA public TO {owner}",
    )
    grant = f"GRANT USAGE ON SCHEMA public TO {service_role}"
    with pytest.raises(ConfigurationError, match=grant):
        await migrate(url, row_security=True)
    await execute(as_admin, grant)
    await migrate(url, row_security=True)
    assert await explain(url) is None
    await execute(as_admin, f"DROP OWNED BY {service_role}")


async def test_a_schema_in_which_the_owner_may_not_create_is_told_with_the_grant(create_owner: CreateOwner) -> None:
    url = await create_owner("CREATEROLE")
    owner = urlsplit(url).username
    as_admin = urlsplit(url)._replace(netloc="postgres@" + urlsplit(url).netloc.rpartition("@")[2]).geturl()
    await execute(as_admin, "ALTER SCHEMA public OWNER TO postgres", "GRANT USAGE ON SCHEMA public TO PUBLIC")
    with pytest.raises(ConfigurationError, match=f"`GRANT CREATE ON SCHEMA public TO {owner}`"):
        await migrate(url, row_security=True)


async def test_a_search_path_without_a_schema_is_told(empty_url: str) -> None:
    url = f"{empty_url}{'&' if '?' in empty_url else '?'}options=-c%20search_path=nowhere"
    with pytest.raises(ConfigurationError, match=r"no schema of the search_path \(nowhere\) exists"):
        await migrate(url, row_security=True)
