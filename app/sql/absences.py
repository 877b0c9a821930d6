"""Renders a page of absences: one statement that groups the records of a site by booking or by session.

All groups of the site are counted for any page, so the statement also has the flags and the number of all absences.
"""

from collections.abc import Hashable
from operator import attrgetter
from typing import NamedTuple
from uuid import UUID

from app.bounded_cache import BoundedCache
from app.plan.absences import KEY, MISSED_SHARE, NOT_ATTENDED, AbsencePosition, AbsencesPage
from app.plan.page import list_columns
from app.plan.properties import Property
from app.plan.summary import Aggregate
from app.sql.catalogue import COLUMN_TYPES, COLUMNS, TABLE
from app.sql.conditions import where_site
from app.sql.figures import AGGREGATES
from app.sql.fragment import MOST_TEMPLATES, Fragment, Parameter, Statement, Template, join, sql
from app.sql.pages import HAS_AFTER, HAS_BEFORE
from app.sql.slices import limit
from app.sql.values import SITE_VALUE

TEMPLATES: BoundedCache[Hashable, Template] = BoundedCache(MOST_TEMPLATES)

ABSENCE_COUNT = "absence_count"
RECORDED = (Aggregate.ATTENDED, Aggregate.NOT_ATTENDED)
# Ascending order of the negatives is the order of absences, in one row comparison for each cursor.
ORDER = [sql(f"-{MISSED_SHARE}"), sql(f"-{NOT_ATTENDED}"), sql(KEY)]

ABSENCES = """WITH absence AS (
SELECT counted.*, not_attended / nullif(attended + not_attended, 0)::double precision AS missed_share
FROM (
SELECT {} AS key,
{}
FROM {}
WHERE {}
GROUP BY {}
) AS counted
WHERE attended + not_attended >= {}::bigint
  AND not_attended / nullif(attended + not_attended, 0)::double precision >= {}::double precision
)
"""


class AbsenceValues(NamedTuple):
    """The values that the statement is bound to."""

    site: UUID
    minimum_recorded: int
    minimum_missed_share: float
    after: AbsencePosition | None
    before: AbsencePosition | None


MINIMUM_RECORDED = Parameter(attrgetter("minimum_recorded"))
MINIMUM_MISSED_SHARE = Parameter(attrgetter("minimum_missed_share"))


def render_absences(site_id: UUID, plan: AbsencesPage, *, counts: bool) -> Statement:
    """A page of absences, the flags that the plan asks for, and with `counts` how many absences there are.

    A row begins with the selected columns and figures; of booking and session, the one that is not grouped by is null.
    Then come the keys of the order. If the page is empty and anything else is asked for, there is one row in which all
    these are null.
    """
    groups, size, backward, after, before, selected, *_ = plan
    shape = groups.by, size, backward, after is None, before is None, selected, counts
    template = TEMPLATES.get_or_build(shape, lambda: build_absences(plan, counts=counts))
    return template.bind(AbsenceValues(site_id, *groups[1:], after, before))


def build_absences(plan: AbsencesPage, *, counts: bool) -> Template:
    by, figures = COLUMNS[plan.groups.by], select_figures(plan)
    absences = sql(ABSENCES, by, figures, TABLE, where_site(SITE_VALUE), by, MINIMUM_RECORDED, MINIMUM_MISSED_SHARE)
    after = None if plan.after is None else bind_position(plan.groups.by, "after")
    before = None if plan.before is None else bind_position(plan.groups.by, "before")
    around = select_around(plan, after, before, counts=counts)
    if plan.row_limit == 0:
        return sql("{}SELECT {}", absences, around).to_template(SITE_VALUE)
    page = select_page(plan, after, before)
    if not around.parts:
        return sql("{}{}", absences, page).to_template(SITE_VALUE)
    template = "{}SELECT page.*, around.*\nFROM (SELECT {}) AS around\nLEFT JOIN LATERAL (\n{}\n) AS page ON TRUE"
    return sql(template, absences, around, page).to_template(SITE_VALUE)


def select_figures(plan: AbsencesPage) -> Fragment:
    """The figures of each group: the selected ones, and those that say how many records are recorded."""
    return join(",\n", [AGGREGATES[each] for each in Aggregate if each in plan.selected.row_figures.union(RECORDED)])


def select_page(plan: AbsencesPage, after: Fragment | None, before: Fragment | None) -> Fragment:
    """The first `row_limit` absences between the cursors, in order; backward, the last ones in reverse."""
    order = join(", ", ORDER)
    bounds = [] if after is None else [sql("({}) > ({})", order, after)]
    bounds += [] if before is None else [sql("({}) < ({})", order, before)]
    where = sql("WHERE {}\n", join("\n  AND ", bounds)) if bounds else sql("")
    keys = join(", ", [sql("{} DESC" if plan.backward else "{}", each) for each in ORDER])
    columns = [select_column(of, plan.groups.by) for of in list_columns(plan.selected.columns)]
    names = dict.fromkeys([*plan.selected.row[len(columns) :], MISSED_SHARE, NOT_ATTENDED, KEY])
    outputs = join(", ", [*columns, *map(sql, names)])
    return sql("SELECT {}\nFROM absence\n{}ORDER BY {}\n{}", outputs, where, keys, limit(plan.row_limit))


def select_column(of: Property, by: Property) -> Fragment:
    return sql("{} AS {}", sql(KEY) if of is by else sql("NULL::{}", COLUMN_TYPES[of]), COLUMNS[of])


def select_around(plan: AbsencesPage, after: Fragment | None, before: Fragment | None, *, counts: bool) -> Fragment:
    """What is asked for beside the page: whether absences lie beyond its cursors, and how many there are."""
    order, columns = join(", ", ORDER), []
    if plan.asks_before and after is not None:
        columns.append(sql(f"EXISTS (\nSELECT FROM absence\nWHERE ({{}}) <= ({{}})\n) AS {HAS_BEFORE}", order, after))
    if plan.asks_after and before is not None:
        columns.append(sql(f"EXISTS (\nSELECT FROM absence\nWHERE ({{}}) >= ({{}})\n) AS {HAS_AFTER}", order, before))
    if counts:
        columns.append(sql("(SELECT count(*) FROM absence) AS {}", sql(ABSENCE_COUNT)))
    return join(",\n", columns)


def bind_position(by: Property, end: str) -> Fragment:
    """A cursor's position in the order, whose parameters all its uses share; `end` is "after" or "before"."""
    share, missed, key = [Parameter(attrgetter(f"{end}.{name}")) for name in AbsencePosition._fields]
    return sql("-{}::double precision, -{}::bigint, {}::{}", share, missed, key, COLUMN_TYPES[by])
