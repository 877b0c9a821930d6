"""Cursors that cannot be used: damaged ones, made-up ones, and those of another query."""

from base64 import urlsafe_b64encode
from typing import Any
from uuid import UUID, uuid4
from zlib import crc32

import pytest

from app.plan.cursor import MOST_CHARACTERS, VERSION, CursorCodec, plan_cursors
from app.plan.order import DEFAULT_ORDER, ID_ASCENDING, Order, OrderKey
from app.plan.properties import Property
from tests.support.refusals import refuse
from tests.support.service import GraphQLClient, Record, RecordingDatabase, store

ENDS = ("after", "before")
BOOKING, OTHER_BOOKING = uuid4(), uuid4()
PAGE = "query($cursor: String) { attendances(%s: $cursor) { nodes { id } } }"
CURSORS = "{ edges { cursor } }"


@pytest.fixture
async def cursor(client: GraphQLClient, database: RecordingDatabase, site_id: UUID) -> str:
    """The cursor of the second of three records in the default order."""
    await store(database, site_id, [Record(BOOKING, f"session {n}") for n in range(3)])
    return await read_cursor(client, "{ attendances { edges { cursor } } }")


async def read_cursor(client: GraphQLClient, query: str) -> str:
    connection: Any = await client.data(query)
    while "edges" not in connection:
        [connection] = connection[:1] if isinstance(connection, list) else connection.values()
    return str(connection["edges"][1]["cursor"])


async def assert_invalid(client: GraphQLClient, text: str, order: str = "") -> None:
    for end in ENDS:
        query = PAGE % (f"orderBy: [{order}], {end}" if order else end)
        refusal = await refuse(client, query, cursor=text)
        assert refusal.place == ("CURSOR_INVALID", end), text
        assert text not in refusal.message or not text


async def test_a_cursor_that_was_cut_short_is_invalid(client: GraphQLClient, cursor: str) -> None:
    for length in range(len(cursor)):
        await assert_invalid(client, cursor[:length])


async def test_a_cursor_with_one_other_character_is_invalid(client: GraphQLClient, cursor: str) -> None:
    for position, character in enumerate(cursor):
        other = "A" if character != "A" else "B"
        await assert_invalid(client, cursor[:position] + other + cursor[position + 1 :])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text + "A",
        lambda text: text + "=",
        lambda text: text + "==",
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text + text,
        lambda text: text.swapcase(),
        lambda text: text[:-1] + "+",
        lambda text: text[:-1] + "/",
        lambda text: text[:-1] + "%",
        lambda text: text[:-1] + "é",
        lambda text: text[:-1] + "\0",
        lambda text: text[:-1] + "\U0001d538",
        lambda text: "A" * len(text),
        lambda _: "null",
        lambda _: "YXJyYXljb25uZWN0aW9uOjA=",
        lambda _: str(uuid4()),
        lambda _: "x" * MOST_CHARACTERS,
        lambda _: "x" * 200_000,
        lambda _: "' OR true --",
    ],
)
async def test_a_text_that_is_no_cursor_is_invalid(client: GraphQLClient, cursor: str, damage: Any) -> None:
    await assert_invalid(client, damage(cursor))


async def test_a_cursor_that_is_no_text_is_no_cursor(client: GraphQLClient) -> None:
    assert (await refuse(client, PAGE % "after", cursor=7)).place == ("BAD_USER_INPUT", "after")


def forge(codec: CursorCodec, content: bytes, *, version: bytes = VERSION) -> str:
    """A cursor with a right checksum, whatever it holds."""
    body = version + codec.head[1:] + content
    return urlsafe_b64encode(body + crc32(body).to_bytes(4)).decode().rstrip("=")


def order_of(of: Property, *, descending: bool = False) -> Order:
    return (OrderKey(of, descending=descending), ID_ASCENDING)


ID = uuid4().bytes
BY_STATUS = ("STATUS_ASC", order_of(Property.STATUS))
BY_NUMBER = ("NUMBER_OF_ATTENDEES_ASC", order_of(Property.NUMBER_OF_ATTENDEES))
BY_NUMBER_DESCENDING = ("NUMBER_OF_ATTENDEES_DESC", order_of(Property.NUMBER_OF_ATTENDEES, descending=True))
BY_SESSION = ("SESSION_ID_ASC", order_of(Property.SESSION_ID))
BY_BOOKING = ("BOOKING_ID_ASC", order_of(Property.BOOKING_ID))
ABSURD = {
    "no values": (("ID_ASC", DEFAULT_ORDER), b""),
    "half an id": (("ID_ASC", DEFAULT_ORDER), ID[:8]),
    "more than an id": (("ID_ASC", DEFAULT_ORDER), ID + b"\0"),
    "an unknown status": (BY_STATUS, b"\x03" + ID),
    "a status beyond all": (BY_STATUS, b"\xff" + ID),
    "a status alone": (BY_STATUS, b"\x00"),
    "a number above Int": (BY_NUMBER, (2**31).to_bytes(4) + ID),
    "the largest number of four bytes": (BY_NUMBER_DESCENDING, b"\xff\xff\xff\xff" + ID),
    "a number of three bytes": (BY_NUMBER, b"\0\0\x01"),
    "a text with a NUL": (BY_SESSION, b"\x00\x03a\0b" + ID),
    "a text that is not UTF-8": (BY_SESSION, b"\x00\x02\xff\xfe" + ID),
    "a text with a surrogate": (BY_SESSION, b"\x00\x03\xed\xa0\x80" + ID),
    "a text longer than the cursor": (BY_SESSION, b"\xff\xff" + ID),
    "a text shorter than it claims": (BY_SESSION, b"\x00\x40abc" + ID),
    "a text and half an id": (BY_SESSION, b"\x00\x03abc" + ID[:15]),
    "a booking without an id": (BY_BOOKING, ID),
}


@pytest.mark.parametrize("case", ABSURD)
async def test_a_made_up_cursor_with_absurd_values_is_invalid(client: GraphQLClient, case: str) -> None:
    (name, order), content = ABSURD[case]
    await assert_invalid(client, forge(plan_cursors(order, None, None), content), name)


async def test_a_cursor_of_another_version_is_invalid(client: GraphQLClient) -> None:
    codec = plan_cursors(DEFAULT_ORDER, None, None)
    for version in (b"\x00", b"\x02", b"\xff"):
        await assert_invalid(client, forge(codec, ID, version=version))


@pytest.mark.parametrize(
    ("by", "content"),
    [
        (("ID_ASC", DEFAULT_ORDER), b"\x00" * 16),
        (("ID_ASC", DEFAULT_ORDER), b"\xff" * 16),
        (BY_NUMBER, b"\x7f\xff\xff\xff" + ID),
        (BY_NUMBER_DESCENDING, b"\x7f\xff\xff\xff" + ID),
        (BY_SESSION, b"\x00\x00" + ID),
        (BY_SESSION, b"\x04\x00" + b"x" * 1024 + ID),
    ],
)
async def test_a_made_up_cursor_of_a_place_that_may_be_is_as_good_as_any(
    client: GraphQLClient, by: tuple[str, Order], content: bytes
) -> None:
    name, order = by
    text = forge(plan_cursors(order, None, None), content)
    for end in ENDS:
        assert await client.data(PAGE % f"orderBy: [{name}], {end}", cursor=text) == {"attendances": {"nodes": []}}


OTHER_QUERIES = [
    "orderBy: [STATUS_ASC]",
    "orderBy: [NUMBER_OF_ATTENDEES_ASC]",
    "orderBy: [NUMBER_OF_ATTENDEES_DESC]",
    "orderBy: [STATUS_ASC, NUMBER_OF_ATTENDEES_ASC]",
    "orderBy: [NUMBER_OF_ATTENDEES_ASC, STATUS_ASC]",
    f'perspective: {{bookingId: "{BOOKING}"}}',
    f'perspective: {{bookingId: "{OTHER_BOOKING}"}}',
    f'perspective: {{sessionId: "{BOOKING}"}}',
    f'filter: {{bookingId: {{eq: "{BOOKING}"}}}}',
    f'filter: {{bookingId: {{ne: "{OTHER_BOOKING}"}}}}',
    "filter: {status: {eq: ATTENDED}}",
    "filter: {numberOfAttendees: {ge: 1}}",
    "filter: {numberOfAttendees: {le: 1}}",
    "filter: {numberOfAttendees: {eq: 1}}",
    "filter: {numberOfAttendees: {in: [1, 2]}}",
    "filter: {numberOfAttendees: {in: [1, 2, 3]}}",
    'filter: {sessionId: {in: ["session 0", "session 1", "session 2"]}}',
    'filter: {sessionId: {in: ["session 0,session 1", "session 2"]}}',
]


async def test_a_cursor_of_another_order_perspective_or_filter_is_a_mismatch(
    client: GraphQLClient, cursor: str
) -> None:
    cursors = {"first: 50": cursor}
    for arguments in OTHER_QUERIES:
        edges = (await client.data(f"{{ attendances({arguments}) {CURSORS} }}"))["attendances"]["edges"]
        if edges:
            cursors[arguments] = edges[0]["cursor"]
    assert len(cursors) == 1 + len(OTHER_QUERIES) - 2  # two of the perspectives have no records
    for origin, text in cursors.items():
        for arguments in ["first: 50", *OTHER_QUERIES]:
            if arguments == origin:
                assert await client.data(PAGE % f"{arguments}, after", cursor=text)
                continue
            for end in ENDS:
                refusal = await refuse(client, PAGE % f"{arguments}, {end}", cursor=text)
                assert refusal.place == ("CURSOR_MISMATCH", end), (origin, arguments)


SAME_QUERIES = [
    ("first: 3", "last: 3"),
    ("first: 2", "orderBy: []"),
    ("first: 2", "orderBy: [ID_ASC, STATUS_ASC]"),
    ("orderBy: [STATUS_ASC]", "orderBy: [STATUS_ASC, ID_ASC, BOOKING_ID_ASC]"),
    (f'filter: {{bookingId: {{eq: "{BOOKING}"}}}}', f'filter: {{bookingId: {{in: ["{BOOKING}", "{BOOKING}"]}}}}'),
    (f'filter: {{bookingId: {{eq: "{BOOKING}"}}}}', f'filter: {{bookingId: {{eq: "{str(BOOKING).upper()}"}}}}'),
    ("filter: {status: {ne: NOT_SET}}", "filter: {status: {in: [NOT_ATTENDED, ATTENDED]}}"),
    ("filter: {numberOfAttendees: {in: [1, 2]}}", "filter: {numberOfAttendees: {in: [2, 1, 2]}}"),
]


@pytest.mark.usefixtures("cursor")
@pytest.mark.parametrize(("one", "same"), SAME_QUERIES)
async def test_queries_of_one_meaning_share_their_cursors(client: GraphQLClient, one: str, same: str) -> None:
    for origin, target in ((one, same), (same, one)):
        text = await read_cursor(client, f"{{ attendances({origin}) {CURSORS} }}")
        assert len((await client.data(PAGE % f"{target}, after", cursor=text))["attendances"]["nodes"]) == 1


@pytest.mark.parametrize(("field", "parent"), [("booking", "bookingId"), ("session", "sessionId")])
async def test_a_nested_connection_and_its_perspective_share_their_cursors(
    client: GraphQLClient, database: RecordingDatabase, site_id: UUID, field: str, parent: str
) -> None:
    of_booking = [Record(BOOKING, f"session {n}") for n in range(3)]
    of_session = [Record(session_id="shared") for _ in range(3)]
    await store(database, site_id, of_booking if field == "booking" else of_session)
    value = str(BOOKING) if field == "booking" else "shared"
    nested = "query($cursor: String) { attendances(first: 1) { nodes { %s { attendances(after: $cursor) %s } } } }"
    direct = f'query($cursor: String) {{ attendances(perspective: {{{parent}: "{value}"}}, after: $cursor) {CURSORS} }}'
    of_nested = await read_cursor(client, nested % (field, CURSORS))
    assert of_nested == await read_cursor(client, direct)
    assert len((await client.data(direct, cursor=of_nested))["attendances"]["edges"]) == 1
    below = (await client.data(nested % (field, CURSORS), cursor=of_nested))["attendances"]["nodes"]
    assert [len(node[field]["attendances"]["edges"]) for node in below] == [1]
    of_site = await read_cursor(client, f"{{ attendances {CURSORS} }}")
    assert (await refuse(client, nested % (field, CURSORS), cursor=of_site)).place == ("CURSOR_MISMATCH", "after")
