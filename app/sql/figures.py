"""Figures over all records that match, as the columns of one row."""

from uuid import UUID

from app.plan.order import DEFAULT_ORDER
from app.plan.summary import Aggregate, SummaryPlan
from app.sql.catalogue import TABLE
from app.sql.conditions import all_of
from app.sql.fragment import Fragment, Statement, Template, Templates, join, sql
from app.sql.slices import Source, find_records
from app.sql.values import SITE_VALUE, shape_summary, values_of_summary

TEMPLATES = Templates()

AGGREGATES = {
    Aggregate.TOTAL: sql("count(*) AS total"),
    Aggregate.ATTENDED: sql("count(*) FILTER (WHERE status = 'ATTENDED') AS attended"),
    Aggregate.NOT_ATTENDED: sql("count(*) FILTER (WHERE status = 'NOT_ATTENDED') AS not_attended"),
    Aggregate.NOT_SET: sql("count(*) FILTER (WHERE status = 'NOT_SET') AS not_set"),
    Aggregate.ATTENDEES: sql("coalesce(sum(number_of_attendees), 0)::bigint AS attendees"),
}


def render_summary(site_id: UUID, plan: SummaryPlan) -> Statement:
    """The figures over all matching records, in one row."""
    return TEMPLATES.find(shape_summary(plan), lambda: build_summary(plan)).bind(values_of_summary(site_id, plan))


def build_summary(plan: SummaryPlan) -> Template:
    source = find_records(SITE_VALUE, plan.perspective, plan.condition, DEFAULT_ORDER)
    return select_figures(source, plan).to_template(SITE_VALUE)


def select_figures(source: Source, plan: SummaryPlan) -> Fragment:
    """The plan's figures over the records of a source."""
    figures = join(", ", [AGGREGATES[figure] for figure in Aggregate if figure in plan.aggregates])
    conditions = all_of((*source.found, *source.checked))
    if source.values is None:
        return sql("SELECT {}\nFROM {}\nWHERE {}", figures, TABLE, conditions)
    template = "SELECT {}\nFROM {}\nCROSS JOIN LATERAL (SELECT * FROM {} WHERE {} OFFSET 0) AS slice"
    return sql(template, figures, source.values, TABLE, conditions)
