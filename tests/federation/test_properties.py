"""Entities asked for together are what they are when each is asked for on its own, errors included."""

import random
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.entities import write_query
from tests.support.service import READ_SCOPE, GraphQLClient, Record, RecordingDatabase, make_token, store

CASES = 500
STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")
SESSIONS = ("a", "B", "é", 'quote"\\', "😀", "a/b")
NUMBERS = (0, 1, 1, 2, 2**31 - 1)
CURSORS = (
    "query($orderBy: [AttendanceOrder!]!, $of: [_Any!]!) { _entities(representations: $of) { "
    "... on Booking { attendances(orderBy: $orderBy) { edges { cursor } } } "
    "... on Session { attendances(orderBy: $orderBy) { edges { cursor } } } } }"
)
DECLARATIONS = (
    "$filter: AttendanceFilter, $orderBy: [AttendanceOrder!]!, $first: Int, $after: String, $last: Int, $before: String"
)
PAGE = "edges { cursor node { id status session { id } } } pageInfo { hasNextPage hasPreviousPage startCursor }"
FIGURES = "totalCount summary { total numberOfAttendees attendanceRate }"
ARGUMENTS = "filter: $filter, orderBy: $orderBy, first: $first, after: $after, last: $last, before: $before"
SELECTIONS = (
    "__typename",
    "... on Attendance { id status updatedAt booking { id attendances(last: 1) { nodes { id } } } } "
    "... on Session { id }",
    f"... on Booking {{ id attendances({ARGUMENTS}) {{ {PAGE} }} }} ... on Attendance {{ numberOfAttendees }}",
    f"... on Booking {{ attendances({ARGUMENTS}) {{ {PAGE} {FIGURES} }} }} "
    f"... on Session {{ id attendances({ARGUMENTS}) {{ {PAGE} {FIGURES} }} }}",
    f"... on Booking {{ a: attendances({ARGUMENTS}) {{ nodes {{ id }} }} b: attendances {{ {FIGURES} }} }}",
    f"... on Session {{ attendances {{ nodes {{ booking {{ attendances({ARGUMENTS}) {{ totalCount }} }} }} }} }}",
)
ORDERS = (["ID_ASC"], ["NUMBER_OF_ATTENDEES_DESC"], ["STATUS_ASC", "SESSION_ID_ASC"])
FILTERS: tuple[dict[str, Any] | None, ...] = (
    None,
    {"status": {"eq": "ATTENDED"}},
    {"numberOfAttendees": {"lt": 3}},
    {"sessionId": {"in": []}},
    {"id": {"eq": "no GUID"}},
)
SIZES = ((None, None), (2, None), (None, 3), (0, None), (None, 1), (3, None), (1, 1), (101, None))
BAD_ITEMS: list[Any] = [
    {"__typename": "Course", "id": "1"},
    {"__typename": "Booking", "id": "x"},
    {"__typename": "Attendance", "id": 5},
    {"__typename": "Session", "id": 5},
    {"__typename": "Session", "id": 5.5},
    {"__typename": "Session", "id": ""},
    {"__typename": "Session"},
    {"id": "a"},
    "Session",
    [],
]


@pytest.fixture(scope="module")
async def records(database: RecordingDatabase, shared_site: UUID) -> list[Record]:
    """Records of five bookings and six sessions, some with numbers that add up to more than Int holds."""
    chance = random.Random(3)
    bookings = [uuid4() for _ in range(5)]
    keys = chance.sample([(booking, session) for booking in bookings for session in SESSIONS], 22)
    made = [Record(*key, chance.choice(STATUSES), chance.choice(NUMBERS)) for key in keys]
    await store(database, shared_site, made)
    return made


@pytest.fixture(scope="module")
def shared_site() -> UUID:
    return uuid4()


@pytest.fixture(scope="module")
def reader(http: httpx2.AsyncClient, shared_site: UUID) -> GraphQLClient:
    return GraphQLClient(http, make_token(shared_site, READ_SCOPE))


@pytest.fixture(scope="module")
async def cursors(reader: GraphQLClient, records: list[Record]) -> list[str]:
    """Cursors of a booking and of a session, in each of the orders."""
    of = [
        {"__typename": "Booking", "id": str(records[0].booking_id)},
        {"__typename": "Session", "id": records[0].session_id},
    ]
    answers = [await reader.data(CURSORS, of=of, orderBy=order) for order in ORDERS]
    entities = [entity for answer in answers for entity in answer["_entities"]]
    return [edge["cursor"] for entity in entities for edge in entity["attendances"]["edges"][:2]]


def draw_representation(records: list[Record]) -> st.SearchStrategy[Any]:
    """Entities that exist and ones that don't, and what is no representation."""
    keys = {
        "Attendance": [str(record.id) for record in records] + [str(UUID(int=0))],
        "Booking": [str(record.booking_id) for record in records] + [str(UUID(int=0))],
        "Session": [*SESSIONS, "nobody's"],
    }
    return st.sampled_from([*({"__typename": name, "id": key} for name in keys for key in keys[name]), *BAD_ITEMS])


@st.composite
def draw_variables(draw: st.DrawFn, cursors: list[str]) -> dict[str, Any]:
    first, last = draw(st.sampled_from(SIZES))
    after, before = draw(st.sampled_from([(None, None), ("after", None), (None, "before"), ("after", "before")]))
    cursor = st.sampled_from([*cursors, "no cursor"])
    return {
        "filter": draw(st.sampled_from(FILTERS)),
        "orderBy": draw(st.sampled_from(ORDERS)),
        "first": first,
        "last": last,
        "after": after and draw(cursor),
        "before": before and draw(cursor),
    }


def shift(error: dict[str, Any], position: int) -> dict[str, Any]:
    """The error of an entity asked for on its own, as that of the same entity at this position."""
    field, first, *below = error["path"]
    assert (field, first) == ("_entities", 0)
    places = "representations.0.", f"representations.{position}."
    extensions = error["extensions"]
    return {
        **error,
        "path": [field, position, *below],
        "message": error["message"].replace(*places),
        "extensions": {**extensions, "argument": extensions["argument"].replace(*places)},
    }


def sort_errors(errors: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(errors, key=lambda error: [str(step).rjust(4) for step in error["path"]])


@settings(max_examples=CASES, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
async def test_entities_together_equal_each_on_its_own(
    data: st.DataObject, reader: GraphQLClient, records: list[Record], cursors: list[str]
) -> None:
    representations = data.draw(st.lists(draw_representation(records), min_size=2, max_size=9))
    selection = data.draw(st.sampled_from(SELECTIONS))
    query = write_query(selection, DECLARATIONS if ARGUMENTS in selection else "")
    variables = data.draw(draw_variables(cursors))
    together = await reader.run(query, representations=representations, **variables)
    entities, errors = [], []
    for position, representation in enumerate(representations):
        alone = await reader.run(query, representations=[representation], **variables)
        entities += alone["data"]["_entities"]
        errors += [shift(error, position) for error in alone.get("errors", ())]
    assert together["data"] == {"_entities": entities}
    assert sort_errors(together.get("errors", [])) == sort_errors(errors)
