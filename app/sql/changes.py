"""Renders a batch of changes: records and deletions in one order, with the site's revision, by one statement."""

from collections.abc import Hashable
from typing import NamedTuple
from uuid import UUID

from app.bounded_cache import BoundedCache
from app.plan.changes import BEGINNING, ChangesPlan, ChangesPosition
from app.plan.properties import Property, Value
from app.sql.catalogue import (
    COLUMN_TYPES,
    COLUMNS,
    DELETED_AT,
    DELETIONS,
    PRUNED_THROUGH,
    REVISION,
    REVISIONS,
    TABLE,
    name_texts,
)
from app.sql.conditions import all_of, where_site
from app.sql.fragment import MOST_TEMPLATES, Fragment, Parameter, Statement, Template, join, sql
from app.sql.slices import PERSPECTIVE_VALUE, hide_value, limit, where_slice
from app.sql.values import SITE_VALUE

TEMPLATES: BoundedCache[Hashable, Template] = BoundedCache(MOST_TEMPLATES)

SITE_REVISION, PRUNED = "site_revision", "pruned_through"
IS_DELETED = "is_deleted"
# Up to so many revisions behind, a perspective's changes are found among all of the site. Further behind, there may
# be many others, and the perspective's own records are sorted instead.
NEAR_REVISIONS = 200
AFTER_REVISION = Parameter(lambda values: values.after.revision)
AFTER_ID = Parameter(lambda values: values.after.id)

SITE = """(
SELECT coalesce(max({}), 0) AS site_revision, coalesce(max({}), 0) AS pruned_through
FROM {}
WHERE {}
) AS site"""
CHANGES = """SELECT change.*, site.*
FROM {}
LEFT JOIN LATERAL (
SELECT {}, is_deleted, {}
FROM (
{}
ORDER BY {}
{}
) AS change
) AS change ON TRUE"""
SOURCE = """(SELECT {}, {} AS is_deleted, {}
FROM {}
WHERE {}
ORDER BY {}
{})"""


class ChangesValues(NamedTuple):
    """The values that a batch is bound to."""

    site: UUID
    perspective: Value | None
    after: ChangesPosition


def render_changes(
    site_id: UUID, plan: ChangesPlan, columns: tuple[Property, ...], *, all_deletions: bool = False
) -> Statement:
    """The changes after the plan's position, and one more if there is one, each with the site's revision.

    A deletion is left out if a record with its id is back, of the same perspective, unless `all_deletions` are wanted.

    A row begins with the columns, which include the id, GUIDs as texts. Those of a deletion are null but for its id,
    booking and session, and the time of the deletion as `updated_at`. If nothing has changed, there is one row whose id
    is null.
    """
    of, value = (None, None) if plan.perspective is None else plan.perspective
    shape = of, plan.row_limit, columns, all_deletions
    template = TEMPLATES.get_or_build(shape, lambda: build_changes(plan, columns, all_deletions=all_deletions))
    return template.bind(ChangesValues(site_id, value, plan.after or BEGINNING))


def build_changes(plan: ChangesPlan, columns: tuple[Property, ...], *, all_deletions: bool) -> Template:
    site = sql(SITE, REVISION, PRUNED_THROUGH, REVISIONS, where_site(SITE_VALUE))
    if plan.row_limit == 0:
        return sql("SELECT site.*\nFROM {}", site).to_template(SITE_VALUE)
    sources = join("\nUNION ALL\n", select_sources(plan, columns, all_deletions=all_deletions))
    changes = sql(CHANGES, site, name_texts(columns), REVISION, sources, ORDER, limit(plan.row_limit))
    return changes.to_template(SITE_VALUE)


def select_sources(plan: ChangesPlan, columns: tuple[Property, ...], *, all_deletions: bool) -> list[Fragment]:
    """The first records and the first deletions after the position, each in the order of its index."""
    kept = join(", ", [COLUMNS[of] for of in columns])
    gone = join(", ", [sql("{} AS {}", DELETION_COLUMNS.get(of, NULL), COLUMNS[of]) for of in columns])
    found = (where_site(SITE_VALUE), WHERE_AFTER)
    most = limit(plan.row_limit)

    def select(outputs: Fragment, deleted: Fragment, table: Fragment, *conditions: Fragment) -> Fragment:
        return sql(SOURCE, outputs, deleted, REVISION, table, all_of(conditions), ORDER, most)

    if plan.perspective is None:
        gone_for_good = () if all_deletions else (where_gone(),)
        return [select(kept, FALSE, TABLE, *found), select(gone, TRUE, NAMED_DELETIONS, *found, *gone_for_good)]
    of = plan.perspective.of
    is_own = sql("{} = {}::{}", COLUMNS[of], PERSPECTIVE_VALUE, COLUMN_TYPES[of])
    # A deletion without a session is told to all: see DELETE in `writes.py`.
    was_own = sql("{} OR {} = ''", is_own, COLUMNS[Property.SESSION_ID])
    own = all_of((where_site(SITE_VALUE), where_slice(of, hide_value(of, PERSPECTIVE_VALUE))))
    records = sql("(\nSELECT * FROM {} WHERE {} OFFSET 0\n) AS records", TABLE, own)
    return [
        select(kept, FALSE, TABLE, *found, sql(CHECK, is_own), sql("{}", IS_NEAR)),
        select(kept, FALSE, records, WHERE_AFTER, sql("NOT {}", IS_NEAR)),
        select(gone, TRUE, NAMED_DELETIONS, *found, sql(CHECK, was_own), where_gone(is_own)),
    ]


def where_gone(*conditions: Fragment) -> Fragment:
    """The condition that a deletion's id is not that of a record which is there, of those with the conditions.

    `OFFSET 0` keeps the planner from reading all records for it.
    """
    return sql(GONE, TABLE, all_of([where_site(SITE_VALUE), SAME_ID, *conditions]))


FALSE, TRUE, NULL = sql("FALSE"), sql("TRUE"), sql("NULL")
DELETION_COLUMNS = {
    **{of: COLUMNS[of] for of in (Property.ID, Property.BOOKING_ID, Property.SESSION_ID)},
    Property.UPDATED_AT: DELETED_AT,
}
# The planner takes this to be true of every second row, so it goes through the index of revisions. It would sort all
# changes of the site if it knew how few they are.
CHECK = "CASE WHEN {} THEN TRUE ELSE FALSE END"
NAMED_DELETIONS = sql("{} AS deletion", DELETIONS)
GONE = "NOT EXISTS (\nSELECT FROM {} AS back WHERE {} OFFSET 0\n)"
SAME_ID = sql("back.{} = deletion.{}", COLUMNS[Property.ID], COLUMNS[Property.ID])
ORDER = sql("{}, {}", REVISION, COLUMNS[Property.ID])
WHERE_AFTER = sql("({}, {}) > ({}::bigint, {}::uuid)", REVISION, COLUMNS[Property.ID], AFTER_REVISION, AFTER_ID)
IS_NEAR = sql(f"(site.site_revision - {{}}::bigint <= {NEAR_REVISIONS})", AFTER_REVISION)
