"""The statements that write: one text for any number of items, and the site as a wall of its own in each."""

from collections.abc import AsyncIterator, Callable
from uuid import UUID, uuid4

import pytest

from app.database.migrations import migrate
from tests.support.mutations import DELETE, delete_many, make_input, set_many, set_one
from tests.support.service import GraphQLClient, Record, RecordingDatabase, SentStatement, store

pytestmark = pytest.mark.one_server

SITE_CONDITION = '"site_id" = $1'
ANY_SITE = "$1::uuid IS NOT NULL"
ALL = "SELECT id, booking_id, session_id, status, number_of_attendees, updated_at FROM attendance WHERE site_id = $1"
RECORDS = [Record(session_id=f"session {n}", number_of_attendees=n) for n in range(5)]


@pytest.fixture
async def sent(client: GraphQLClient, database: RecordingDatabase) -> list[SentStatement]:
    """What the four mutations send for the records' keys and ids: a set, bulk sets, a delete, bulk deletes."""
    keys = [{"bookingId": str(record.booking_id), "sessionId": record.session_id} for record in RECORDS]
    items = [make_input(**key, status="NOT_ATTENDED", numberOfAttendees=77) for key in keys]
    ids = [str(record.id) for record in RECORDS]
    with database.recording() as statements:
        await set_one(client, items[0])
        await client.run(DELETE, id=ids[0])
        await set_one(client, {**items[0], "numberOfAttendees": None})
        for size in (1, 2, 5):
            await set_many(client, [{**items[0], "numberOfAttendees": None}, *items[1:size]])
            await delete_many(client, ids[:size])
    return list(statements)


@pytest.fixture
async def open_database(create_database: Callable[[], str]) -> AsyncIterator[RecordingDatabase]:
    """A database without row security."""
    url = create_database()
    await migrate(url, row_security=False)
    database = RecordingDatabase(url, row_security=False)
    await database.open()
    yield database
    await database.close()


async def fetch_all(database: RecordingDatabase, site: UUID) -> list[tuple[object, ...]]:
    return sorted(tuple(row.values()) for row in await database.fetch_rows(ALL, [site], site))


def test_a_call_is_one_statement_whose_text_is_the_same_for_any_number_of_items(sent: list[SentStatement]) -> None:
    assert len(sent) == 9
    assert len({statement.text for statement in sent}) == 2
    assert len({statement.text for statement in sent if "DELETE" in statement.text}) == 1


def test_no_value_of_a_caller_is_a_part_of_a_text(sent: list[SentStatement], site_id: UUID) -> None:
    for statement in sent:
        for record in RECORDS:
            for value in (site_id, record.id, record.booking_id, record.session_id, "NOT_ATTENDED", "77"):
                assert str(value) not in statement.text


async def test_without_row_security_the_site_in_the_text_keeps_the_same_records_of_another(
    open_database: RecordingDatabase, sent: list[SentStatement], site_id: UUID
) -> None:
    other = uuid4()
    await store(open_database, other, RECORDS)
    await store(open_database, site_id, RECORDS)
    before = await fetch_all(open_database, other)
    for statement in sent:
        await open_database.fetch_rows(statement.text, statement.arguments, site_id)
        assert await fetch_all(open_database, other) == before
    left = {row[0] for row in await fetch_all(open_database, site_id)}
    assert left.isdisjoint(record.id for record in RECORDS)


async def test_with_the_site_taken_out_of_the_text_only_row_security_keeps_them(
    database: RecordingDatabase, open_database: RecordingDatabase, sent: list[SentStatement], site_id: UUID
) -> None:
    everywhere = {
        statement.text.replace(SITE_CONDITION, ANY_SITE): statement.arguments
        for statement in sent
        if SITE_CONDITION in statement.text
    }
    assert len(everywhere) == 1
    [(text, arguments)] = everywhere.items()
    owner = uuid4()
    for each, is_guarded in ((database, True), (open_database, False)):
        await store(each, owner, RECORDS)
        deleted = await each.fetch_rows(text, arguments, site_id)
        assert len([row for row in deleted if row[0] is not None]) == (0 if is_guarded else len(RECORDS))
        assert len(await fetch_all(each, owner)) == (len(RECORDS) if is_guarded else 0)
