"""The statements of the hand-written endpoint, each for one case, and the orders that its pages are read in."""

from dataclasses import dataclass

RECORD_COLUMNS = "id::text, booking_id::text, session_id, status, number_of_attendees"
COLUMN_NAMES = ("id", "booking_id", "session_id", "status", "number_of_attendees")


@dataclass(frozen=True, slots=True)
class Keyset:
    """One order: its first page, the page after a position, and the places of the order's keys in a row."""

    first: str
    following: str
    keys: tuple[int, ...]


def build_keyset(*columns: str, position: str) -> Keyset:
    """An order by the columns, whose values at a cursor are those of the position."""
    # Qualified names: `id` alone would be the output, which is a text.
    order = ", ".join(f"attendance.{column}" for column in columns)
    select = f"SELECT {RECORD_COLUMNS} FROM attendance WHERE site_id = $1"  # noqa: S608 (constants)
    return Keyset(
        first=f"{select} ORDER BY {order} LIMIT 51",
        following=f"{select} AND ({order}) > ({position}) ORDER BY {order} LIMIT 51",
        keys=tuple(COLUMN_NAMES.index(column.removesuffix("_descending")) for column in columns),
    )


KEYSETS = {
    "ID_ASC": build_keyset("id", position="$2"),
    "BOOKING_ID_ASC": build_keyset("booking_id", "id", position="$2, $3"),
    "SESSION_ID_ASC": build_keyset("session_id", "id", position="$2, $3"),
    "STATUS_ASC": build_keyset("status", "id", position="$2, $3"),
    "NUMBER_OF_ATTENDEES_ASC": build_keyset("number_of_attendees", "id", position="$2::text::integer, $3"),
    "NUMBER_OF_ATTENDEES_DESC": build_keyset("number_of_attendees_descending", "id", position="-$2::text::integer, $3"),
}

PAGE_OF_SESSION = f"""
SELECT {RECORD_COLUMNS}
FROM attendance WHERE site_id = $1 AND session_id = $2 AND status = $3 ORDER BY attendance.id LIMIT 101
"""  # noqa: S608 (constants)
# Without OFFSET 0 the planner now and then reads the whole site in the order of ids: 65 ms instead of 1.
PAGE_OF_BOOKINGS = f"""
SELECT {RECORD_COLUMNS}
FROM (SELECT * FROM attendance WHERE site_id = $1 AND booking_id = ANY($2::uuid[]) OFFSET 0) AS attendance
ORDER BY attendance.id LIMIT 101
"""  # noqa: S608 (constants)
RECORD = """
SELECT id::text, booking_id::text, session_id, status, number_of_attendees
FROM attendance WHERE site_id = $1 AND id = $2
"""
SUMMARY = """
SELECT count(*),
    count(*) FILTER (WHERE status = 'ATTENDED'),
    count(*) FILTER (WHERE status = 'NOT_ATTENDED'),
    count(*) FILTER (WHERE status = 'NOT_SET'),
    coalesce(sum(number_of_attendees) FILTER (WHERE status = 'ATTENDED'), 0)
FROM attendance WHERE site_id = $1 AND booking_id = $2
"""
ABSENCES = """
SELECT booking_id::text, total, attended, not_attended, not_set, attendees, share, count(*) OVER ()
FROM (
    SELECT *, not_attended::double precision / nullif(attended + not_attended, 0) AS share
    FROM (
        SELECT booking_id,
            count(*) AS total,
            count(*) FILTER (WHERE status = 'ATTENDED') AS attended,
            count(*) FILTER (WHERE status = 'NOT_ATTENDED') AS not_attended,
            count(*) FILTER (WHERE status = 'NOT_SET') AS not_set,
            coalesce(sum(number_of_attendees) FILTER (WHERE status = 'ATTENDED'), 0) AS attendees
        FROM attendance WHERE site_id = $1 GROUP BY booking_id
    ) AS counted
) AS shares
WHERE attended + not_attended >= $2 AND share >= $3
ORDER BY share DESC, not_attended DESC, shares.booking_id LIMIT 51
"""
ENTITIES = """
SELECT wanted.position, page.*
FROM unnest($2::uuid[]) WITH ORDINALITY AS wanted (id, position)
CROSS JOIN LATERAL (
    SELECT id::text, session_id, status FROM attendance
    WHERE site_id = $1 AND booking_id = wanted.id ORDER BY attendance.id LIMIT 10
) AS page
"""
SET = """
INSERT INTO attendance AS stored
    (site_id, id, booking_id, session_id, status, number_of_attendees, created_at, updated_at)
VALUES ($1, $3, $4, $5, $6, $7, $2, $2)
ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
SET status = excluded.status, number_of_attendees = excluded.number_of_attendees, updated_at = excluded.updated_at
RETURNING id::text, booking_id::text, session_id, status, number_of_attendees
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
