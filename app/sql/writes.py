"""Renders the statements that set and delete records, for one item or for many.

Each statement raises the counter of its site first, and holds the counter's row until it commits: see "Revisions" in
docs/architecture.md. It has waited for the writer before it, but its snapshot is older. `ON CONFLICT` and `FOR UPDATE`
see the newest rows all the same; a plain read would not.

Records are locked in the order of their keys, as the version without the counter locks them, so that writers of both
versions do not deadlock while one replaces the other.
"""

from collections.abc import Hashable, Iterator, Sequence
from datetime import datetime
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from app.bounded_cache import BoundedCache
from app.plan.properties import Property
from app.plan.write import WriteColumns
from app.sql.arrays import write_array
from app.sql.catalogue import COLUMNS, DELETIONS, REVISIONS, SITE, TABLE, name_texts
from app.sql.conditions import where_site
from app.sql.fragment import MOST_TEMPLATES, Parameter, Statement, Template, join, sql
from app.sql.values import SITE_VALUE

SITE_NAME = "site"
SITE_REVISION = "site_revision"  # That of the write, also if it has changed nothing.
DEFAULT_NUMBER = 1
SETS: BoundedCache[Hashable, Template] = BoundedCache(MOST_TEMPLATES)
# The columns that SET inserts, in the order of its SELECT.
WRITTEN = (
    Property.ID,
    Property.BOOKING_ID,
    Property.SESSION_ID,
    Property.STATUS,
    Property.NUMBER_OF_ATTENDEES,
    Property.CREATED_AT,
    Property.UPDATED_AT,
)

SET = """WITH clock AS (
  INSERT INTO {} AS counter (site_id, revision)
  VALUES ({}, 1)
  ON CONFLICT (site_id) DO UPDATE SET revision = counter.revision + 1
  RETURNING revision
)
INSERT INTO {} AS stored ({}, {}, revision)
SELECT {}::uuid, item.id, item.booking_id, item.session_id, item.status, item.number_of_attendees, {}, {},
  (SELECT revision FROM clock)
FROM unnest({}::text::uuid[], {}::text::uuid[], {}::text::text[], {}::text::text[], {}::text::integer[])
  AS item (id, booking_id, session_id, status, number_of_attendees)
ORDER BY item.booking_id, item.session_id COLLATE "C"
ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
SET status = excluded.status,
  number_of_attendees = {},
  updated_at = CASE
    WHEN (stored.status, stored.number_of_attendees) = (excluded.status, {})
    THEN stored.updated_at
    ELSE greatest(stored.updated_at, excluded.updated_at)
  END,
  revision = CASE
    WHEN (stored.status, stored.number_of_attendees) = (excluded.status, {})
    THEN stored.revision
    ELSE excluded.revision
  END
RETURNING {}, (SELECT revision FROM clock) AS site_revision"""

NUMBER = """CASE
    WHEN excluded.id = ANY((SELECT {}::text::uuid[])::uuid[]) THEN stored.number_of_attendees
    ELSE excluded.number_of_attendees
  END"""

# It prunes up to 200 old deletions and adds at most 100, so that their number shrinks. Of a record that was back for
# another booking or session there is a deletion already: those of both learn of the new one, which has no session then.
# Nothing rests on the plain reads of deletions: whoever pruned some of them since has raised the counter's mark, too.
DELETE = """WITH clock AS (
  INSERT INTO {} AS counter (site_id, revision, deletions_pruned_through)
  SELECT {}::uuid, 1, coalesce(max(revision) FILTER (WHERE deleted_at < {}), 0)
  FROM (SELECT revision, deleted_at FROM {} WHERE {} ORDER BY revision, id LIMIT 200) AS oldest
  ON CONFLICT (site_id) DO UPDATE
  SET revision = counter.revision + 1,
    deletions_pruned_through = greatest(counter.deletions_pruned_through, excluded.deletions_pruned_through)
  RETURNING revision, deletions_pruned_through
), locked AS (
  SELECT id FROM {}
  WHERE {}
    AND id = ANY({}::text::uuid[])
    AND (SELECT revision FROM clock) > 0
  ORDER BY booking_id, session_id
  FOR UPDATE
), deleted AS (
  DELETE FROM {}
  WHERE {}
    AND id IN (SELECT id FROM locked)
  RETURNING id, booking_id, session_id
), pruned AS (
  DELETE FROM {}
  WHERE {}
    AND revision <= (SELECT deletions_pruned_through FROM clock)
    AND id IN (SELECT id FROM {} WHERE {} ORDER BY revision, id LIMIT 200)
), noted AS (
  INSERT INTO {} AS known ({}, revision, id, booking_id, session_id, deleted_at)
  SELECT {}::uuid, (SELECT revision FROM clock), id, booking_id, session_id, {}
  FROM deleted
  ON CONFLICT (site_id, id) DO UPDATE
  SET revision = excluded.revision,
    booking_id = excluded.booking_id,
    session_id = CASE
      WHEN (known.booking_id, known.session_id) = (excluded.booking_id, excluded.session_id)
      THEN excluded.session_id
      ELSE ''
    END,
    deleted_at = excluded.deleted_at
  RETURNING id
)
SELECT noted.id::text, clock.revision AS site_revision
FROM clock
LEFT JOIN noted ON TRUE"""

# The same as functions of a database that Citus distributes. Citus takes the statements above apart.
CALL_SET = """SELECT {}, site_revision
FROM attendance_set_1({}, {}, {}, {}, {}, {}, {}, {})"""
CALL_DELETE = """SELECT id::text, site_revision
FROM attendance_delete_3({}, {}, {}, {})"""


class SetValues(NamedTuple):
    """The values that SET is bound to: the text of an array for each column, and for the ids of items without a number.

    The latter are compared with each stored record, so SET reads them in a sub-select, which runs once.
    """

    site: UUID
    at: datetime
    ids: str
    booking_ids: str
    session_ids: str
    statuses: str
    numbers: str
    ids_without_number: str


class DeleteValues(NamedTuple):
    """The values that DELETE is bound to, `ids` as the text of an array.

    Deletions that are known since `kept_since` are kept.
    """

    site: UUID
    at: datetime
    kept_since: datetime
    ids: str


def render_set(
    site_id: UUID,
    writes: WriteColumns,
    ids: Sequence[str],
    at: datetime,
    columns: tuple[Property, ...],
    *,
    distributed: bool = False,
) -> Statement:
    """Create or update a record for each write; a returned row has these columns, GUIDs as texts, and SITE_REVISION.

    `ids` are the ids for records that do not exist yet, `at` is the time of the write. A write without a number keeps
    the stored number; a new record gets 1. The revision and `updated_at` change only if the status or the number does;
    `updated_at` never goes back, even if the write waited or the clock is behind.
    """
    booking_ids, session_ids, statuses, numbers = writes
    ids_without_number: list[str] = []
    if None in numbers:
        ids_without_number = [each for each, number in zip(ids, numbers, strict=True) if number is None]
        numbers = [DEFAULT_NUMBER if number is None else number for number in numbers]
    texts = map(write_array, (ids, booking_ids, session_ids, statuses, numbers, ids_without_number))
    values = SetValues._make((site_id, at, *texts))
    build = build_set_call if distributed else build_set
    return SETS.get_or_build((distributed, columns), lambda: build(columns)).bind(values)


def build_set_call(columns: tuple[Property, ...]) -> Template:
    return sql(CALL_SET, name_texts(columns), SITE_VALUE, *name_values(SetValues)).to_template(SITE_VALUE)


def name_values(values: type[NamedTuple]) -> Iterator[Parameter]:
    """A parameter for each value but the site."""
    return (Parameter(attrgetter(name)) for name in values._fields if name != SITE_NAME)


def build_set(columns: tuple[Property, ...]) -> Template:
    now, *items, ids_without_number = name_values(SetValues)
    number = sql(NUMBER, ids_without_number)
    written, outputs = join(", ", [COLUMNS[of] for of in WRITTEN]), name_texts(columns)
    new = (TABLE, SITE, written, SITE_VALUE, now, now)
    template = sql(SET, REVISIONS, SITE_VALUE, *new, *items, number, number, number, outputs)
    return template.to_template(SITE_VALUE)


def render_delete(
    site_id: UUID, ids: Sequence[str], at: datetime, kept_since: datetime, *, distributed: bool = False
) -> Statement:
    """Delete the records with these ids at a time, and note the deletions.

    A returned row has the `id` as text, and SITE_REVISION; if nothing was deleted, one row has no id. Some
    of the site's deletions from before `kept_since` are pruned.
    """
    template = DELETE_CALL_TEMPLATE if distributed else DELETE_TEMPLATE
    return template.bind(DeleteValues(site_id, at, kept_since, write_array(ids)))


def build_delete() -> Template:
    at, kept_since, ids = name_values(DeleteValues)
    same_site = where_site(SITE_VALUE)
    clock = (REVISIONS, SITE_VALUE, kept_since, DELETIONS, same_site)
    deleted = (TABLE, same_site, ids, TABLE, same_site)
    pruned, noted = (DELETIONS, same_site, DELETIONS, same_site), (DELETIONS, SITE, SITE_VALUE, at)
    return sql(DELETE, *clock, *deleted, *pruned, *noted).to_template(SITE_VALUE)


DELETE_TEMPLATE = build_delete()
DELETE_CALL_TEMPLATE = sql(CALL_DELETE, SITE_VALUE, *name_values(DeleteValues)).to_template(SITE_VALUE)
