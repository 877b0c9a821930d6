"""Renders page plans as statements: one for a page, and one for the same connection of any number of parents."""

from collections.abc import Hashable, Sequence
from uuid import UUID

from app.bounded_cache import BoundedCache
from app.plan.page import CursorSelection, PagePlan
from app.plan.properties import Property, Value
from app.plan.summary import SummaryPlan
from app.sql.catalogue import COLUMNS, REVISION, REVISIONS, name_texts
from app.sql.conditions import (
    Bound,
    bound_at,
    where_beyond,
    where_from,
    where_short_of,
    where_site,
)
from app.sql.figures import select_figures
from app.sql.fragment import MOST_TEMPLATES, Fragment, Statement, Template, join, sql
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
from app.sql.values import MANY_VALUES, SITE_VALUE, Values

PAGES: BoundedCache[Hashable, Template] = BoundedCache(MOST_TEMPLATES)
CONNECTIONS: BoundedCache[Hashable, Template] = BoundedCache(MOST_TEMPLATES)

BOOKING = Property.BOOKING_ID
HAS_BEFORE = "has_before"
HAS_AFTER = "has_after"
SITE_REVISION = "site_revision"
SELECT_REVISION = sql("SELECT {} FROM {} WHERE {}", REVISION, REVISIONS, where_site(SITE_VALUE))
PARENT_POSITION = "parent_position"


def render_page(site_id: UUID, plan: PagePlan) -> Statement:
    """One page, and whether records lie beyond its cursors, if the plan asks for it.

    A row begins with the plan's columns. If the page is empty and the plan asks for neighbours, they are null.
    """
    shape, values = split_page(site_id, plan)
    return PAGES.get_or_build(shape, lambda: build_page(plan)).bind(values)


def split_page(site_id: UUID, plan: PagePlan, many: Sequence[Value] = ()) -> tuple[Hashable, Values]:
    """The shape of a plan, which all plans with the same statement text share, and the values of this plan."""
    perspective, filter_, order, size, backward, after, before, selected, *_ = plan
    of, of_value = (None, None) if perspective is None else perspective
    compared, value = (None, None) if filter_ is None else (filter_[:2], filter_[2])
    shape = of, compared, order, size, backward, after is None, before is None, selected
    return shape, Values(site_id, of_value, value, after, before, many)


def build_page(plan: PagePlan) -> Template:
    """The LEFT JOIN keeps the order of the page: without a join condition, Postgres can only use a nested loop."""
    site = SITE_VALUE
    source = find_records(site, plan.perspective, plan.filter, plan.order)
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
    counted from 1, and the figures. GUIDs are texts, unless cursors are selected, which are encoded from UUIDs. Both
    plans are of one connection, so they have the same filter.
    """
    shape, values = split_page(site_id, plan, parents)
    template = CONNECTIONS.get_or_build((of, shape, summary.aggregates), lambda: build_connections(of, plan, summary))
    return template.bind(values)


def build_connections(of: Property, plan: PagePlan, summary: SummaryPlan) -> Template:
    """OFFSET 0 keeps Postgres from probing the neighbours again for each row of a page."""
    site = SITE_VALUE
    source = find_slice(site, of, WANTED, plan.order, check_filter(plan.filter))
    after, before = bound_page(source, plan)
    sources, outputs = [unnest_values(of, MANY_VALUES)], [select_outputs(plan)] if plan.row_limit > 0 else []
    outputs.append(sql(f"wanted.position AS {PARENT_POSITION}"))
    if summary.aggregates:
        figures = select_figures(find_slice(site, of, WANTED, plan.order, check_filter(summary.filter)), summary)
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
    return name_texts(plan.columns) if plan.selected.cursors is CursorSelection.NONE else sql("page.*")


def bound_page(source: Source, plan: PagePlan) -> tuple[Bound | None, Bound | None]:
    """The bounds at the page's cursors `after` and `before`."""
    after = None if plan.after is None else bound_at(plan.order, "after", source.order)
    before = None if plan.before is None else bound_at(plan.order, "before", source.order)
    return after, before


def select_page(source: Source, plan: PagePlan, after: Bound | None, before: Bound | None) -> Fragment:
    """The rows of a page: the first `row_limit` rows from the near bound on, without those beyond the far bound.

    The far bound is checked outside of the search: inside, the planner would expect few records, and sort them.
    """
    near, far = (before, after) if plan.backward else (after, before)
    columns = select_columns(source, plan)
    bounds = where_beyond(near, backward=plan.backward)
    rows = select_records(columns, source, bounds, backward=plan.backward, most=plan.row_limit)
    if far is None:
        return rows
    return sql("SELECT *\nFROM (\n{}\n) AS found\nWHERE {}", rows, where_short_of(far, backward=plan.backward))


def select_columns(source: Source, plan: PagePlan) -> Fragment:
    """The columns of a page. A booking is cast to text unless it is a key of the order: a UUID costs more to write.

    It is not cast where more records are read than the page has, because all of them would be.
    """
    if source.values is None and not source.must_be_sorted and all(key.of is not BOOKING for key in plan.order):
        return join(", ", [name_texts([of]) if of is BOOKING else COLUMNS[of] for of in plan.columns])
    return join(", ", [COLUMNS[of] for of in plan.columns])


def select_neighbours(source: Source, plan: PagePlan, after: Bound | None, before: Bound | None) -> Fragment:
    """Whether a record lies beyond each cursor, and the site's revision, as columns; empty if the plan needs none."""
    probes = []
    if plan.selected.revision:
        probes.append(sql("coalesce(({}), 0) AS " + SITE_REVISION, SELECT_REVISION))
    if plan.asks_before and after is not None:
        probe = select_any(source, where_from(after, backward=True), backward=True)
        probes.append(sql("({}) AS " + HAS_BEFORE, probe))
    if plan.asks_after and before is not None:
        probe = select_any(source, where_from(before, backward=False), backward=False)
        probes.append(sql("({}) AS " + HAS_AFTER, probe))
    return join(", ", probes)
