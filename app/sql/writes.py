"""Statements that record attendance and delete records, for one item or for many."""

from collections.abc import Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from app.plan.properties import Property
from app.plan.write import AttendanceWrite
from app.sql.catalogue import COLUMNS, SITE, TABLE
from app.sql.conditions import where_site
from app.sql.fragment import Parameter, Statement, Template, join, sql
from app.sql.values import MANY_VALUES, SITE_VALUE, Values

ALL_COLUMNS = join(", ", COLUMNS.values())

SET = """INSERT INTO {} AS stored ({}, {})
SELECT {}::uuid, item.id, item.booking_id, item.session_id, item.status, item.number_of_attendees, {}, {}
FROM unnest({}::uuid[], {}::uuid[], {}::text[], {}::text[], {}::integer[])
  AS item (id, booking_id, session_id, status, number_of_attendees)
ORDER BY item.booking_id, item.session_id COLLATE "C"
ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
SET status = excluded.status,
  number_of_attendees = excluded.number_of_attendees,
  updated_at = CASE
    WHEN (stored.status, stored.number_of_attendees) = (excluded.status, excluded.number_of_attendees)
    THEN stored.updated_at
    ELSE greatest(stored.updated_at, excluded.updated_at)
  END
RETURNING {}"""

DELETE = """WITH doomed AS (
  SELECT {}
  FROM {}
  WHERE {}
    AND {} = ANY({}::uuid[])
  ORDER BY {}, {}
  FOR UPDATE
)
DELETE FROM {}
WHERE {}
  AND {} IN (SELECT id FROM doomed)
RETURNING {}"""


class SetValues(NamedTuple):
    """What the statement that sets is bound to."""

    site: UUID
    at: datetime
    ids: Sequence[UUID]
    writes: Sequence[AttendanceWrite]


def render_set(site_id: UUID, writes: Sequence[AttendanceWrite], ids: Sequence[UUID], at: datetime) -> Statement:
    """Create or update one record for each write; a row has all columns.

    `ids` are those of records that do not exist yet, `at` the time of the writing. The rows are locked in the order
    of their keys, bytewise like the column's own, so that calls with the same keys wait for each other instead of
    deadlocking. What is set already keeps its time; a write that waited, or whose clock is behind, turns no time back.
    """
    return SET_TEMPLATE.bind(SetValues(site_id, at, ids, writes))


def build_set() -> Template:
    now = Parameter(attrgetter("at"))
    items = (
        Parameter(lambda values: list(values.ids)),
        Parameter(lambda values: [write.booking_id for write in values.writes]),
        Parameter(lambda values: [write.session_id for write in values.writes]),
        Parameter(lambda values: [write.status for write in values.writes]),
        Parameter(lambda values: [write.number_of_attendees for write in values.writes]),
    )
    return sql(SET, TABLE, SITE, ALL_COLUMNS, SITE_VALUE, now, now, *items, ALL_COLUMNS).to_template(SITE_VALUE)


def render_delete(site_id: UUID, ids: Sequence[UUID]) -> Statement:
    """Delete the records with these ids, locked in the same order as those that are set; a row has the `id`."""
    return DELETE_TEMPLATE.bind(Values(site_id, many=ids))


def build_delete() -> Template:
    key, table, same_site = COLUMNS[Property.ID], TABLE, where_site(SITE_VALUE)
    order = (COLUMNS[Property.BOOKING_ID], COLUMNS[Property.SESSION_ID])
    return sql(DELETE, key, table, same_site, key, MANY_VALUES, *order, table, same_site, key, key).to_template(
        SITE_VALUE
    )


SET_TEMPLATE = build_set()
DELETE_TEMPLATE = build_delete()
