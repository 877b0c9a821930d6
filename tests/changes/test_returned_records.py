"""Records that were deleted, and are imported again with their ids for another booking or session."""

from datetime import UTC, datetime
from random import Random
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.attendance import watching
from app.attendance.transfer.site import store_rows
from app.database.transfer import ImportRow
from tests.changes.test_streams import next_event, other_process
from tests.support.changes import Site, list_kinds
from tests.support.service import RecordingDatabase

HERE, THERE = UUID(int=1), UUID(int=2)


@pytest.fixture
def database(writing_database: RecordingDatabase) -> RecordingDatabase:
    return writing_database


async def store(site: Site, record: str, booking: UUID, session: str) -> None:
    now = datetime.now(UTC)
    row = ImportRow(record, str(booking), session, "ATTENDED", 1, now, now)
    await store_rows(site.service.database, site.site_id, [row])


def by_booking(booking: UUID) -> dict[str, str]:
    return {"bookingId": str(booking)}


async def test_who_follows_the_booking_that_a_record_has_left_sees_its_deletion(site: Site) -> None:
    (record,) = await site.set("session", booking=HERE)
    perspectives = [None, by_booking(HERE), by_booking(THERE), {"sessionId": "session"}]
    cursors = [(await site.changes(perspective=each))["cursor"] for each in perspectives]
    await site.delete(record)
    await store(site, record, THERE, "session")
    for perspective, cursor in zip(perspectives, cursors, strict=True):
        kind = "DELETED" if perspective == by_booking(HERE) else "SET"
        changes = (await site.changes(cursor, perspective=perspective))["changes"]
        assert list_kinds(changes) == [(record, kind)], perspective


async def test_a_stream_of_the_booking_that_a_record_has_left_is_woken(
    site: Site, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The watch sees the deletion and the import at once."""
    monkeypatch.setattr(watching, "POLL_SECONDS", 3600)
    (record,) = await site.set("session", booking=HERE)
    stream = await site.stream(perspective=by_booking(HERE))
    assert (await next_event(stream))["changes"] == []
    async with other_process(site, database_url) as other:
        await other.delete(record)
        await store(other, record, THERE, "session")
    site.service.streams.wake(site.site_id)
    assert list_kinds((await next_event(stream))["changes"]) == [(record, "DELETED")]


async def test_who_follows_either_booking_sees_the_second_deletion(site: Site) -> None:
    (record,) = await site.set("session", booking=HERE)
    perspectives = [None, by_booking(HERE), by_booking(THERE), {"sessionId": "session"}]
    cursors = [(await site.changes(perspective=each))["cursor"] for each in perspectives]
    stream = await site.stream(perspective=by_booking(HERE))
    assert (await next_event(stream))["changes"] == []
    await site.delete(record)
    assert list_kinds((await next_event(stream))["changes"]) == [(record, "DELETED")]
    await store(site, record, THERE, "session")
    await site.delete(record)
    for perspective, cursor in zip(perspectives, cursors, strict=True):
        changes = (await site.changes(cursor, perspective=perspective))["changes"]
        assert list_kinds(changes) == [(record, "DELETED")], perspective
    assert list_kinds((await next_event(stream))["changes"]) == [(record, "DELETED")]


class Copy:
    """What a follower of a perspective knows, by its cursor."""

    def __init__(self, perspective: dict[str, str] | None) -> None:
        self.perspective = perspective
        self.cursor: str | None = None
        self.records: dict[str, Any] = {}

    async def follow(self, site: Site, first: int) -> None:
        """Read all changes."""
        while True:
            batch = await site.changes(self.cursor, perspective=self.perspective, first=first)
            ids = [change["attendanceId"] for change in batch["changes"]]
            assert len(set(ids)) == len(ids), "each record stands once"
            for change in batch["changes"]:
                self.records.pop(change["attendanceId"], None)
                if change["kind"] == "SET":
                    self.records[change["attendanceId"]] = change["attendance"]
            self.cursor = batch["cursor"]
            if not batch["hasMore"]:
                return

    def expect(self, keys: dict[str, tuple[UUID, str]]) -> dict[str, tuple[str, str]]:
        wanted = (self.perspective or {}).items()
        found = {id_: {"bookingId": str(booking), "sessionId": session} for id_, (booking, session) in keys.items()}
        return {id_: (key["bookingId"], key["sessionId"]) for id_, key in found.items() if wanted <= key.items()}


@pytest.mark.parametrize("seed", range(5))
async def test_each_perspective_is_followed_exactly_while_records_come_and_go(site: Site, seed: int) -> None:
    chance, ids = Random(seed), [str(uuid4()) for _ in range(3)]
    places = [(booking, session) for booking in (HERE, THERE) for session in ("a", "b")]
    perspectives = [None, by_booking(HERE), by_booking(THERE), {"sessionId": "a"}, {"sessionId": "b"}]
    copies, keys = [Copy(each) for each in perspectives * 2], dict[str, tuple[UUID, str]]()
    for _ in range(60):
        record = chance.choice(ids)
        if record in keys:
            await site.delete(record)
            del keys[record]
        elif free := [place for place in places if place not in keys.values()]:
            keys[record] = chance.choice(free)
            await store(site, record, *keys[record])
        for copy in chance.sample(copies, 3):
            await copy.follow(site, chance.randint(1, 4))
            known = {id_: (each["bookingId"], each["sessionId"]) for id_, each in copy.records.items()}
            assert known == copy.expect(keys), copy.perspective
