"""Plans of pages as statements: one for a page, and one for the same connection of any number of parents."""

from collections.abc import Sequence
from uuid import UUID

from app.plan.page import CursorsWanted, PagePlan
from app.plan.properties import Property, Value
from app.plan.summary import SummaryPlan
from app.sql.catalogue import COLUMNS, name_texts
from app.sql.conditions import (
    Bound,
    bound_at,
    where_beyond,
    where_from,
    where_short_of,
)
from app.sql.figures import select_figures
from app.sql.fragment import Fragment, Statement, Template, Templates, join, sql
from app.sql.slices import (
    WANTED,
    Source,
    check_filter,
    find_records,
    find_slice,
    select_any,
    select_records,
    unnest_values,
)
from app.sql.values import MANY_VALUES, SITE_VALUE, shape_page, shape_summary, values_of

PAGES = Templates()
CONNECTIONS = Templates()

HAS_BEFORE = "has_before"
HAS_AFTER = "has_after"
PARENT_POSITION = "parent_position"


def render_page(site_id: UUID, plan: PagePlan) -> Statement:
    """One page, with what lies beyond its cursors where the plan asks for it.

    A row begins with the plan's columns; those of an empty page are null where the look beyond the cursors needs a row.
    """
    return PAGES.find(shape_page(plan), lambda: build_page(plan)).bind(values_of(site_id, plan))


def build_page(plan: PagePlan) -> Template:
    """The joined page keeps its order: without a join condition, a nested loop is the only join there is."""
    site = SITE_VALUE
    source = find_records(site, plan.perspective, plan.condition, plan.order)
    after, before = bound_page(source, plan)
    neighbours = select_neighbours(source, plan, after, before)
    if plan.row_limit == 0:
        return sql("SELECT {}", neighbours).to_template(site)
    page = select_page(source, plan, after, before)
    if not neighbours.parts:
        return page.to_template(site)
    template = "SELECT page.*, neighbours.*\nFROM (SELECT {}) AS neighbours\nLEFT JOIN LATERAL (\n{}\n) AS page ON TRUE"
    return sql(template, neighbours, page).to_template(site)


def render_connections(
    site_id: UUID, of: Property, parents: Sequence[Value], plan: PagePlan, summary: SummaryPlan
) -> Statement:
    """The same page and figures for each of the parents, which are bookings or sessions as `of` says.

    A row begins with the plan's columns, null for an empty page; then it has the parent's position in `parents`,
    counted from 1, and the figures. Where no cursors are wanted, which are made of GUIDs, GUIDs are texts. The plans
    are of one connection: their filters are one.
    """
    shape = (of, shape_page(plan), shape_summary(summary))
    template = CONNECTIONS.find(shape, lambda: build_connections(of, plan, summary))
    return template.bind(values_of(site_id, plan, parents))


def build_connections(of: Property, plan: PagePlan, summary: SummaryPlan) -> Template:
    """The neighbours' OFFSET 0 keeps them from being looked up again for each row of a page."""
    site = SITE_VALUE
    source = find_slice(site, of, WANTED, plan.order, check_filter(plan.condition))
    after, before = bound_page(source, plan)
    sources, outputs = [unnest_values(of, MANY_VALUES)], [select_outputs(plan)] if plan.row_limit > 0 else []
    outputs.append(sql(f"wanted.position AS {PARENT_POSITION}"))
    if summary.aggregates:
        figures = select_figures(find_slice(site, of, WANTED, plan.order, check_filter(summary.condition)), summary)
        sources.append(sql("CROSS JOIN LATERAL (\n{}\n) AS figures", figures))
        outputs.append(sql("figures.*"))
    neighbours = select_neighbours(source, plan, after, before)
    if neighbours.parts:
        sources.append(sql("CROSS JOIN LATERAL (SELECT {} OFFSET 0) AS neighbours", neighbours))
        outputs.append(sql("neighbours.*"))
    if plan.row_limit > 0:
        page = select_page(source, plan, after, before)
        sources.append(sql("LEFT JOIN LATERAL (\n{}\n) AS page ON TRUE", page))
    return sql("SELECT {}\nFROM {}", join(", ", outputs), join("\n", sources)).to_template(site)


def select_outputs(plan: PagePlan) -> Fragment:
    return name_texts(plan.columns) if plan.wants.cursors is CursorsWanted.NONE else sql("page.*")


def bound_page(source: Source, plan: PagePlan) -> tuple[Bound | None, Bound | None]:
    """The bounds at the cursors after and before which the page lies."""
    after = None if plan.after is None else bound_at(plan.order, "after", source.order)
    before = None if plan.before is None else bound_at(plan.order, "before", source.order)
    return after, before


def select_page(source: Source, plan: PagePlan, after: Bound | None, before: Bound | None) -> Fragment:
    """The rows of a page: as many as it holds from the near bound on, without those that lie beyond the far one.

    Inside the search a second bound would let the planner expect a range of few records, and sort it.
    """
    near, far = (before, after) if plan.backward else (after, before)
    columns = join(", ", [COLUMNS[of] for of in plan.columns])
    bounds = where_beyond(near, backward=plan.backward)
    rows = select_records(columns, source, bounds, backward=plan.backward, most=plan.row_limit)
    if far is None:
        return rows
    return sql("SELECT *\nFROM (\n{}\n) AS found\nWHERE {}", rows, where_short_of(far, backward=plan.backward))


def select_neighbours(source: Source, plan: PagePlan, after: Bound | None, before: Bound | None) -> Fragment:
    """Whether a record lies beyond the cursors, as columns; empty where the plan doesn't ask."""
    looks = []
    if plan.asks_before and after is not None:
        look = select_any(source, where_from(after, backward=True), backward=True)
        looks.append(sql("({}) AS " + HAS_BEFORE, look))
    if plan.asks_after and before is not None:
        look = select_any(source, where_from(before, backward=False), backward=False)
        looks.append(sql("({}) AS " + HAS_AFTER, look))
    return join(", ", looks)
