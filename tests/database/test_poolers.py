"""Behind PgBouncer: a session that row security cannot rely on is refused, and never gives an empty or foreign page."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from app.database.connector import SESSION_SETTINGS
from app.database.migrations import migrate
from app.database.pool import Database
from app.database.server import REFUSAL_SECONDS
from app.errors import ServiceUnavailable
from tests.support.commands import start_service
from tests.support.pgbouncer import run_pgbouncer
from tests.support.service import READ_SCOPE, SECRET, Record, make_token, store

PARAMETERS = ["role", "statement_timeout", *SESSION_SETTINGS]
CURE = "use PgBouncer 1.21 or later with max_prepared_statements, or connect to Postgres directly"
SITES = "SELECT site_id FROM attendance"

OpenDatabase = Callable[..., Awaitable[Database]]


@pytest.fixture
async def open_database() -> AsyncIterator[OpenDatabase]:
    opened: list[Database] = []

    async def open_pool(url: str, *, pool_size: int = 4, row_security: bool = True) -> Database:
        opened.append(Database(url, pool_size=pool_size, row_security=row_security))
        await opened[-1].open()
        return opened[-1]

    yield open_pool
    for database in opened:
        await database.close()


@pytest.fixture
async def migrated(empty_url: str, service_role: str) -> AsyncIterator[str]:
    """A migrated database, whose service's role no other test has."""
    await migrate(empty_url, row_security=True)
    yield empty_url
    connection = await asyncpg.connect(empty_url)
    await connection.execute(f"DROP OWNED BY {service_role}")
    await connection.close()


@pytest.fixture
async def login(migrated: str, service_role: str) -> str:
    """The service's role, which may log in and has the session settings that a pooler drops."""
    connection = await asyncpg.connect(migrated)
    settings = {**SESSION_SETTINGS, "statement_timeout": "5000"}
    for command in ("LOGIN", *(f"SET {name} = '{value}'" for name, value in settings.items())):
        await connection.execute(f"ALTER ROLE {service_role} {command}")
    await connection.close()
    return service_role


async def read_sites(database: Database, site_id: UUID) -> list[UUID] | None:
    """The sites whose records a statement without a condition sees; None when it is refused."""
    try:
        return [row["site_id"] for row in await database.fetch_rows(SITES, (), site_id)]
    except ServiceUnavailable:
        return None


async def test_a_pooler_that_drops_the_role_is_refused(
    migrated: str, service_role: str, open_database: OpenDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    with run_pgbouncer(migrated, mode="session", ignored=PARAMETERS) as url:
        database = await open_database(url)
        reason = await database.explain_unreadiness()
        assert reason == (
            f"connections run as the role postgres instead of {service_role}, because a pooler drops the startup "
            f"parameter role: connect to Postgres directly, or log in as {service_role}"
        )
        assert await asyncio.gather(*(read_sites(database, uuid4()) for _ in range(20))) == [None] * 20
        assert database.counts.connect_failures == 1
        assert database.counts.size == 0
        logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert logged == [f"the database cannot be used: {reason}"]


async def test_a_pooler_that_refuses_the_role_is_named_as_the_reason(
    migrated: str, open_database: OpenDatabase
) -> None:
    with run_pgbouncer(migrated, mode="session") as url:
        reason = await (await open_database(url)).explain_unreadiness()
    assert reason is not None
    assert reason.startswith("a pooler refuses the startup parameter ")
    assert reason.endswith("set ATTENDANCE_ROW_SECURITY=off and run `attendance migrate`")


async def test_a_pooler_that_drops_the_settings_of_a_session_is_refused(
    migrated: str, login: str, open_database: OpenDatabase
) -> None:
    connection = await asyncpg.connect(migrated)
    await connection.execute(f"ALTER ROLE {login} RESET jit; ALTER ROLE {login} SET statement_timeout = '7s'")
    await connection.close()
    with run_pgbouncer(migrated, mode="session", ignored=PARAMETERS, users=[login]) as url:
        reason = await (await open_database(url)).explain_unreadiness()
    assert reason is not None
    assert "statement_timeout = 7000 instead of 5000" in reason
    assert f"ALTER ROLE {login} SET statement_timeout = '5000'" in reason


async def test_a_role_that_bypasses_row_security_is_refused(
    migrated: str, service_role: str, open_database: OpenDatabase
) -> None:
    connection = await asyncpg.connect(migrated)
    await connection.execute(f"ALTER ROLE {service_role} BYPASSRLS")
    await connection.close()
    database = await open_database(migrated)
    reason = await database.explain_unreadiness()
    assert reason is not None
    assert f"ALTER ROLE {service_role} NOSUPERUSER NOBYPASSRLS" in reason
    assert await read_sites(database, uuid4()) is None


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        ("ALTER DATABASE {database} SET row_security = off", "ALTER ROLE {login} SET row_security = on"),
        ("DROP POLICY attendance_site ON attendance", "create it as the migrations do"),
        ("DROP POLICY attendance_site ON attendance_deletion", "create it as the migrations do"),
        (
            "CREATE POLICY everybody ON attendance USING (true)",
            "everybody on attendance: drop it, or grant it to another",
        ),
        ("CREATE POLICY mine ON site_totals TO {login} USING (true)", None),
    ],
)
async def test_a_session_in_which_row_security_cannot_work_is_refused(
    migrated: str, open_database: OpenDatabase, site_id: UUID, change: str, cure: str | None
) -> None:
    connection = await asyncpg.connect(migrated)
    names = await connection.fetchrow("SELECT quote_ident(current_database()) AS database, session_user AS login")
    await connection.execute(change.format(**names))
    await connection.close()
    database = await open_database(migrated)
    reason = await database.explain_unreadiness()
    assert (reason is None) == (cure is None)
    assert cure is None or cure.format(**names) in (reason or "")
    assert await read_sites(database, site_id) == (None if cure else [])


async def test_a_pooler_in_session_mode_serves_each_site_its_own_records(
    migrated: str, login: str, open_database: OpenDatabase
) -> None:
    with run_pgbouncer(migrated, mode="session", ignored=PARAMETERS, users=[login]) as url:
        database = await open_database(url)
        assert await database.explain_unreadiness() is None
        sites = [uuid4() for _ in range(6)]
        for site in sites:
            await store(database, site, [Record()])  # type: ignore[arg-type]
        found = await asyncio.gather(*(read_sites(database, site) for site in sites * 20))
        assert found == [[site] for site in sites * 20]


async def test_a_pooler_without_a_connection_for_the_check_is_named_as_the_reason(
    migrated: str, login: str, open_database: OpenDatabase
) -> None:
    with run_pgbouncer(migrated, mode="session", ignored=PARAMETERS, users=[login], pool_size=1) as url:
        reason = await (await open_database(url, pool_size=1)).explain_unreadiness()
    assert reason is not None
    assert reason.endswith("raise its pool size, or connect to Postgres directly")


async def test_connections_that_passed_the_check_go_on_when_the_pooler_gives_no_more(
    migrated: str, login: str, open_database: OpenDatabase
) -> None:
    with run_pgbouncer(migrated, mode="session", ignored=PARAMETERS, users=[login], pool_size=3) as url:
        database = await open_database(url, pool_size=3)
        sites = [uuid4() for _ in range(3)]
        async with database.connection(sites[0]), database.connection(sites[1]):
            assert await read_sites(database, sites[2]) is None  # Three leave no connection for a check.
        assert database.counts.size == 2
        found = [await read_sites(database, site) for site in sites * 5]
        assert found == [[]] * len(found)


async def test_a_read_whose_new_connection_is_refused_takes_an_idle_one(
    migrated: str, login: str, open_database: OpenDatabase
) -> None:
    with run_pgbouncer(migrated, mode="session", ignored=PARAMETERS, users=[login], pool_size=3) as url:
        database = await open_database(url, pool_size=3)
        async with database.connection(uuid4()), database.connection(uuid4()):
            unchecked = await database._connector.connect()  # noqa: SLF001 (as the pool opens one)
            database._pool.add(unchecked)  # noqa: SLF001
        assert database.counts.idle == 3
        assert await read_sites(database, uuid4()) == []
        assert database.counts.size == 2


async def test_a_pooler_in_transaction_mode_is_refused_and_gives_no_page(
    migrated: str, login: str, open_database: OpenDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    direct = await open_database(migrated)
    sites = [uuid4() for _ in range(4)]
    for site in sites:
        await store(direct, site, [Record()])  # type: ignore[arg-type]
    with run_pgbouncer(migrated, mode="transaction", ignored=PARAMETERS, users=[login]) as url:
        database = await open_database(url)
        for _ in range(3):
            reason = await database.explain_unreadiness()
            assert reason is not None
            assert reason.startswith("a pooler in transaction mode")
            await asyncio.sleep(REFUSAL_SECONDS)
            found = await asyncio.gather(*(read_sites(database, site) for site in sites * 50))
            assert found == [None] * len(found)
        logged = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert logged == [f"the database cannot be used: {reason}"]


@pytest.mark.parametrize("mode", ["transaction", "session"])
async def test_migrations_run_through_a_pooler_leave_no_lock(empty_url: str, mode: str) -> None:
    with run_pgbouncer(empty_url, mode=mode, pool_size=1) as url:
        assert await migrate(url, row_security=True) != []
        for target in (url, empty_url, url):
            async with asyncio.timeout(10):
                assert await migrate(target, row_security=True) == []


async def test_a_service_behind_a_pooler_that_drops_the_role_answers_503_and_says_why(
    database_url: str, tmp_path: Path, site_id: UUID
) -> None:
    with (
        run_pgbouncer(database_url, mode="session", ignored=PARAMETERS) as url,
        start_service(tmp_path, "serve", DATABASE_URL=url, JWT_SECRET=SECRET) as service,
    ):
        async with httpx2.AsyncClient(base_url=service.url) as client:
            ready = await client.get("/readyz")
            assert ready.status_code == 503
            assert "instead of attendance_service" in ready.json()["reason"]
            page = await client.post(
                "/graphql",
                json={"query": "{ attendances { nodes { id } } }"},
                headers={"Authorization": f"Bearer {make_token(site_id, READ_SCOPE)}"},
            )
            assert page.status_code == 503
    assert "instead of attendance_service" in service.output.read_text()


async def test_a_pooler_that_loses_prepared_statements_is_named_as_the_reason(
    empty_url: str, open_database: OpenDatabase, caplog: pytest.LogCaptureFixture
) -> None:
    await migrate(empty_url, row_security=False)
    with run_pgbouncer(empty_url, mode="transaction", users=["postgres"], pool_size=3) as url:
        databases = [await open_database(url, row_security=False) for _ in range(2)]

        async def ask(number: int) -> bool:
            """Whether a statement gave its own row; else it was refused."""
            try:
                text = f"SELECT {number % 7} AS asked, $1::integer AS given"
                [row] = await databases[number % 2].fetch_rows(text, [number], uuid4())
            except ServiceUnavailable:
                return False
            assert tuple(row) == (number % 7, number)
            return True

        answered = await asyncio.gather(*(ask(number) for number in range(400)))
        reason = await databases[0].explain_unreadiness()
    if False in answered:  # PgBouncer 1.21 or later may keep them.
        refused = [line for line in caplog.messages if line.startswith("the database refuses statements: ")]
        assert 1 <= len(refused) <= len(databases)
        assert all(line.endswith(CURE) for line in refused)
        assert reason is None or reason.endswith(CURE)
    assert True in answered
