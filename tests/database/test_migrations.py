"""Migrations: applied once, in order, wholly or not at all, however many processes try."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import asyncpg
import pytest

from app.database import migrations
from app.database.migrations import Migration, migrate, read_migrations
from app.errors import ConfigurationError

COUNT = Migration(9001, "9001_count", "CREATE TABLE counted (number integer); INSERT INTO counted VALUES (1)")
COUNT_AGAIN = Migration(9002, "9002_count_again", "INSERT INTO counted SELECT max(number) + 1 FROM counted")
FAIL = Migration(9003, "9003_fail", "INSERT INTO counted VALUES (99); CREATE TABLE half (number integer); SELECT 1 / 0")
NAMES = [migration.name for migration in read_migrations()]

Install = Callable[[list[Migration]], None]


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Makes a version of the service that comes with these migrations."""
    return lambda installed: monkeypatch.setattr(migrations, "read_migrations", lambda: installed)


async def fetch(url: str, query: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(query)]
    finally:
        await connection.close()


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.version for migration in read_migrations()] == list(range(1, len(NAMES) + 1))


async def test_migrations_are_applied_in_order_and_once(empty_url: str, install: Install) -> None:
    installed = [*read_migrations(), COUNT, COUNT_AGAIN]
    install(installed)
    assert await migrate(empty_url, row_security=True) == [migration.name for migration in installed]
    assert await migrate(empty_url, row_security=True) == []
    assert await fetch(empty_url, "SELECT number FROM counted ORDER BY 1") == [1, 2]


async def test_a_newer_service_applies_only_what_is_missing(empty_url: str, install: Install) -> None:
    assert await migrate(empty_url, row_security=True) == NAMES
    install([*read_migrations(), COUNT])
    assert await migrate(empty_url, row_security=True) == [COUNT.name]


async def test_processes_that_migrate_at_once_apply_each_migration_once(empty_url: str, install: Install) -> None:
    install([*read_migrations(), COUNT])
    applied = await asyncio.gather(*(migrate(empty_url, row_security=True) for _ in range(5)))
    # While one of them builds an index, another one goes on with what needs none.
    assert sorted(name for names in applied for name in names) == sorted([*NAMES, COUNT.name])
    assert await fetch(empty_url, "SELECT number FROM counted") == [1]


async def test_databases_of_one_server_that_are_migrated_at_once_share_the_role(
    create_database: Callable[[], str], server: Any, service_role: str
) -> None:
    urls = [create_database() for _ in range(4)]
    applied = await asyncio.gather(*(migrate(url, row_security=True) for url in urls))
    assert applied == [NAMES] * len(urls)
    for url in urls:
        await fetch(url, f"DROP OWNED BY {service_role}")
    assert await server.fetchval("SELECT count(*) FROM pg_roles WHERE rolname = $1", service_role) == 1


async def test_a_migration_that_was_changed_after_it_had_been_applied_is_refused(
    empty_url: str, install: Install
) -> None:
    await migrate(empty_url, row_security=True)
    first, *others = read_migrations()
    install([replace(first, text=first.text + "\n-- changed"), *others, COUNT])
    with pytest.raises(ConfigurationError, match=f"{first.name} was changed after it had been applied"):
        await migrate(empty_url, row_security=True)
    assert await fetch(empty_url, "SELECT to_regclass('counted')") == [None]


async def test_a_database_of_a_newer_service_is_refused(empty_url: str, install: Install) -> None:
    known = read_migrations()
    install([*known, COUNT])
    await migrate(empty_url, row_security=True)
    install(known)
    with pytest.raises(ConfigurationError, match=f"{COUNT.name}, which is newer than this service"):
        await migrate(empty_url, row_security=True)


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_url: str, install: Install) -> None:
    install([*read_migrations(), COUNT, FAIL])
    with pytest.raises(ConfigurationError, match="division by zero"):
        await migrate(empty_url, row_security=True)
    assert await fetch(empty_url, "SELECT number FROM counted") == [1]
    assert await fetch(empty_url, "SELECT to_regclass('half')") == [None]
    assert await fetch(empty_url, "SELECT name FROM attendance_migrations ORDER BY 1") == [*NAMES, COUNT.name]

    install([*read_migrations()[: len(NAMES)], COUNT, replace(FAIL, text="INSERT INTO counted VALUES (3)")])
    assert await migrate(empty_url, row_security=True) == [FAIL.name]


async def test_a_database_that_cannot_be_reached_is_a_configuration_error(empty_url: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot be reached"):
        await migrate(empty_url + "_that_is_not_there", row_security=True)
