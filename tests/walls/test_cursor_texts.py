"""Cursors as texts: what a position becomes, byte for byte, and back."""

from base64 import urlsafe_b64encode
from collections.abc import Sequence
from uuid import UUID
from zlib import crc32

import pytest

from app.errors import CursorInvalid, CursorMismatch
from app.plan.cursor import CursorCodec, Position, digest_query, plan_cursors
from app.plan.filter import Filter, Operator, Perspective
from app.plan.order import DEFAULT_ORDER, Order, OrderKey
from app.plan.properties import STATUSES, Property, Value

ID, OTHER = UUID("01890a5d-ac96-774b-bcce-b302099a8057"), UUID("ffffffff-ac96-774b-bcce-b302099a8057")
BOOKING, SESSION, STATUS, ATTENDEES = (
    Property.BOOKING_ID,
    Property.SESSION_ID,
    Property.STATUS,
    Property.NUMBER_OF_ATTENDEES,
)


def order(*properties: Property, descending: Sequence[Property] = ()) -> Order:
    return tuple(OrderKey(of, descending=of in descending) for of in (*properties, Property.ID))


POSITIONS: list[tuple[Order, Position, bytes]] = [
    (DEFAULT_ORDER, (ID,), ID.bytes),
    (order(BOOKING), (OTHER, ID), OTHER.bytes + ID.bytes),
    (order(ATTENDEES), (0, ID), bytes(4) + ID.bytes),
    (order(ATTENDEES, descending=[ATTENDEES]), (2**31 - 1, ID), b"\x7f\xff\xff\xff" + ID.bytes),
    (order(STATUS), (STATUSES[0], ID), b"\0" + ID.bytes),
    (order(STATUS), (STATUSES[2], ID), b"\2" + ID.bytes),
    (order(SESSION), ("", ID), b"\0\0" + ID.bytes),
    (order(SESSION), ("sessión", ID), b"\0\x08sessi\xc3\xb3n" + ID.bytes),
    (order(SESSION), ("x" * 250, ID), b"\0\xfa" + b"x" * 250 + ID.bytes),
    (order(SESSION), ("\U0001f600" * 250, ID), b"\x03\xe8" + "\U0001f600".encode() * 250 + ID.bytes),
    (order(STATUS, ATTENDEES, SESSION, BOOKING), (STATUSES[1], 7, "s", OTHER, ID),
     b"\1\0\0\0\7\0\1s" + OTHER.bytes + ID.bytes),
]  # fmt: skip


def seal(head: bytes, tail: bytes) -> str:
    """A cursor of this content, with the checksum that belongs to it."""
    content = head + tail
    return urlsafe_b64encode(content + crc32(content).to_bytes(4)).decode().rstrip("=")


def plan(of: Order) -> CursorCodec:
    return plan_cursors(of, None, None)


def encode_columns(codec: CursorCodec, columns: list[list[Value]]) -> list[str]:
    """The cursors of several records, made together of the values of each of the order's keys."""
    return list(codec.encode_rows(list(zip(*columns, strict=True)), range(len(columns))))


@pytest.mark.parametrize(("of", "position", "tail"), POSITIONS)
def test_a_position_is_its_values_in_bytes_and_comes_back(of: Order, position: Position, tail: bytes) -> None:
    codec = plan(of)
    head = b"\1" + digest_query(of, None, None)
    assert len(head) == 9
    text = codec.encode(position)
    assert text == seal(head, tail)
    assert codec.decode(text, "after") == position


@pytest.mark.parametrize(("of", "position", "tail"), POSITIONS)
@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7])
def test_cursors_that_are_made_together_are_those_that_are_made_one_by_one(
    of: Order, position: Position, tail: bytes, count: int
) -> None:
    codec = plan(of)
    ids = [UUID(int=number * 2**120 + 1) for number in range(count)]
    columns = [*([value] * count for value in position[:-1]), ids]
    made_up = [seal(codec.head, tail[:-16] + each.bytes) for each in ids]
    assert encode_columns(codec, columns) == made_up


def test_of_rows_the_values_of_the_orders_keys_are_taken() -> None:
    codec = plan(order(ATTENDEES, STATUS))
    rows = [(ID, 9, STATUSES[count], count) for count in range(3)]
    one_by_one = [codec.encode((count, STATUSES[count], ID)) for count in range(3)]
    assert list(codec.encode_rows(rows, (3, 2, 0))) == one_by_one


def test_texts_of_several_lengths_are_made_together() -> None:
    of = order(SESSION)
    codec = plan(of)
    sessions = ["", "a", "é", "four", "x" * 300]
    made_up = [seal(codec.head, len(each.encode()).to_bytes(2) + each.encode() + ID.bytes) for each in sessions]
    assert encode_columns(codec, [sessions, [ID] * len(sessions)]) == made_up


@pytest.mark.parametrize("columns", [[[ID]], [[1], [ID], [ID]], [[1, 2], [ID]], [[1], [ID, ID]]])
def test_no_cursor_is_made_of_columns_that_do_not_fit_the_order(columns: list[list[Value]]) -> None:
    with pytest.raises(ValueError, match="zip"):
        encode_columns(plan(order(ATTENDEES)), columns)


def test_a_cursor_may_end_in_any_character() -> None:
    codec = plan(order(SESSION))
    positions = [("ss", UUID(int=number)) for number in range(1000)]
    texts = [codec.encode(position) for position in positions]
    assert [codec.decode(text, "after") for text in texts] == positions
    assert len({text[-1] for text in texts}) == 64


@pytest.mark.parametrize("argument", ["after", "before"])
def test_what_is_no_cursor_of_the_query_is_told_by_its_argument(argument: str) -> None:
    codec = plan(DEFAULT_ORDER)
    with pytest.raises(CursorInvalid) as invalid:
        codec.decode("x", argument)
    assert (invalid.value.argument, invalid.value.message) == (
        argument,
        f"`{argument}` is not a cursor of this service.",
    )
    with pytest.raises(CursorInvalid) as made_up:
        codec.decode(seal(codec.head, ID.bytes[:15]), argument)
    assert (made_up.value.argument, made_up.value.message) == (invalid.value.argument, invalid.value.message)
    with pytest.raises(CursorMismatch) as mismatch:
        codec.decode(plan(order(BOOKING)).encode((ID, ID)), argument)
    assert mismatch.value.argument == argument
    assert mismatch.value.message == f"`{argument}` is a cursor of a query with another order, perspective or filter."


MADE_UP: dict[str, tuple[Order, bytes]] = {
    "nothing": (DEFAULT_ORDER, b""),
    "a byte too few": (DEFAULT_ORDER, ID.bytes[:-1]),
    "a byte too many": (DEFAULT_ORDER, ID.bytes + b"\0"),
    "a number beyond Int": (order(ATTENDEES), b"\x80\0\0\0" + ID.bytes),
    "an unknown status": (order(STATUS), b"\3" + ID.bytes),
    "no status": (order(STATUS), b""),
    "a text with a NUL": (order(SESSION), b"\0\3a\0b" + ID.bytes),
    "a text that is too short": (order(SESSION), b"\0\5abc"),
    "a text without an id": (order(SESSION), b"\0\1a"),
    "broken UTF-8": (order(SESSION), b"\0\1\xff" + ID.bytes),
    "a length alone": (order(SESSION), b"\0"),
}


@pytest.mark.parametrize("case", MADE_UP)
def test_a_cursor_with_a_good_checksum_may_still_hold_no_position(case: str) -> None:
    of, tail = MADE_UP[case]
    codec = plan(of)
    with pytest.raises(CursorInvalid):
        codec.decode(seal(codec.head, tail), "after")


def test_a_cursor_of_another_version_is_none() -> None:
    codec = plan(DEFAULT_ORDER)
    with pytest.raises(CursorInvalid):
        codec.decode(seal(b"\2" + codec.head[1:], ID.bytes), "after")


def test_a_cursor_has_one_text_alone() -> None:
    codec = plan(DEFAULT_ORDER)
    text = codec.encode((UUID(int=2**128 - 1),))
    assert "_" in text or "-" in text
    others = [
        text.replace("_", "/").replace("-", "+"),
        text + "=",
        text[:-1] + chr(ord(text[-1]) + 1),
        text + " ",
        "é" + text,
    ]
    for other in {*others} - {text}:
        with pytest.raises((CursorInvalid, CursorMismatch)):
            codec.decode(other, "after")


def test_the_longest_cursor_of_a_record_is_taken_and_longer_ones_are_not_looked_at() -> None:
    of = order(STATUS, ATTENDEES, SESSION, BOOKING)
    codec = plan(of)
    longest = codec.encode((STATUSES[2], 2**31 - 1, "\U0010ffff" * 250, OTHER, ID))
    assert 1000 < len(longest) <= 2000
    assert codec.decode(longest, "after")
    endless = plan(order(SESSION)).encode(("x" * 60_000, ID))
    with pytest.raises(CursorInvalid):
        plan(order(SESSION)).decode(endless, "after")


def test_a_cursor_may_have_2000_characters() -> None:
    codec = plan(order(SESSION))
    longest, too_long = (codec.encode(("x" * length, ID)) for length in (1469, 1470))
    assert (len(longest), len(too_long)) == (2000, 2002)
    assert codec.decode(longest, "after") == ("x" * 1469, ID)
    with pytest.raises(CursorInvalid):
        codec.decode(too_long, "after")


IN_BOOKING, IN_SESSION = Perspective(BOOKING, ID), Perspective(SESSION, "s")
QUERIES = [
    (DEFAULT_ORDER, None, None),
    (order(ATTENDEES), None, None),
    (order(ATTENDEES, descending=[ATTENDEES]), None, None),
    (order(ATTENDEES, STATUS), None, None),
    (order(STATUS, ATTENDEES), None, None),
    (DEFAULT_ORDER, IN_BOOKING, None),
    (DEFAULT_ORDER, Perspective(BOOKING, OTHER), None),
    (DEFAULT_ORDER, IN_SESSION, None),
    (DEFAULT_ORDER, Perspective(SESSION, "t"), None),
    (DEFAULT_ORDER, None, Filter(SESSION, Operator.EQ, "s")),
    (DEFAULT_ORDER, None, Filter(SESSION, Operator.NE, "s")),
    (DEFAULT_ORDER, None, Filter(SESSION, Operator.EQ, "t")),
    (DEFAULT_ORDER, None, Filter(STATUS, Operator.EQ, "s")),
    (DEFAULT_ORDER, None, Filter(SESSION, Operator.IN, ("s", "t"))),
    (DEFAULT_ORDER, None, Filter(SESSION, Operator.IN, ("st",))),
    (DEFAULT_ORDER, None, Filter(SESSION, Operator.IN, ("s", "t", ""))),
    (DEFAULT_ORDER, None, Filter(SESSION, Operator.IN, ())),
    (DEFAULT_ORDER, None, Filter(ATTENDEES, Operator.EQ, 1)),
    (DEFAULT_ORDER, IN_SESSION, Filter(SESSION, Operator.EQ, "s")),
    (DEFAULT_ORDER, Perspective(SESSION, "s6:filter"), None),
]


def test_no_two_queries_that_differ_have_the_same_digest() -> None:
    digests = [digest_query(*query) for query in QUERIES]
    assert len(set(digests)) == len(QUERIES)
    assert {len(digest) for digest in digests} == {8}
    assert digests == [digest_query(*query) for query in QUERIES]


def test_cursors_that_clients_hold_stay_valid_from_release_to_release() -> None:
    assert plan(DEFAULT_ORDER).encode((ID,)) == "AaETJjDSC9hwAYkKXayWd0u8zrMCCZqAVw5ovdg"
    of = order(SESSION, ATTENDEES, descending=[ATTENDEES])
    codec = plan_cursors(of, IN_BOOKING, Filter(STATUS, Operator.IN, ("ATTENDED", "NOT_SET")))
    assert codec.encode(("s", 3, ID)) == "AcHIPoK4XtPiAAFzAAAAAwGJCl2slndLvM6zAgmagFd8jHIj"
