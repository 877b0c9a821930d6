"""The two walls between sites: the site in every statement, and row security behind it."""

import os
import re
from collections.abc import AsyncIterator, Callable
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from app.database.migrations import SERVICE_ROLE, migrate
from app.database.pool import Row
from tests.support.service import Record, RecordingDatabase, SentStatement, store
from tests.support.sites import Site, settle

pytestmark = pytest.mark.one_server

SITE_CONDITION = '"site_id" = $1'
ANY_SITE = "$1::uuid IS NOT NULL"
TABLE = re.compile(r"\b(?:attendance|site_totals)\b")
FROM_TABLE = re.compile(r'FROM "(?:attendance|site_totals)"')
SITE_COLUMN = re.compile(r"\bsite_id\b")


@pytest.fixture(scope="module")
async def site(database: RecordingDatabase, http: httpx2.AsyncClient) -> Site:
    return await settle(database, http)


@pytest.fixture(scope="module")
def statements(site: Site) -> list[SentStatement]:
    """Every statement that reading can send: one for each text, with the arguments that it was sent with."""
    return list({sent.text: sent for sent in site.sent}.values())


@pytest.fixture
async def open_database(create_database: Callable[[], str], site: Site) -> AsyncIterator[RecordingDatabase]:
    """A database with the same records and without row security."""
    url = create_database()
    await migrate(url, row_security=False)
    database = RecordingDatabase(url, row_security=False)
    await database.open()
    await store(database, site.id, site.records)
    yield database
    await database.close()


def holds_anything(rows: list[Row]) -> bool:
    """Whether rows tell of any record: a value, a flag, or a figure above 0."""
    return any(value for row in rows for name, value in row.items() if name != "parent_position")


def without_site(text: str) -> str:
    return text.replace(SITE_CONDITION, ANY_SITE)


def test_the_operations_send_statements_of_every_kind(statements: list[SentStatement]) -> None:
    assert len(statements) > 200
    for part in (
        "count(*)",
        "has_before",
        "has_after",
        "parent_position",
        "figures.*",
        "neighbours.*",
        "ANY((SELECT $",
        "unnest",
    ):
        assert any(part in statement.text for statement in statements), part


def test_every_statement_names_its_site_wherever_it_names_the_table(site: Site) -> None:
    for sent in site.sent:
        mentions = len(TABLE.findall(sent.text))
        assert mentions == len(FROM_TABLE.findall(sent.text)) > 0, sent.text
        assert mentions == sent.text.count(SITE_CONDITION) == len(SITE_COLUMN.findall(sent.text)), sent.text
        assert sent.text.count("$1") - len(re.findall(r"\$1\d", sent.text)) == mentions, sent.text
        assert sent.arguments[0] == sent.site_id == site.id


def test_no_value_of_a_caller_is_a_part_of_a_text(site: Site) -> None:
    for record in site.records:
        for value in (record.id, record.booking_id, record.session_id):
            assert not any(str(value) in sent.text for sent in site.sent)


async def test_with_the_site_taken_out_of_the_text_row_security_still_gives_nothing(
    database: RecordingDatabase, open_database: RecordingDatabase, statements: list[SentStatement]
) -> None:
    stranger = uuid4()
    for sent in statements:
        text, arguments = without_site(sent.text), (stranger, *sent.arguments[1:])
        assert text != sent.text
        assert not holds_anything(await database.fetch_rows(text, arguments, stranger)), text
        exposed = holds_anything(await open_database.fetch_rows(text, arguments, stranger))
        assert exposed == holds_anything(await database.fetch_rows(sent.text, sent.arguments, sent.site_id)), text


async def test_the_statements_would_give_the_sites_records_without_row_security(
    open_database: RecordingDatabase, statements: list[SentStatement]
) -> None:
    stranger = uuid4()
    exposed = [
        holds_anything(
            await open_database.fetch_rows(without_site(sent.text), (stranger, *sent.arguments[1:]), stranger)
        )
        for sent in statements
    ]
    assert sum(exposed) > len(exposed) * 3 / 4


async def test_without_row_security_the_site_in_the_text_is_wall_enough(
    open_database: RecordingDatabase, statements: list[SentStatement]
) -> None:
    stranger = uuid4()
    for sent in statements:
        rows = await open_database.fetch_rows(sent.text, (stranger, *sent.arguments[1:]), stranger)
        assert not holds_anything(rows), sent.text


async def test_a_statement_with_another_site_in_its_text_gives_nothing(
    database: RecordingDatabase, site: Site, statements: list[SentStatement]
) -> None:
    for sent in statements:
        assert sent.arguments[0] == site.id
        assert not holds_anything(await database.fetch_rows(sent.text, sent.arguments, uuid4())), sent.text


async def test_row_security_is_forced_on_a_role_that_is_bound_by_it(database: RecordingDatabase, site_id: UUID) -> None:
    role = "SELECT * FROM pg_roles WHERE rolname = current_user"
    table = "SELECT * FROM pg_class WHERE oid = 'attendance'::regclass"
    async with database.connection(site_id) as connection:
        service, attendance = await connection.fetchrow(role), await connection.fetchrow(table)
        is_owners = "SELECT pg_has_role(current_user, $1::oid, 'MEMBER')"
        assert not await connection.fetchval(is_owners, attendance["relowner"])
        policies = await connection.fetch("SELECT * FROM pg_policies WHERE tablename = 'attendance'")
    assert service["rolname"] == SERVICE_ROLE
    rights = ["rolsuper", "rolbypassrls", "rolcreaterole", "rolcreatedb"]
    if "ATTENDANCE_TEST_DATABASE_URL" not in os.environ:  # An operator may have it log in, for a pooler.
        rights.append("rolcanlogin")
    assert not any(service[right] for right in rights)
    assert attendance["relowner"] != service["oid"]
    assert attendance["relrowsecurity"]
    assert attendance["relforcerowsecurity"]
    assert [policy["cmd"] for policy in policies] == ["ALL"]
    assert policies[0]["qual"] == policies[0]["with_check"]


FORBIDDEN = {
    "taking the wall down": "ALTER TABLE attendance DISABLE ROW LEVEL SECURITY",
    "making it softer": "ALTER TABLE attendance NO FORCE ROW LEVEL SECURITY",
    "dropping its policy": "DROP POLICY attendance_site ON attendance",
    "adding a policy": "CREATE POLICY everything ON attendance USING (true)",
    "emptying the table": "TRUNCATE attendance",
    "making a table": "CREATE TABLE public.copies (id uuid)",
    "forging the history": "DELETE FROM attendance_migrations",
}


@pytest.mark.parametrize("case", FORBIDDEN)
async def test_the_services_role_may_not_go_about(database: RecordingDatabase, site_id: UUID, case: str) -> None:
    async with database.connection(site_id) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(FORBIDDEN[case])


async def test_a_site_can_write_to_no_other(database: RecordingDatabase, site: Site, site_id: UUID) -> None:
    await store(database, site_id, [Record()])
    async with database.connection(site_id) as connection:
        assert await connection.execute("UPDATE attendance SET status = 'NOT_SET'") == "UPDATE 1"
        for command in (
            "UPDATE attendance SET site_id = $1",
            "INSERT INTO attendance SELECT $1, id, booking_id, 'x', status, 1",
        ):
            source = " FROM attendance" if command.startswith("INSERT") else ""
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await connection.execute(command + source, site.id)
        assert await connection.execute("DELETE FROM attendance") == "DELETE 1"
    count = await database.fetch_rows("SELECT count(*) FROM attendance", (), site.id)
    assert count[0]["count"] == len(site.records)


@pytest.mark.parametrize("setting", [None, ""])
@pytest.mark.usefixtures("site")
async def test_whoever_names_no_site_sees_nothing(database_url: str, setting: str | None) -> None:
    connection: Any = await asyncpg.connect(database_url, server_settings={"role": SERVICE_ROLE})
    try:
        if setting is not None:
            await connection.fetchval("SELECT set_config('attendance.site_id', $1, false)", setting)
        assert await connection.fetchval("SELECT count(*) FROM attendance") == 0
    finally:
        await connection.close()
