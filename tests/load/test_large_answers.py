"""Operations within the limits that would write very much: the loop stays free, and what is too large is not built."""

import asyncio
import gc
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.engine import pieces
from app.engine.pieces import MAX_BYTES
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

# A session's id as long as it may be, of characters that take six bytes each as JSON.
LONG = "\x01" * 249
ALIASES = " ".join(f"a{number}: sessionId" for number in range(18))
NODES = f"nodes {{ id {ALIASES} }}"
LARGE = f"{{ attendances(first: 99) {{ nodes {{ session {{ attendances(first: 99) {{ {NODES} }} }} }} }} }}"
LONG_ALIASES = LARGE.replace("a1", "a" * 900)
ENTITIES = (
    "query($of: [_Any!]!) { _entities(representations: $of) { ... on Session { id attendances(first: 99) "
    f"{{ {NODES} }} }} }} }}"
)
ONE_ID = (
    "query($of: [_Any!]!) { _entities(representations: $of) { ... on Booking { attendances(first: 100) "
    "{ nodes { id sessionId numberOfAttendees bookingId createdAt updatedAt status } } } } }"
)
MUTATION = (
    "mutation($input: [AttendanceInput!]!) { bulkSetAttendance(input: $input) { results { attendance { id session "
    f"{{ attendances(first: 98) {{ {NODES} }} }} }} }} }} }}"
)
FEW_OR_MANY = "{ attendances(first: 100) { nodes { session { attendances(first: 50) { nodes { id sessionId } } } } } }"
MOST_SECONDS_OF_A_TURN = 0.05
TRIES = 10
MOST_MEGABYTES = 80.0


@pytest.fixture
async def site(database: RecordingDatabase, site_id: UUID) -> UUID:
    """A hundred records of one session with the longest id."""
    await store(database, site_id, [Record(session_id=LONG + str(number // 100)) for number in range(100)])
    return site_id


@asynccontextmanager
async def watching_loop() -> AsyncIterator[list[float]]:
    """The longest turns of the event loop inside the block, in seconds of CPU time."""
    turns: list[float] = []

    async def watch() -> None:
        while True:
            begin = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - begin)

    watcher = asyncio.create_task(watch())
    await asyncio.sleep(0)
    try:
        yield turns
    finally:
        watcher.cancel()


@pytest.mark.parametrize("query", [LARGE, LONG_ALIASES, ENTITIES])
@pytest.mark.usefixtures("site")
async def test_what_is_too_large_is_refused_before_it_is_built(client: GraphQLClient, query: str) -> None:
    variables = {"of": [{"__typename": "Session", "id": LONG + "0"}] * 100} if query is ENTITIES else {}
    await client.run(query, **variables)
    gc.collect()
    tracemalloc.start()
    answer = await client.run(query, **variables)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    (error,) = answer["errors"]
    assert answer["data"] is None
    assert error["extensions"]["code"] == "OPERATION_TOO_COMPLEX"
    assert error["message"].startswith(f"The response has more than {MAX_BYTES:,} bytes")
    assert most / 1e6 < MOST_MEGABYTES


async def test_what_is_written_at_once_has_the_same_bound(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID
) -> None:
    bookings = [uuid4() for _ in range(100)]
    records = [Record(booking, LONG[:-3] + f"{number:03}") for booking in bookings for number in range(100)]
    await store(database, site_id, records)
    variables = {"of": [{"__typename": "Booking", "id": str(booking)} for booking in bookings]}
    error = await client.error(ONE_ID, **variables)
    assert error["extensions"]["code"] == "OPERATION_TOO_COMPLEX"
    assert error["path"] == ["_entities"]


async def test_a_mutation_whose_answer_is_too_large_says_that_it_is_stored(client: GraphQLClient) -> None:
    items = [{"bookingId": str(uuid4()), "sessionId": LONG + "0", "status": "ATTENDED"} for _ in range(100)]
    error = await client.error(MUTATION, input=items)
    assert error["extensions"]["code"] == "OPERATION_TOO_COMPLEX"
    assert error["message"].endswith("What a mutation has written is stored.")
    assert (await client.data("{ attendances { totalCount } }"))["attendances"]["totalCount"] == 100


@pytest.mark.parametrize("session", ["s", "x" * 60])
async def test_a_large_answer_leaves_the_loop_to_others(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID, session: str
) -> None:
    await store(database, site_id, [Record(session_id=session) for _ in range(100)])
    await client.run(LARGE)
    gc.collect()
    longest = []
    while not longest or (min(longest) >= MOST_SECONDS_OF_A_TURN and len(longest) < TRIES):
        async with watching_loop() as turns:
            answer = await client.post(LARGE)
        longest.append(max(turns))
    assert min(longest) < MOST_SECONDS_OF_A_TURN
    assert len(answer.content) > 2_000_000
    nodes = answer.json()["data"]["attendances"]["nodes"]
    assert [len(node["session"]["attendances"]["nodes"]) for node in nodes] == [99] * 99
    assert nodes[98]["session"]["attendances"]["nodes"][98]["a17"] == session


@pytest.mark.parametrize("sessions", [1, 100])
async def test_only_many_records_are_written_in_pieces(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID, monkeypatch: pytest.MonkeyPatch, sessions: int
) -> None:
    await store(database, site_id, [Record(uuid4(), f"session {number % sessions}") for number in range(100)])
    written = []

    async def write_roots(self: Any, *given: Any, **options: Any) -> Any:
        written.append(given)
        return await write_in_pieces(self, *given, **options)

    write_in_pieces = pieces.PieceWriter.write_roots
    monkeypatch.setattr(pieces.PieceWriter, "write_roots", write_roots)
    answer = await client.data(FEW_OR_MANY)
    assert len(answer["attendances"]["nodes"]) == 100
    assert len(written) == (sessions == 1)
