"""Many writers of one site at once, and followers of its changes: what they have at the end is what is stored."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg
import pytest

from app.attendance.joined_sets import JoinedSets
from app.attendance.statistics import QueryStatistics
from app.attendance.transfer.site import erase_site, store_rows
from app.attendance.writing import AttendanceWriter
from app.database import transfer
from app.database.transfer import ImportRow
from app.plan.properties import Property
from app.plan.write import plan_bulk_delete, plan_bulk_set, plan_set
from tests.support.revisions import BEFORE_ALL, Follower, Position, read_deletions, read_records
from tests.support.service import RecordingDatabase

SECONDS = 6.0
WRITERS, FOLLOWERS = 8, 4
BOOKINGS = [str(uuid4()) for _ in range(12)]
SESSIONS = ("a", "B", "é", "😀")
STATUSES = ("NOT_SET", "ATTENDED", "NOT_ATTENDED")
WRITE = re.compile(r"INTO|FROM attendance_(set|delete)_1\(")
COLUMNS = (Property.ID, Property.BOOKING_ID, Property.SESSION_ID)


@dataclass(slots=True)
class Writers:
    """Writers of the same few records: sets, bulks, deletes and imports, also of ids that were deleted before.

    They are of two processes, in each of which sets that wait for each other are joined.
    """

    database: RecordingDatabase
    site_id: UUID
    joined_sets: tuple[JoinedSets, JoinedSets] = field(default_factory=lambda: (JoinedSets(), JoinedSets()))
    ids: dict[tuple[str, str], str] = field(default_factory=dict)
    calls: int = 0

    async def write(self, seed: int, until: float) -> None:
        chance = random.Random(seed)
        joined = self.joined_sets[seed % 2]
        writer = AttendanceWriter(self.database, self.site_id, QueryStatistics(), joined_sets=joined)
        while time.monotonic() < until:
            self.calls += 1
            await chance.choice((self.set, self.set, self.bulk_set, self.delete, self.bring))(chance, writer)

    def draw_items(self, chance: random.Random, count: int) -> list[dict[str, object]]:
        keys = chance.sample([(booking, session) for booking in BOOKINGS for session in SESSIONS], count)
        numbers = (None, 0, 1, 2)
        return [
            {
                "bookingId": booking,
                "sessionId": session,
                "status": chance.choice(STATUSES),
                "numberOfAttendees": chance.choice(numbers),
            }
            for booking, session in keys
        ]

    async def set(self, chance: random.Random, writer: AttendanceWriter) -> None:
        result = await writer.write(plan_set(self.draw_items(chance, 1)[0], "input"), COLUMNS)
        self.note(result.items)

    async def bulk_set(self, chance: random.Random, writer: AttendanceWriter) -> None:
        items = self.draw_items(chance, chance.choice((2, 10, 30)))
        self.note((await writer.write(plan_bulk_set(items, "input"), COLUMNS)).items)

    async def delete(self, chance: random.Random, writer: AttendanceWriter) -> None:
        if self.ids:
            ids = chance.sample(sorted(set(self.ids.values())), min(len(self.ids), chance.choice((1, 3, 10))))
            await writer.write(plan_bulk_delete(ids, "ids"), ())

    async def bring(self, chance: random.Random, _: AttendanceWriter) -> None:
        """Import records, some with the id that their key had before."""
        items = self.draw_items(chance, chance.choice((1, 5, 20)))
        rows = [
            ImportRow(
                self.ids.get((item["bookingId"], item["sessionId"])) if chance.random() < 0.7 else None,  # type: ignore[arg-type]
                *item.values(),  # type: ignore[arg-type]
                None,
                None,
            )
            for item in items
        ]
        await store_rows(self.database, self.site_id, rows)

    def note(self, items: object) -> None:
        for item in items:  # type: ignore[attr-defined]
            self.ids[item.row[1], item.row[2]] = item.row[0]


@pytest.fixture
async def wide_database(database_url: str) -> AsyncIterator[RecordingDatabase]:
    """A pool with a connection for each writer and follower."""
    database = RecordingDatabase(database_url, pool_size=WRITERS + FOLLOWERS)
    await database.open()
    yield database
    await database.close()


async def follow(follower: Follower, seed: int, until: float, positions: list[Position]) -> None:
    """Follow with batches of any size, and with pauses; begin anew at random, at a place that was seen before."""
    chance = random.Random(seed)
    while time.monotonic() < until:
        await follower.follow(chance.choice((1, 2, 7, 100)))
        positions.append(follower.position)
        if chance.random() < 0.05:
            await asyncio.sleep(chance.random() / 10)
        if chance.random() < 0.01:
            await follower.take_snapshot()


async def catch_up(follower: Follower) -> None:
    while await follower.follow(100):
        pass


async def test_followers_of_eight_writers_end_with_what_is_stored(
    wide_database: RecordingDatabase, site_id: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "REPEATABLE_ERRORS", (asyncpg.UniqueViolationError,))  # An id taken meanwhile.
    writers = Writers(wide_database, site_id)
    followers = [Follower(wide_database, site_id) for _ in range(FOLLOWERS)]
    positions: list[Position] = []
    until = time.monotonic() + SECONDS
    with wide_database.recording() as sent:
        await asyncio.gather(
            *(writers.write(seed, until) for seed in range(WRITERS)),
            *(follow(follower, seed, until, positions) for seed, follower in enumerate(followers)),
        )
    assert writers.calls > WRITERS * 20
    tries = [each.arguments for each in sent if WRITE.search(each.text)]
    assert len(set(tries)) == len(tries), "writers of one site do not meet deadlocks, so nothing is tried twice"

    records = await read_records(wide_database, site_id)
    stored = {id_: tuple(row)[:5] for id_, row in records.items()}
    deletions = await read_deletions(wide_database, site_id)
    assert records.keys().isdisjoint(deletions), "a record that is there is not deleted"
    late = Follower(wide_database, site_id, BEFORE_ALL)
    for follower in (*followers, late):
        await catch_up(follower)
        assert follower.state == stored
    for position in random.Random(0).sample(positions, 20):
        changes = Follower(wide_database, site_id, position)
        await catch_up(changes)
        assert changes.state == {id_: row for id_, row in stored.items() if (records[id_]["revision"], id_) > position}


async def test_revisions_become_visible_in_their_order_without_gaps(
    wide_database: RecordingDatabase, site_id: UUID
) -> None:
    """Whoever sees a revision sees all records of it, and those of all before it."""
    writer = AttendanceWriter(wide_database, site_id, QueryStatistics())
    until = time.monotonic() + SECONDS / 2

    async def write(number: int) -> None:
        count = 0
        while time.monotonic() < until:
            count += 1
            item = {"bookingId": str(uuid4()), "sessionId": f"{number}", "status": "ATTENDED"}
            await writer.write(plan_set(item, "input"), COLUMNS)

    async def watch() -> int:
        seen: Counter[int] = Counter()
        while time.monotonic() < until:
            records = Counter(row["revision"] for row in (await read_records(wide_database, site_id)).values())
            assert sorted(records) == list(range(1, len(records) + 1))
            assert seen.items() <= records.items()
            seen = records
        return seen.total()

    *_, seen = await asyncio.gather(*(write(number) for number in range(WRITERS)), watch())
    assert seen > WRITERS


async def test_an_erasure_beside_writers_leaves_no_deletion_behind_its_mark(
    wide_database: RecordingDatabase, site_id: UUID
) -> None:
    writers = Writers(wide_database, site_id)
    until = time.monotonic() + SECONDS / 3

    async def erase() -> None:
        while time.monotonic() < until:
            await erase_site(wide_database, site_id)
            await asyncio.sleep(0.05)

    await asyncio.gather(*(writers.write(seed, until) for seed in range(4)), erase(), erase())
    await erase_site(wide_database, site_id)
    assert (await read_records(wide_database, site_id), await read_deletions(wide_database, site_id)) == ({}, {})
