"""Revisions: which of them a write takes, what it notes of deletions, and when it forgets them."""

from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from app.attendance.statistics import QueryStatistics
from app.attendance.transfer.site import erase_site, store_rows, try_rows
from app.attendance.writing import AttendanceWriter
from app.database import sites
from app.database.sites import FIRST_KEY, erase_batch, restart_followers
from app.database.transfer import ImportRow
from app.errors import AttendanceNotFound
from app.plan.properties import Property
from app.plan.write import DeletePlan, plan_bulk_delete, plan_bulk_set, plan_set
from tests.support.mutations import make_input
from tests.support.revisions import read_counter, read_deletions, read_records
from tests.support.service import Record, RecordingDatabase, store

COLUMNS = (Property.ID, Property.BOOKING_ID, Property.SESSION_ID)


class Site:
    """The writer of a site, and what is stored of its revisions."""

    def __init__(self, database: RecordingDatabase, site_id: UUID, *, kept: timedelta = timedelta(days=30)) -> None:
        self.database, self.id = database, site_id
        self.writer = AttendanceWriter(database, site_id, QueryStatistics(), deletions_kept=kept)

    async def set(self, **changes: object) -> UUID:
        result = await self.writer.write(plan_set(make_input(**changes), "input"), COLUMNS)
        assert result.items[0].row is not None
        return UUID(result.items[0].row[0])

    async def set_many(self, items: Sequence[dict[str, object]]) -> list[UUID]:
        result = await self.writer.write(plan_bulk_set(items, "input"), COLUMNS)
        return [UUID(item.row[0]) for item in result.items if item.row is not None]

    async def delete(self, *ids: UUID) -> int:
        result = await self.writer.write(plan_bulk_delete([str(each) for each in ids], "ids"), ())
        return result.successes

    async def store(self, *rows: ImportRow) -> None:
        await store_rows(self.database, self.id, rows)

    async def revision(self) -> int:
        return (await read_counter(self.database, self.id))[0]

    async def revisions(self) -> dict[UUID, int]:
        return {id_: row["revision"] for id_, row in (await read_records(self.database, self.id)).items()}

    async def deletions(self) -> dict[UUID, int]:
        return {id_: row["revision"] for id_, row in (await read_deletions(self.database, self.id)).items()}


def make_row(**changes: object) -> ImportRow:
    row = ImportRow(str(uuid4()), str(uuid4()), "session", "ATTENDED", 1, None, None)
    return row._replace(**changes)  # type: ignore[arg-type]


@pytest.fixture
def database(writing_database: RecordingDatabase) -> RecordingDatabase:
    return writing_database


@pytest.fixture
def site(database: RecordingDatabase, site_id: UUID) -> Site:
    return Site(database, site_id)


async def test_each_write_takes_the_next_revision_of_its_site(site: Site) -> None:
    assert await site.revision() == 0
    one = await site.set()
    two, three = await site.set_many([make_input(), make_input()])
    await site.store(row := make_row())
    assert await site.revisions() == {one: 1, two: 2, three: 2, UUID(row.id): 3}
    await site.delete(two, three)
    assert await site.revisions() == {one: 1, UUID(row.id): 3}
    assert await site.deletions() == {two: 4, three: 4}
    assert await site.revision() == 4


async def test_a_record_that_changes_moves_to_the_new_revision(site: Site) -> None:
    item = make_input(status="NOT_SET", numberOfAttendees=1)
    id_ = await site.set(**item)
    for number, change in enumerate(({"status": "ATTENDED"}, {"numberOfAttendees": 3}, {"status": "NOT_SET"}), 2):
        item |= change
        assert await site.set(**item) == id_
        assert await site.revisions() == {id_: number}


async def test_a_set_that_changes_nothing_takes_no_new_revision(site: Site) -> None:
    same, changed = make_input(), make_input()
    ids = await site.set_many([same, changed])
    await site.set(**same)
    await site.set(**{**same, "numberOfAttendees": None})
    await site.set_many([same, {**same, "bookingId": changed["bookingId"], "status": "NOT_ATTENDED"}])
    row = ImportRow(None, same["bookingId"], same["sessionId"], same["status"], None, None, None)
    await site.store(row, row._replace(number_of_attendees=2))
    assert await site.revisions() == {ids[0]: 1, ids[1]: 4}
    assert await site.deletions() == {}


async def test_deleting_what_is_not_there_notes_nothing(site: Site) -> None:
    id_ = await site.set()
    assert await site.delete(id_, uuid4()) == 1
    assert await site.delete(id_) == 0
    with pytest.raises(AttendanceNotFound):
        await site.writer.write(DeletePlan([str(id_)]), ())
    assert await site.deletions() == {id_: 2}


async def test_a_deletion_has_the_key_of_its_record_and_its_time(site: Site) -> None:
    item = make_input(sessionId="é")
    id_ = await site.set(**item)
    before = datetime.now(UTC)
    await site.delete(id_)
    deletion = (await read_deletions(site.database, site.id))[id_]
    assert (str(deletion["booking_id"]), deletion["session_id"]) == (item["bookingId"], "é")
    assert before <= deletion["deleted_at"] <= datetime.now(UTC)


async def test_a_record_that_is_set_again_after_its_deletion_is_another_one(site: Site) -> None:
    item = make_input()
    first = await site.set(**item)
    await site.delete(first)
    second = await site.set(**item)
    assert (await site.revisions(), await site.deletions()) == ({second: 3}, {first: 2})


async def test_a_record_that_is_imported_again_with_its_old_id_is_no_longer_deleted(site: Site) -> None:
    row, other = make_row(), make_row()
    await site.store(row, other)
    await site.delete(UUID(row.id), UUID(other.id))
    await site.store(row)
    assert (await site.revisions(), await site.deletions()) == ({UUID(row.id): 3}, {UUID(other.id): 2})
    await site.delete(UUID(row.id))
    assert (await site.revisions(), await site.deletions()) == ({}, {UUID(row.id): 4, UUID(other.id): 2})


async def test_an_id_that_an_import_names_and_does_not_store_stays_deleted(site: Site) -> None:
    row = make_row()
    await site.store(row)
    await site.delete(UUID(row.id))
    stored = await site.set(bookingId=row.booking_id, sessionId=row.session_id)
    new = make_row()
    await site.store(row._replace(status="NOT_SET"), new)
    assert await site.revisions() == {stored: 4, UUID(new.id): 4}
    assert await site.deletions() == {UUID(row.id): 2}


async def test_a_trial_import_takes_no_revision(site: Site) -> None:
    await site.set()
    await try_rows(site.database, site.id, [make_row()])
    assert await site.revision() == 1


async def test_sites_count_for_themselves(site: Site) -> None:
    other = Site(site.database, uuid4())
    for _ in range(3):
        await site.set()
    await other.set()
    assert (await site.revision(), await other.revision()) == (3, 1)


async def test_records_from_before_the_counter_have_revision_0_and_move_when_they_change(
    site: Site, database: RecordingDatabase
) -> None:
    text = """
    INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
    VALUES ($1, $2, $2, 'session', 'ATTENDED', 2), ($1, $3, $3, 'session', 'ATTENDED', 2)
    """
    one, two = uuid4(), uuid4()
    await database.fetch_rows(text, [site.id, one, two], site.id)
    assert (await site.revisions(), await site.revision()) == ({one: 0, two: 0}, 0)
    await site.set(bookingId=str(one))
    await site.set(bookingId=str(two), status="NOT_SET")
    assert await site.revisions() == {one: 0, two: 2}
    await site.delete(one)
    assert await site.deletions() == {one: 3}


async def test_deletes_prune_old_deletions_a_few_at_a_time_and_mark_through_which_revision(
    database: RecordingDatabase, site_id: UUID
) -> None:
    old, new = Site(database, site_id), Site(database, site_id, kept=timedelta(0))
    ids = await old.set_many([make_input() for _ in range(100)])
    for _ in range(4):
        ids += await old.set_many([make_input() for _ in range(100)])
    for start in range(0, 400, 100):
        await old.delete(*ids[start : start + 100])
    assert len(await old.deletions()) == 400
    assert (await read_counter(database, site_id)) == (9, 0)

    counts, marks = [], []
    for id_ in ids[400:404]:
        await new.delete(id_)
        deletions = await new.deletions()
        mark = (await read_counter(database, site_id))[1]
        assert not deletions or mark <= min(deletions.values())
        counts.append(len(deletions))
        marks.append(mark)
    assert counts == [201, 2, 1, 1]
    assert marks == [7, 9, 11, 12]


async def test_deletions_that_are_not_old_enough_stay(database: RecordingDatabase, site_id: UUID) -> None:
    site = Site(database, site_id, kept=timedelta(days=2))
    ids = await site.set_many([make_input() for _ in range(4)])
    for id_ in ids[:3]:
        await site.delete(id_)
    age = "UPDATE attendance_deletion SET deleted_at = $2 WHERE site_id = $1 AND id = $3"
    for days, id_ in ((3, ids[0]), (1, ids[1])):
        await database.fetch_rows(age, [site_id, datetime.now(UTC) - timedelta(days=days), id_], site_id)
    await site.delete(ids[3])
    assert await site.deletions() == {ids[1]: 3, ids[2]: 4, ids[3]: 5}
    assert await read_counter(database, site_id) == (5, 2)


async def test_an_erased_site_keeps_nothing_but_a_counter_that_lets_followers_begin_again(site: Site) -> None:
    ids = await site.set_many([make_input() for _ in range(30)])
    await site.delete(*ids[:10])
    revision = await site.revision()
    assert await erase_site(site.database, site.id) == 20
    assert (await site.revisions(), await site.deletions()) == ({}, {})
    after, mark = await read_counter(site.database, site.id)
    assert after == mark > revision
    await site.set()
    assert list((await site.revisions()).values()) == [after + 1]
    assert await read_counter(site.database, site.id) == (after + 1, mark)


async def test_an_erasure_that_was_interrupted_is_finished_by_the_next(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sites, "ERASED_AT_ONCE", 7)
    ids = await site.set_many([make_input() for _ in range(20)])
    await site.delete(*ids[:10])
    revision = await site.revision()
    async with site.database.connection(site.id) as connection:
        batch = await erase_batch(connection, site.id, FIRST_KEY, distributed=site.database.is_distributed)
    assert batch.records == 7
    assert (len(await site.revisions()), len(await site.deletions())) == (3, 3)
    assert await read_counter(site.database, site.id) == (revision + 1, revision + 1)
    assert await erase_site(site.database, site.id) == 3
    assert (await site.revisions(), await site.deletions()) == ({}, {})


@pytest.fixture
async def own_site(own_database: RecordingDatabase, site_id: UUID) -> AsyncIterator[Site]:
    """A site in a database of the test's own."""
    await own_database.open()
    yield Site(own_database, site_id)
    await own_database.close()


@pytest.mark.one_server
async def test_followers_of_all_sites_are_restarted_by_a_jump_beyond_what_they_know(
    own_site: Site, own_url: str
) -> None:
    silent = uuid4()
    await store(own_site.database, silent, [Record()])
    await own_site.delete(await own_site.set())
    assert await restart_followers(own_url) == 2
    for each, before in ((own_site.id, 2), (silent, 0)):
        assert await read_counter(own_site.database, each) == (before + 2**32, before + 2**32)
    id_ = await own_site.set()
    assert await own_site.revisions() == {id_: 2**32 + 3}
    await own_site.delete(id_)
    assert await own_site.deletions() == {id_: 2**32 + 4}
