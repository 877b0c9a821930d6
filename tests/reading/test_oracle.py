"""Pages equal those of a brute-force model, for every perspective, filter, order and page argument."""

import random
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.oracle import SORT_KEYS, VALUES, Query, Window, add_up, cut_page, find_matching
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

CASES = 3000
SITES = 12
STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")
SESSIONS = ("a", "B", "a/b", "é", "zz:-:/", 'quote"\\', "\u2028", "😀")
ARGUMENTS = "$perspective: AttendancePerspective, $filter: AttendanceFilter, $orderBy: [AttendanceOrder!]!"
QUERY_ARGUMENTS = "perspective: $perspective, filter: $filter, orderBy: $orderBy"
ALL_CURSORS = f"query({ARGUMENTS}) {{ attendances({QUERY_ARGUMENTS}, first: 100) {{ edges {{ cursor }} }} }}"
PAGE = f"""
query({ARGUMENTS}, $first: Int, $after: String, $last: Int, $before: String) {{
  attendances({QUERY_ARGUMENTS}, first: $first, after: $after, last: $last, before: $before) {{
    edges {{ cursor node {{ id bookingId sessionId status numberOfAttendees booking {{ id }} session {{ id }} }} }}
    nodes {{ id }}
    pageInfo {{ hasNextPage hasPreviousPage startCursor endCursor }}
    totalCount
    summary {{ total attended notAttended notSet numberOfAttendees attendanceRate }}
  }}
}}
"""


def make_records(seed: int) -> list[Record]:
    """Up to 60 records of few bookings, sessions, statuses and numbers."""
    chance = random.Random(seed)
    bookings = [UUID(int=chance.getrandbits(128)) for _ in range(1 + seed)]
    keys = [(booking, session) for booking in bookings for session in SESSIONS]
    chosen = chance.sample(keys, min(len(keys), seed * 5))
    return [
        Record(booking, session, chance.choice(STATUSES), chance.choice((0, 1, 1, 2, 30_000_000)), uuid4())
        for booking, session in chosen
    ]


@pytest.fixture(scope="module")
async def sites(database: RecordingDatabase) -> list[tuple[UUID, list[Record]]]:
    """Sites of different sizes, one of them empty."""
    made = [(uuid4(), make_records(seed)) for seed in range(SITES)]
    for site_id, records in made:
        await store(database, site_id, records)
    return made


def draw_values(records: list[Record], name: str) -> st.SearchStrategy[Any]:
    """Values of a property that occur, and ones that don't."""
    present = sorted({VALUES[name](record) for record in records})
    others: dict[str, list[Any]] = {
        "id": [str(UUID(int=0))],
        "bookingId": [str(UUID(int=2**128 - 1))],
        "sessionId": ["", "none"],
        "status": list(STATUSES),
        "numberOfAttendees": [-1, 3, -(2**31)],
    }
    return st.sampled_from([*present, *others[name]])


@st.composite
def draw_query(draw: st.DrawFn, records: list[Record]) -> Query:
    perspective = None
    if (of := draw(st.sampled_from([None, "bookingId", "sessionId"]))) is not None:
        perspective = {of: draw(draw_values(records, of))}
    condition = None
    if (name := draw(st.sampled_from([None, *VALUES]))) is not None:
        operators = ["eq", "ne", "in", *(["lt", "le", "gt", "ge"] if name == "numberOfAttendees" else [])]
        operator = draw(st.sampled_from(operators))
        values = draw_values(records, name)
        condition = {name: {operator: draw(st.lists(values, max_size=4) if operator == "in" else values)}}
    order_by = draw(st.lists(st.sampled_from(list(SORT_KEYS)), max_size=4, unique_by=lambda key: key.rsplit("_", 1)[0]))
    return Query(perspective, condition, order_by)


@st.composite
def draw_window(draw: st.DrawFn, length: int) -> Window:
    size = st.none() | st.integers(0, 4) | st.sampled_from([0, 50, 100, length])
    position = st.none() if length == 0 else st.none() | st.integers(0, length - 1)
    first, last = draw(size), draw(size)
    if first is not None and last is not None:
        first, last = draw(st.sampled_from([(first, None), (None, last)]))
    return Window(first, draw(position), last, draw(position))


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_every_page_equals_that_of_the_model(
    data: st.DataObject,
    sites: list[tuple[UUID, list[Record]]],
    reader_of: Callable[[UUID], GraphQLClient],
) -> None:
    site_id, records = data.draw(st.sampled_from(sites))
    query = data.draw(draw_query(records))
    matching = find_matching(records, query)
    client = reader_of(site_id)
    edges = (await client.data(ALL_CURSORS, **query.variables))["attendances"]["edges"]
    cursors = [edge["cursor"] for edge in edges]
    assert len(cursors) == len(matching)

    window = data.draw(draw_window(len(matching)))
    page, follows, precedes = cut_page(len(matching), window)
    found = await client.data(
        PAGE,
        **query.variables,
        first=window.first,
        last=window.last,
        after=None if window.after is None else cursors[window.after],
        before=None if window.before is None else cursors[window.before],
    )
    connection = found["attendances"]
    assert connection["edges"] == [{"cursor": cursors[at], "node": write_node(matching[at])} for at in page]
    assert connection["nodes"] == [{"id": str(matching[at].id)} for at in page]
    assert connection["pageInfo"] == {
        "hasNextPage": follows,
        "hasPreviousPage": precedes,
        "startCursor": cursors[page[0]] if page else None,
        "endCursor": cursors[page[-1]] if page else None,
    }
    assert connection["totalCount"] == len(matching)
    assert connection["summary"] == add_up(matching)


def write_node(record: Record) -> dict[str, Any]:
    properties = {name: value(record) for name, value in VALUES.items()}
    return {**properties, "booking": {"id": properties["bookingId"]}, "session": {"id": properties["sessionId"]}}
