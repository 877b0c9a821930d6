"""The statements of the hand-written endpoint, each for one case, and the orders that its pages are read in."""

from dataclasses import dataclass

from app.plan.cursor import CursorCodec, plan_cursors
from app.plan.order import OrderKey, plan_order
from app.schema.names import ORDER_KEYS

COLUMNS = "id, booking_id, session_id, status, number_of_attendees"
COLUMN_NAMES = tuple(COLUMNS.split(", "))


@dataclass(frozen=True, slots=True)
class Keyset:
    """One order: its first page, the page behind a position, and its cursors.

    `key_indexes` are the places of the order's keys in a row.
    """

    first: str
    following: str
    codec: CursorCodec
    key_indexes: tuple[int, ...]


def build_keyset(key: OrderKey, columns: str, position: str) -> Keyset:
    """An order by the columns, whose values at a cursor are those of the position."""
    order = plan_order([key])
    select = f"SELECT {COLUMNS} FROM attendance WHERE site_id = $1"  # noqa: S608 (constants)
    tail = f"ORDER BY {columns} LIMIT 51"
    return Keyset(
        first=f"{select} {tail}",
        following=f"{select} AND ({columns}) > ({position}) {tail}",
        codec=plan_cursors(order, None, None),
        key_indexes=tuple(COLUMN_NAMES.index(each.of.value) for each in order),
    )


POSITIONS = {
    "ID_ASC": ("id", "$2"),
    "BOOKING_ID_ASC": ("booking_id, id", "$2, $3"),
    "SESSION_ID_ASC": ("session_id, id", "$2, $3"),
    "STATUS_ASC": ("status, id", "$2, $3"),
    "NUMBER_OF_ATTENDEES_ASC": ("number_of_attendees, id", "$2, $3"),
    "NUMBER_OF_ATTENDEES_DESC": ("number_of_attendees_descending, id", "-$2::integer, $3"),
}
KEYSETS = {name: build_keyset(key, *POSITIONS[name]) for name, key in ORDER_KEYS.items()}

PAGE_OF_SESSION = """
SELECT id, booking_id, session_id, status, number_of_attendees
FROM attendance WHERE site_id = $1 AND session_id = $2 AND status = $3 ORDER BY id LIMIT 101
"""
PAGE_OF_BOOKINGS = """
SELECT id, booking_id, session_id, status, number_of_attendees
FROM attendance WHERE site_id = $1 AND booking_id = ANY($2::uuid[]) ORDER BY id LIMIT 101
"""
RECORD = """
SELECT id::text, booking_id::text, session_id, status, number_of_attendees
FROM attendance WHERE site_id = $1 AND id = $2
"""
SUMMARY = """
SELECT count(*),
    count(*) FILTER (WHERE status = 'ATTENDED'),
    count(*) FILTER (WHERE status = 'NOT_ATTENDED'),
    count(*) FILTER (WHERE status = 'NOT_SET'),
    coalesce(sum(number_of_attendees), 0)
FROM attendance WHERE site_id = $1 AND booking_id = $2
"""
ENTITIES = """
SELECT wanted.position, page.*
FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (id, position)
CROSS JOIN LATERAL (
    SELECT id::text, session_id, status FROM attendance
    WHERE site_id = $1 AND booking_id = wanted.id ORDER BY attendance.id LIMIT 10
) AS page
"""
BULK = """
INSERT INTO attendance AS stored
    (site_id, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at)
SELECT $1, item.id, item.booking_id, item.session_id, item.status, item.number_of_attendees, $2, $2
FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::integer[])
    AS item (id, booking_id, session_id, status, number_of_attendees)
ORDER BY item.booking_id, item.session_id
ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
SET status = excluded.status, number_of_attendees = excluded.number_of_attendees, updated_at = excluded.updated_at
RETURNING id::text, booking_id::text, session_id, status
"""
