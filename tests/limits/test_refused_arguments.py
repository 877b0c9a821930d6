"""Arguments that are refused, below many records: they cost what one refusal costs, and nothing is left running."""

import asyncio
import gc
from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest

from app.engine.failures import MOST_ERRORS
from tests.support.cpu import Comparison
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

MOST_TIMES = 4
CLEARING_SECONDS = 1.5
GUID = '"01890a5d-ac96-774b-bcce-b302099a8057" '
BELOW = {
    "sizes": " ".join(f"a{n}: attendances(first: -{n + 1}) {{ totalCount }}" for n in range(29)),
    "lists": f"attendances(filter: {{id: {{in: [{'1 ' * 900}]}}}}) {{ totalCount }}",
    "malformed items": f"attendances(filter: {{id: {{in: [{GUID * 99} 1]}}}}) {{ totalCount }}",
    "cursors": 'attendances(after: "x") { totalCount }',
    "long lists of variables": "attendances(filter: {id: {in: $ids}}) { totalCount }",
}
MALFORMED = [{"__typename": "Booking", "id": "x"}] * 1000


@pytest.fixture
async def crowded(database: RecordingDatabase, site_id: UUID) -> None:
    await store(database, site_id, [Record(session_id=f"session {n}") for n in range(100)])


@pytest.mark.usefixtures("crowded")
@pytest.mark.parametrize("name", BELOW)
async def test_a_refused_argument_below_a_hundred_records_costs_little_more_than_below_one(
    client: GraphQLClient, name: str
) -> None:
    variables = {"ids": ["x"] * 4900} if "$ids" in BELOW[name] else {}
    head = "query($ids: [ID!]!) " if variables else ""

    async def run(size: int) -> None:
        query = f"{head}{{ attendances(first: {size}) {{ nodes {{ booking {{ {BELOW[name]} }} }} }} }}"
        answer = await client.run(query, **variables)
        assert [error["extensions"]["code"] for error in answer["errors"]] in (["BAD_USER_INPUT"], ["CURSOR_INVALID"])
        assert answer["data"] is None

    costs = Comparison(MOST_TIMES)
    while costs.undecided():
        with costs.reference():
            await run(1)
        with costs.work():
            await run(100)
    assert costs.ratio < MOST_TIMES


@pytest.fixture
def spared() -> Iterator[None]:
    """Without the garbage collector, which would look through all that the tests before have left, again and again."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("spared")
@pytest.mark.parametrize("argument", ["first: -1", 'after: "x"', 'filter: {id: {eq: "x"}}'])
async def test_an_argument_that_is_refused_for_a_thousand_entities_costs_little_more_than_their_errors(
    client: GraphQLClient, argument: str
) -> None:
    keys = [{"__typename": "Booking", "id": str(uuid4())} for _ in range(1000)]
    query = f"""query($of: [_Any!]!) {{
      _entities(representations: $of) {{ __typename ... on Booking {{ attendances({argument}) {{ totalCount }} }} }}
    }}"""

    async def run(representations: list[dict[str, str]]) -> None:
        answer = await client.run(query, of=representations)
        assert [error["path"][:2] for error in answer["errors"]] == [["_entities", n] for n in range(1000)]
        messages = [error["message"] for error in answer["errors"]]
        assert len({each.replace(f".{n}.", ".n.") for n, each in enumerate(messages)}) == 1
        assert answer["data"] == {"_entities": [None] * 1000}

    costs = Comparison(MOST_TIMES)
    while costs.undecided():
        with costs.reference():
            await run(MALFORMED)
        with costs.work():
            await run(keys)
    assert costs.ratio < MOST_TIMES


async def test_a_read_beside_a_refused_argument_is_stopped(client: GraphQLClient, database: RecordingDatabase) -> None:
    async with database.connection(uuid4()) as connection, connection.transaction():
        await connection.execute("LOCK TABLE attendance IN ACCESS EXCLUSIVE MODE")
        error = await client.error("{ fine: attendances { nodes { id } } bad: attendances(first: -1) { totalCount } }")
        await asyncio.sleep(CLEARING_SECONDS)
        counts = database.counts
        assert counts.size - counts.idle == 1
    assert error["path"] == ["bad"]


async def test_more_errors_than_a_thousand_end_the_operation(client: GraphQLClient) -> None:
    fields = " ".join(f"a{n}: _entities(representations: $of) {{ __typename }}" for n in range(10))
    answer = await client.run(f"query($of: [_Any!]!) {{ {fields} }}", of=MALFORMED)
    assert len(answer["errors"]) == MOST_ERRORS + 1
    assert answer["data"] is None
    assert answer["errors"][-1]["extensions"]["code"] == "OPERATION_TOO_COMPLEX"
    assert {error["extensions"]["code"] for error in answer["errors"][:-1]} == {"BAD_USER_INPUT"}


async def test_what_a_failed_item_was_to_read_is_read_for_the_others(client: GraphQLClient) -> None:
    fine = "fine: attendances { totalCount }"
    query = f"""query($of: [_Any!]!) {{
      failing: _entities(representations: $of) {{
        ... on Booking {{ {fine} bad: attendances(first: -1) {{ totalCount }} }}
      }}
      others: _entities(representations: $of) {{ ... on Booking {{ {fine} }} }}
    }}"""
    async with asyncio.timeout(5):
        answer = await client.run(query, of=[{"__typename": "Booking", "id": str(uuid4())}])
    assert answer["data"] == {"failing": [None], "others": [{"fine": {"totalCount": 0}}]}
    assert [error["path"] for error in answer["errors"]] == [["failing", 0, "bad"]]


@pytest.mark.parametrize("turn", [0, 1, 2])
async def test_what_is_said_of_one_booking_s_cursors_is_not_said_of_another_s(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID, turn: int
) -> None:
    records = [Record() for _ in range(3)]
    await store(database, site_id, records)
    bookings = [str(record.booking_id) for record in records]
    query = """query($of: [_Any!]!, $after: String, $before: String) {
      _entities(representations: $of) {
        ... on Booking { attendances(after: $after, before: $before) { pageInfo { endCursor } } }
      }
    }"""
    own = await client.run(query, of=[{"__typename": "Booking", "id": bookings[0]}])
    cursor = own["data"]["_entities"][0]["attendances"]["pageInfo"]["endCursor"]
    turned = [*bookings[turn:], *bookings[:turn]]
    keys = [{"__typename": "Booking", "id": each} for each in turned]
    answer = await client.run(query, of=keys, after=cursor, before="x")
    said = {turned[error["path"][1]]: error["extensions"] for error in answer["errors"]}
    assert said == {
        bookings[0]: {"code": "CURSOR_INVALID", "argument": "before"},
        bookings[1]: {"code": "CURSOR_MISMATCH", "argument": "after"},
        bookings[2]: {"code": "CURSOR_MISMATCH", "argument": "after"},
    }
