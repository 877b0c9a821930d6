"""Figures over all records that match, as the columns of one row."""

from collections.abc import Sequence
from uuid import UUID

from app.plan.summary import Aggregate, SummaryPlan
from app.sql.catalogue import TABLE
from app.sql.conditions import all_of, where_filter, where_perspective, where_site
from app.sql.fragment import Fragment, Parameter, Statement, join, sql

AGGREGATES = {
    Aggregate.TOTAL: sql("count(*) AS total"),
    Aggregate.ATTENDED: sql("count(*) FILTER (WHERE status = 'ATTENDED') AS attended"),
    Aggregate.NOT_ATTENDED: sql("count(*) FILTER (WHERE status = 'NOT_ATTENDED') AS not_attended"),
    Aggregate.NOT_SET: sql("count(*) FILTER (WHERE status = 'NOT_SET') AS not_set"),
    Aggregate.ATTENDEES: sql("coalesce(sum(number_of_attendees), 0)::bigint AS attendees"),
}


def render_summary(site_id: UUID, plan: SummaryPlan) -> Statement:
    """The figures over all matching records, in one row."""
    site = Parameter(site_id)
    return select_figures((where_site(site), *where_perspective(plan.perspective)), plan).to_statement(site)


def select_figures(scope: Sequence[Fragment], plan: SummaryPlan) -> Fragment:
    """The plan's figures over the records of the scope that pass its filter."""
    figures = join(", ", [AGGREGATES[figure] for figure in Aggregate if figure in plan.aggregates])
    return sql("SELECT {}\nFROM {}\nWHERE {}", figures, TABLE, all_of((*scope, *where_filter(plan.condition))))
