"""Migrations by owners who are no superusers, as managed servers have them."""

from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest

from app.database.migrations import migrate
from app.database.pool import Database
from app.errors import ConfigurationError
from tests.database.conftest import CreateOwner
from tests.support.service import Record, store


async def count_of_two_sites(url: str) -> tuple[int, int]:
    """What the service sees, by row security alone, of a site with a record and of one without."""
    database = Database(url, pool_size=1, row_security=True)
    await database.open()
    try:
        assert await database.explain_unreadiness() is None
        site_id, other = uuid4(), uuid4()
        await store(database, site_id, [Record()])
        (mine,) = await database.fetch_rows("SELECT count(*) AS total FROM attendance", [], site_id)
        (others,) = await database.fetch_rows("SELECT count(*) AS total FROM attendance", [], other)
        return mine["total"], others["total"]
    finally:
        await database.close()


async def test_an_owner_who_was_granted_the_role_migrates_and_serves(
    server: Any, service_role: str, create_owner: CreateOwner
) -> None:
    await server.execute(f"CREATE ROLE {service_role} NOLOGIN NOSUPERUSER NOBYPASSRLS")
    url = await create_owner(f"NOCREATEROLE IN ROLE {service_role}")
    await migrate(url, row_security=True)
    assert await count_of_two_sites(url) == (1, 0)


async def test_an_owner_who_may_create_roles_makes_the_role_and_takes_it(
    create_owner: CreateOwner,
) -> None:
    url = await create_owner("CREATEROLE")
    await migrate(url, row_security=True)
    assert await count_of_two_sites(url) == (1, 0)


@pytest.mark.parametrize("role_exists", [True, False])
async def test_an_owner_who_cannot_have_the_role_is_told_so_and_nothing_is_left(
    server: Any, service_role: str, create_owner: CreateOwner, *, role_exists: bool
) -> None:
    if role_exists:
        await server.execute(f"CREATE ROLE {service_role} NOLOGIN NOSUPERUSER NOBYPASSRLS")
    url = await create_owner("NOCREATEROLE")
    with pytest.raises(ConfigurationError, match=r"refuses to be migrated: .*role") as refused:
        await migrate(url, row_security=True)
    owner = urlsplit(url).username
    create, grant = (f"CREATE ROLE {service_role} NOLOGIN NOSUPERUSER NOBYPASSRLS", f"GRANT {service_role} TO {owner}")
    assert str(refused.value).endswith(f"an administrator runs `{create}` (unless it exists) and `{grant}`")
    database = Database(url, pool_size=1, row_security=False)
    await database.open()
    try:
        assert await database.explain_unreadiness() == "the database is not migrated: run `attendance migrate`"
    finally:
        await database.close()
    if not role_exists:
        await server.execute(create)
    await server.execute(grant)
    await migrate(url, row_security=True)
    assert await count_of_two_sites(url) == (1, 0)


@pytest.mark.parametrize("row_security", [True, False])
async def test_a_user_who_may_not_connect_is_told_so(
    server: Any, create_owner: CreateOwner, *, row_security: bool
) -> None:
    url = await create_owner("CREATEROLE")
    await migrate(url, row_security=row_security)
    owner = urlsplit(url).username
    await server.execute(f"REVOKE CONNECT ON DATABASE {owner} FROM PUBLIC, {owner}")
    database = Database(url, pool_size=1, row_security=row_security)
    reason = await database.explain_unreadiness()
    await database.close()
    assert reason is not None
    assert "GRANT CONNECT ON DATABASE" in reason
