"""A database is distributed by site on a coordinator of Citus, again and again, and nowhere else.

The last tests need a cluster: `ATTENDANCE_TEST_DATABASE_URL` names a database of its coordinator.
"""

from collections.abc import AsyncIterator, Callable
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.attendance.transfer.site import erase_site
from app.database import migrations, sites
from app.database.distribution import explain_functions, explain_node, explain_settings, explain_tables
from app.database.migrations import migrate
from app.database.pool import Database
from app.errors import ConfigurationError
from tests.support.clusters import FIND_NODES, has_citus
from tests.support.mutations import READ, make_input, set_one
from tests.support.private_service import open_service
from tests.support.service import Record, RecordingDatabase, store

BY_SITE = {"method": "h", "key": "site_id", "colocation": 1}
HISTORY = {"name": "attendance_migrations", "method": "n", "key": None, "colocation": 2}
SETTINGS = {
    "citus.override_table_visibility": "off",
    "statement_timeout": "5000",
    "client_connection_check_interval": "1000",
    "citus.node_connection_timeout": "3000",
    "plan_cache_mode": "auto",
}
IS_SECURED = "SELECT relrowsecurity FROM pg_class WHERE oid = 'attendance'::regclass"
COUNT_TABLES = "SELECT count(*) FROM pg_class WHERE relname LIKE 'attendance%'"


async def fetch_value(url: str, text: str, *arguments: object, **place: Any) -> Any:
    connection = await asyncpg.connect(url, **place)
    try:
        return await connection.fetchval(text, *arguments)
    finally:
        await connection.close()


async def test_a_server_without_citus_refuses_before_anything_is_done(create_database: Callable[[], str]) -> None:
    url = create_database()
    with pytest.raises(ConfigurationError, match="the database has no extension citus"):
        await migrate(url, row_security=False, distributed=True)
    assert await fetch_value(url, COUNT_TABLES) == 0


async def test_a_service_that_expects_a_cluster_is_not_ready_without_one(create_database: Callable[[], str]) -> None:
    url = create_database()
    await migrate(url, row_security=False)
    database = RecordingDatabase(url, row_security=False)
    database.is_distributed = True
    assert (await database.explain_unreadiness() or "").startswith("the database has no extension citus")
    await database.close()


async def test_a_distribution_that_fails_leaves_row_security_as_it_was(
    create_database: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def accept(_connection: object, *, distributed: bool) -> None:
        assert distributed

    async def fail(_connection: object) -> None:
        raise ConfigurationError("a worker is lost")

    url = create_database()
    await migrate(url, row_security=True)
    monkeypatch.setattr(migrations, "check_server", accept)
    monkeypatch.setattr(migrations, "DISTRIBUTING", (fail,))
    with pytest.raises(ConfigurationError, match="a worker is lost"):
        await migrate(url, row_security=False, distributed=True)
    assert await fetch_value(url, IS_SECURED)


@pytest.mark.parametrize(
    ("is_worker", "has_workers", "reason"),
    [
        (False, True, None),
        (True, True, "this is a worker of a Citus cluster"),
        (False, False, "no node of the Citus cluster takes tables"),
    ],
)
def test_a_node_is_a_coordinator_that_has_workers(is_worker: bool, has_workers: bool, reason: str | None) -> None:  # noqa: FBT001
    found = explain_node({"is_worker": is_worker, "has_workers": has_workers})
    assert found is None if reason is None else (found or "").startswith(reason)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({}, None),
        ({"method": None, "key": None}, "the table attendance is not distributed"),
        ({"method": "n", "key": None}, "the table attendance is not distributed"),
        ({"key": "id"}, "the table attendance is not distributed"),
        ({"colocation": 3}, "the tables are not colocated"),
    ],
)
def test_each_table_is_distributed_by_site_beside_the_others(wrong: dict[str, Any], reason: str | None) -> None:
    tables = [{**BY_SITE, "name": name} for name in ("attendance", "attendance_deletion", "site_revision")]
    found = explain_tables([{**tables[0], **wrong}, *tables[1:], HISTORY])
    assert found is None if reason is None else (found or "").startswith(reason)


def test_the_history_is_on_each_node() -> None:
    found = explain_tables([{**HISTORY, "method": None}])
    assert found == "the table attendance_migrations is not distributed: run `attendance migrate --distributed`"


def test_functions_and_settings_are_as_the_service_needs_them() -> None:
    assert explain_functions([]) is None
    assert (explain_functions(["f_1(uuid)"]) or "").startswith("the function f_1 is not distributed")
    for name, value, reason in (
        ("statement_timeout", "30000", None),
        ("statement_timeout", "0", "statement_timeout is not set"),
        ("citus.override_table_visibility", "on", "citus.override_table_visibility is on"),
        ("client_connection_check_interval", "0", "client_connection_check_interval is not set"),
        ("citus.node_connection_timeout", "4000", None),
        ("citus.node_connection_timeout", "30000", "citus.node_connection_timeout is not less"),
        ("plan_cache_mode", "force_custom_plan", None),
        ("plan_cache_mode", "force_generic_plan", "plan_cache_mode is force_generic_plan"),
    ):
        settings = {**SETTINGS, name: value}
        found = explain_settings([{"name": each, "value": settings[each]} for each in settings])
        assert found is None if reason is None else (found or "").startswith(reason)


async def test_what_a_database_holds_is_distributed_and_served_as_before(spread: str) -> None:
    await migrate(spread, row_security=True)
    before = Database(spread, pool_size=1, row_security=True)
    site_id, records = uuid4(), [Record(session_id=f"session {n}") for n in range(200)]
    await store(before, site_id, records)
    await before.close()
    for _ in range(2):
        await migrate(spread, row_security=False, distributed=True)
    for row_security in (True, False):
        with pytest.raises(ConfigurationError, match="set ATTENDANCE_DISTRIBUTED=on"):
            await migrate(spread, row_security=row_security)
    assert await fetch_value(spread, "SELECT count(*) FROM attendance") == 200
    assert await fetch_value(spread, "SELECT pg_relation_size('attendance')") == 0
    database = RecordingDatabase(spread, row_security=False)
    assert "set ATTENDANCE_DISTRIBUTED=on" in (await database.explain_unreadiness() or "")
    database.is_distributed = True
    assert await database.explain_unreadiness() is None
    async with open_service(database) as client_of:
        client = client_of(site_id)
        assert (await client.data(READ, id=str(records[7].id)))["attendance"]["sessionId"] == "session 7"
        changed = await set_one(client, make_input(bookingId=str(records[7].booking_id), sessionId="session 7"))
        assert UUID(changed["id"]) == records[7].id


@pytest.fixture
async def distributed(spread: str) -> AsyncIterator[RecordingDatabase]:
    """A pool of one connection on a distributed database."""
    await migrate(spread, row_security=False, distributed=True)
    database = RecordingDatabase(spread, row_security=False, pool_size=1)
    database.is_distributed = True
    yield database
    await database.close()


async def list_commands(database: RecordingDatabase) -> list[str]:
    """What the coordinator sends to workers from now on, for the one connection of a pool."""
    commands: list[str] = []
    async with database.connection(uuid4()) as connection:
        await connection.execute("SET citus.log_remote_commands = on")
        connection.add_log_listener(lambda _, message: commands.append(str(message)))
    return commands


async def test_a_write_is_one_command_to_one_worker(distributed: RecordingDatabase) -> None:
    async with open_service(distributed) as client_of:
        client = client_of(uuid4())
        await set_one(client, make_input())
        commands = await list_commands(distributed)
        await set_one(client, make_input())
    assert len(commands) == 1
    assert "issuing SELECT" in commands[0]


async def test_a_session_whose_plans_are_generic_is_not_ready(distributed: RecordingDatabase) -> None:
    async with distributed.connection(uuid4()) as connection:
        await connection.execute("SET plan_cache_mode = force_generic_plan")
    assert (await distributed.explain_unreadiness() or "").startswith("plan_cache_mode is force_generic_plan")


async def test_an_erasure_is_one_command_for_each_batch(
    distributed: RecordingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "ERASED_AT_ONCE", 7)
    site_id = uuid4()
    await store(distributed, site_id, [Record() for _ in range(20)])
    commands = await list_commands(distributed)
    assert await erase_site(distributed, site_id) == 20
    assert len(commands) == 4  # the last one finds nothing
    assert all("issuing SELECT" in command and "attendance_erase_1" in command for command in commands)


async def test_a_cluster_without_workers_refuses_and_says_so(
    postgres_url: str, create_database: Callable[[], str]
) -> None:
    if not await has_citus(postgres_url):
        pytest.skip("needs a coordinator of Citus")
    url = create_database()
    await fetch_value(url, "CREATE EXTENSION citus")
    with pytest.raises(ConfigurationError, match="no node of the Citus cluster takes tables"):
        await migrate(url, row_security=False, distributed=True)
    assert await fetch_value(url, COUNT_TABLES) == 0


async def test_a_worker_refuses_and_nothing_is_left(spread: str) -> None:
    nodes = await asyncpg.connect(spread)
    [worker, *_] = [node for node in await nodes.fetch(FIND_NODES) if not node["is_coordinator"]]
    await nodes.close()
    parts = urlsplit(spread)
    login = "".join(parts.netloc.rpartition("@")[:2])
    place = urlunsplit(parts._replace(netloc=f"{login}{worker['host']}:{worker['port']}"))
    for distributed in (True, False):
        with pytest.raises(ConfigurationError, match="this is a worker of a Citus cluster"):
            await migrate(place, row_security=False, distributed=distributed)
    assert await fetch_value(place, COUNT_TABLES) == 0
