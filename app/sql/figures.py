"""Figures over all records that match, as the columns of one row."""

from collections.abc import Hashable
from uuid import UUID

from app.bounded_cache import BoundedCache
from app.plan.order import DEFAULT_ORDER
from app.plan.properties import Property
from app.plan.summary import Aggregate, SummaryPlan
from app.sql.catalogue import TABLE, TOTALS
from app.sql.conditions import all_of, where_site
from app.sql.fragment import MOST_TEMPLATES, Fragment, Statement, Template, join, sql
from app.sql.slices import Source, find_records
from app.sql.values import SITE_VALUE, Values

TEMPLATES: BoundedCache[Hashable, Template] = BoundedCache(MOST_TEMPLATES)


def define_aggregates(counted: Fragment, condition: Fragment) -> dict[Aggregate, Fragment]:
    """Each figure as an output column; `counted` is what counts, `condition` one more of those who came."""
    statuses = {figure: figure.upper() for figure in (Aggregate.ATTENDED, Aggregate.NOT_ATTENDED, Aggregate.NOT_SET)}
    return {
        Aggregate.TOTAL: sql("count({}) AS total", counted),
        **{
            figure: sql("count({}) FILTER (WHERE status = '{}') AS {}", counted, sql(status), sql(figure))
            for figure, status in statuses.items()
        },
        Aggregate.ATTENDEES: sql(
            "coalesce(sum(number_of_attendees) FILTER (WHERE status = 'ATTENDED'{}), 0)::bigint AS attendees", condition
        ),
    }


AGGREGATES = define_aggregates(sql("*"), sql(""))
# The same, naming the id, which is never null. The index of keys has all other columns that figures need: a planner
# that expects few records of a site would search all of them there, and not in the index of the slice.
SLICE_AGGREGATES = define_aggregates(sql("id"), sql(" AND id IS NOT NULL"))
# The same in the table of totals, whose columns are named as the figures are.
TOTAL_COLUMNS = {figure: sql(figure) for figure in Aggregate} | {
    Aggregate.TOTAL: sql("not_set + attended + not_attended AS total")
}
KNOWN = "SELECT {}\nFROM {}\nWHERE {} AND is_counted"
# The condition does not depend on the records, so that Postgres reads none if the totals are known. It stands outside
# of the count, before Postgres starts the processes that share a large one.
WHOLE_SITE = """{}
UNION ALL
SELECT *
FROM (SELECT {} FROM {} WHERE {}) AS counted
WHERE NOT EXISTS (
{}
)"""
# The index of keys begins with the booking.
SLICES_OF_KEYS = (None, Property.BOOKING_ID)


def render_summary(site_id: UUID, plan: SummaryPlan) -> Statement:
    """The figures over all matching records, in one row."""
    shape, values = split_summary(site_id, plan)
    return TEMPLATES.get_or_build(shape, lambda: build_summary(plan)).bind(values)


def split_summary(site_id: UUID, plan: SummaryPlan) -> tuple[Hashable, Values]:
    """The shape of a plan, which all plans with the same statement text share, and the values of this plan."""
    perspective, filter_, aggregates = plan
    of, of_value = (None, None) if perspective is None else perspective
    compared, value = (None, None) if filter_ is None else (filter_[:2], filter_[2])
    return (of, compared, aggregates), Values(site_id, of_value, value)


def build_summary(plan: SummaryPlan) -> Template:
    if plan.perspective is None and plan.filter is None:
        return select_totals(plan).to_template(SITE_VALUE)
    source = find_records(SITE_VALUE, plan.perspective, plan.filter, DEFAULT_ORDER)
    return select_figures(source, plan).to_template(SITE_VALUE)


def select_totals(plan: SummaryPlan) -> Fragment:
    """The plan's figures over a whole site: its totals, or its records if they are not counted yet."""
    selected = [figure for figure in Aggregate if figure in plan.aggregates]
    same_site = where_site(SITE_VALUE)
    totals = sql(KNOWN, join(", ", [TOTAL_COLUMNS[figure] for figure in selected]), TOTALS, same_site)
    figures = join(", ", [AGGREGATES[figure] for figure in selected])
    known = sql(KNOWN, sql("TRUE"), TOTALS, same_site)
    return sql(WHOLE_SITE, totals, figures, TABLE, same_site, known)


def select_figures(source: Source, plan: SummaryPlan) -> Fragment:
    """The plan's figures over the records of a source."""
    aggregates = AGGREGATES if source.slice_of in SLICES_OF_KEYS else SLICE_AGGREGATES
    figures = join(", ", [aggregates[figure] for figure in Aggregate if figure in plan.aggregates])
    conditions = all_of((*source.found, *source.checked))
    if source.values is None:
        return sql("SELECT {}\nFROM {}\nWHERE {}", figures, TABLE, conditions)
    template = "SELECT {}\nFROM {}\nCROSS JOIN LATERAL (SELECT * FROM {} WHERE {} OFFSET 0) AS slice"
    return sql(template, figures, source.values, TABLE, conditions)
