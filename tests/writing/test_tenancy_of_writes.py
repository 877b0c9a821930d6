"""Two sites in one database: what the token of one can change of the other."""

import re
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx2
import pytest

from app.database.row_security import SITE_TABLES
from app.sql.arrays import write_array
from tests.support.service import (
    WRITE_SCOPE,
    GraphQLClient,
    Record,
    RecordingDatabase,
    SentStatement,
    make_token,
    store,
    without_id,
)

SITE_CONDITION = '"site_id" = $1'
TABLES = re.compile(rf'(FROM|INTO) "(?:{"|".join(SITE_TABLES)})"')
ALL = "{ attendances { nodes { id bookingId sessionId status numberOfAttendees createdAt updatedAt } } }"
SET = "mutation($input: AttendanceInput!) { setAttendance(input: $input) { attendance { id } } }"
BULK_SET = "mutation($input: [AttendanceInput!]!) { bulkSetAttendance(input: $input) { totalSuccesses totalFailures } }"
DELETE = "mutation($id: ID!) { deleteAttendance(id: $id) { deletedId } }"
BULK_DELETE = """
mutation($ids: [ID!]!) {
  bulkDeleteAttendance(ids: $ids) { results { index deletedId error { code message } } totalSuccesses totalFailures }
}
"""
RECORDS = [Record(uuid4(), f"session {n}", "ATTENDED", 3) for n in range(3)]


@pytest.fixture
async def foreign(http: httpx2.AsyncClient, database: RecordingDatabase) -> GraphQLClient:
    """A caller of a site of its own that has the records."""
    site_id = uuid4()
    records = [Record(each.booking_id, each.session_id, each.status, each.number_of_attendees) for each in RECORDS]
    await store(database, site_id, records)
    return GraphQLClient(http, make_token(site_id, WRITE_SCOPE))


@pytest.fixture
async def foreign_ids(foreign: GraphQLClient) -> list[str]:
    return [node["id"] for node in (await foreign.data(ALL))["attendances"]["nodes"]]


def make_input(record: Record) -> dict[str, Any]:
    return {"bookingId": str(record.booking_id), "sessionId": record.session_id, "status": "NOT_ATTENDED"}


async def test_a_foreign_record_and_a_missing_one_are_deleted_with_the_same_bytes(
    client: GraphQLClient, foreign: GraphQLClient, foreign_ids: list[str]
) -> None:
    before = await foreign.data(ALL)
    for query, name, wrap in ((DELETE, "id", str), (BULK_DELETE, "ids", lambda id_: [id_])):
        one, other = [await client.post(query, {name: wrap(id_)}) for id_ in (foreign_ids[0], str(uuid4()))]
        assert one.content == other.content
        assert (one.status_code, without_id(one.headers)) == (other.status_code, without_id(other.headers))
        assert b"ATTENDANCE_NOT_FOUND" in one.content
    assert await foreign.data(ALL) == before


async def test_setting_what_another_site_has_too_changes_the_own_record_alone(
    client: GraphQLClient, foreign: GraphQLClient, foreign_ids: list[str]
) -> None:
    before = await foreign.data(ALL)
    own = (await client.data(SET, input=make_input(RECORDS[0])))["setAttendance"]["attendance"]["id"]
    assert own not in foreign_ids
    assert await client.data(BULK_SET, input=[make_input(record) for record in RECORDS]) == {
        "bulkSetAttendance": {"totalSuccesses": 3, "totalFailures": 0}
    }
    assert await foreign.data(ALL) == before
    assert len((await client.data(ALL))["attendances"]["nodes"]) == 3


@pytest.fixture
async def sent(client: GraphQLClient, database: RecordingDatabase) -> list[SentStatement]:
    """The statements of the four mutations."""
    with database.recording() as statements:
        await client.data(SET, input=make_input(RECORDS[0]))
        await client.data(BULK_SET, input=[make_input(record) for record in RECORDS])
        await client.run(DELETE, id=str(uuid4()))
        await client.data(BULK_DELETE, ids=[str(uuid4()) for _ in range(3)])
    return list(statements)


@pytest.mark.one_server
def test_every_statement_that_writes_names_its_site(sent: list[SentStatement], site_id: UUID) -> None:
    assert len(sent) == 4
    for statement in sent:
        assert statement.arguments[0] == statement.site_id == site_id
        mentions = TABLES.findall(statement.text)
        reads_or_deletes, inserts = mentions.count("FROM"), mentions.count("INTO")
        assert reads_or_deletes == statement.text.count(SITE_CONDITION)
        assert inserts == statement.text.count("SELECT $1::uuid,") + statement.text.count("VALUES ($1,")
        named = sum(statement.text.count(f'"{table}"') for table in SITE_TABLES)
        assert named == reads_or_deletes + inserts > 0


@pytest.mark.one_server
async def test_with_the_site_taken_out_of_the_text_row_security_still_deletes_nothing(
    database: RecordingDatabase, sent: list[SentStatement], foreign: GraphQLClient, foreign_ids: list[str]
) -> None:
    deletes = {statement.text: statement.arguments for statement in sent if "DELETE" in statement.text}
    [(text, arguments)] = deletes.items()
    everywhere = text.replace(SITE_CONDITION, "$1::uuid IS NOT NULL")
    assert everywhere != text
    before, stranger = await foreign.data(ALL), uuid4()
    given = write_array(foreign_ids)
    others = [given if str(argument).startswith("{") else argument for argument in arguments[1:]]
    assert given in others
    deleted = await database.fetch_rows(everywhere, (stranger, *others), stranger)
    assert [row[0] for row in deleted] == [None]
    assert await foreign.data(ALL) == before


@pytest.mark.one_server
async def test_a_record_cannot_be_written_to_a_site_that_row_security_does_not_see(
    database: RecordingDatabase, sent: list[SentStatement], foreign: GraphQLClient
) -> None:
    before = await foreign.data(ALL)
    for statement in sent:
        if "INSERT" in statement.text:
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
                await database.fetch_rows(statement.text, statement.arguments, uuid4())
    assert await foreign.data(ALL) == before
