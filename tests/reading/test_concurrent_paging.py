"""A walk through pages while others write: what nobody touched is seen once, in its place."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.reading.test_walks import WALK
from tests.support.oracle import SORT_KEYS, Query, find_matching
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")
UNTOUCHED = 24
MOST_OTHERS = 20
MOST_CHANGES = 150
WRITERS = 3
SECONDS = 3.0
# Each writer makes so many changes also where they take longer, because a replica has to get them.
LEAST_CHANGES = 100
SIZES = range(1, 8)
QUERIES = {
    **{order: Query(None, None, [order]) for order in SORT_KEYS},
    "statuses": Query(None, {"status": {"ne": "NOT_SET"}}, []),
    "numbers": Query(None, {"numberOfAttendees": {"gt": 0}}, []),
}
INSERT = """
INSERT INTO attendance (site_id, id, booking_id, session_id, status, number_of_attendees)
VALUES ($1, $2, $3, $4, $5, $6)
"""
UPDATE = """
UPDATE attendance SET booking_id = $3, session_id = $4, status = $5, number_of_attendees = $6
WHERE site_id = $1 AND id = $2
"""
DELETE = "DELETE FROM attendance WHERE site_id = $1 AND id = $2"

Pause = Callable[[], Awaitable[None]]


class Writer:
    """Inserts, moves and deletes records of its own anywhere in the orders; each change is committed at once."""

    def __init__(self, database: RecordingDatabase, site_id: UUID, seed: int) -> None:
        self.database = database
        self.site_id = site_id
        self.chance = random.Random(seed)
        self.ids: list[UUID] = []
        self.changes = 0

    async def change_something(self) -> None:
        self.changes += 1
        chooses_new = not self.ids or (len(self.ids) < MOST_OTHERS and self.chance.random() < 0.4)
        if chooses_new:
            self.ids.append(self.draw_guid())
            await self.send(INSERT, self.ids[-1], *self.draw_values())
        elif self.chance.random() < 0.5:
            await self.send(UPDATE, self.chance.choice(self.ids), *self.draw_values())
        else:
            await self.send(DELETE, self.ids.pop(self.chance.randrange(len(self.ids))))

    def draw_guid(self) -> UUID:
        return UUID(int=self.chance.getrandbits(128))

    def draw_values(self) -> tuple[object, ...]:
        return (self.draw_guid(), *draw_ties(self.chance))

    async def send(self, text: str, *arguments: object) -> None:
        async with self.database.connection(self.site_id) as connection:
            await connection.execute(text, self.site_id, *arguments)


def draw_ties(chance: random.Random) -> tuple[str, str, int]:
    """A session, a status and a number that many records share."""
    return chance.choice("abc"), chance.choice(STATUSES), chance.choice((0, 1, 1, 2))


async def walk(client: GraphQLClient, query: Query, size: int, *, forward: bool, between: Pause) -> list[str]:
    """The ids that a walk sees, in the asked order."""
    ids: list[str] = []
    arguments: dict[str, Any] = {"first": size} if forward else {"last": size}
    while True:
        connection = (await client.data(WALK, **query.variables, **arguments))["attendances"]
        page, info = [node["id"] for node in connection["nodes"]], connection["pageInfo"]
        ids = ids + page if forward else page + ids
        if not info["hasNextPage" if forward else "hasPreviousPage"]:
            return ids
        assert len(page) == size
        arguments |= {"after": info["endCursor"]} if forward else {"before": info["startCursor"]}
        await between()


@pytest.fixture
async def untouched(database: RecordingDatabase, site_id: UUID) -> list[Record]:
    """Records that nobody writes to, with ties in every order."""
    chance = random.Random(1)
    records = [Record(uuid4(), *draw_ties(chance)) for _ in range(UNTOUCHED)]
    await store(database, site_id, records)
    return records


def assert_seen_once(ids: list[str], untouched: list[Record], query: Query) -> None:
    expected = [str(record.id) for record in find_matching(untouched, query)]
    kept = set(expected)
    assert [one for one in ids if one in kept] == expected, query


@pytest.mark.parametrize("forward", [True, False], ids=["forward", "backward"])
@pytest.mark.parametrize("name", QUERIES)
async def test_changes_between_pages_neither_hide_nor_repeat_what_they_do_not_touch(
    database: RecordingDatabase,
    client: GraphQLClient,
    site_id: UUID,
    untouched: list[Record],
    name: str,
    *,
    forward: bool,
) -> None:
    query = QUERIES[name]
    for size in SIZES:
        writer = Writer(database, site_id, seed=size)

        async def write(writer: Writer = writer) -> None:
            for _ in range(3 if writer.changes < MOST_CHANGES else 0):
                await writer.change_something()

        await write()
        ids = await walk(client, query, size, forward=forward, between=write)
        assert writer.changes >= MOST_CHANGES // SIZES.stop
        assert_seen_once(ids, untouched, query)


async def test_writers_at_the_same_time_neither_hide_nor_repeat_what_they_do_not_touch(
    database: RecordingDatabase, client: GraphQLClient, site_id: UUID, untouched: list[Record]
) -> None:
    writers = [Writer(database, site_id, seed) for seed in range(WRITERS)]
    end = time.monotonic() + SECONDS

    def goes_on() -> bool:
        return time.monotonic() < end or min(writer.changes for writer in writers) < LEAST_CHANGES

    async def write(writer: Writer) -> None:
        while goes_on():
            await writer.change_something()

    async def read() -> int:
        chance, walks = random.Random(0), 0
        while goes_on():
            query, forward = chance.choice(list(QUERIES.values())), chance.random() < 0.5
            ids = await walk(client, query, chance.choice(SIZES), forward=forward, between=lambda: asyncio.sleep(0))
            assert_seen_once(ids, untouched, query)
            walks += 1
        return walks

    async with asyncio.TaskGroup() as group:
        reader = group.create_task(read())
        for writer in writers:
            group.create_task(write(writer))
    assert reader.result() >= 5
