"""Plans of pages as statements: one for a page, and one for the same connection of any number of parents."""

from collections.abc import Sequence
from uuid import UUID

from app.plan.order import DEFAULT_ORDER
from app.plan.page import PagePlan
from app.plan.properties import Property, Value
from app.plan.summary import SummaryPlan
from app.sql.catalogue import COLUMN_TYPES, COLUMNS, TABLE
from app.sql.conditions import (
    Bound,
    all_of,
    bound_at,
    order_by,
    where_after,
    where_before,
    where_filter,
    where_not_after,
    where_not_before,
    where_perspective,
    where_site,
)
from app.sql.figures import select_figures
from app.sql.fragment import Fragment, Parameter, Statement, join, sql

HAS_BEFORE = "has_before"
HAS_AFTER = "has_after"
PARENT_POSITION = "parent_position"


def render_page(site_id: UUID, plan: PagePlan) -> Statement:
    """One page, with what lies beyond its cursors where the plan asks for it.

    A row has the plan's columns; those of an empty page are null where the look beyond the cursors needs a row.
    The joined page keeps its order: without a join condition, a nested loop is the only join there is.
    """
    site = Parameter(site_id)
    after, before = bound_at(plan.order, plan.after), bound_at(plan.order, plan.before)
    scope = (where_site(site), *where_perspective(plan.perspective))
    neighbours = select_neighbours((*scope, *where_filter(plan.condition)), plan, after, before)
    if plan.row_limit == 0:
        return sql("SELECT {}", neighbours).to_statement(site)
    rows = select_merged_rows if reads_values_apart(plan) else select_rows
    page = rows(scope, plan, after, before)
    if not neighbours.parts:
        return page.to_statement(site)
    template = "SELECT neighbours.*, page.*\nFROM (SELECT {}) AS neighbours\nLEFT JOIN LATERAL (\n{}\n) AS page ON TRUE"
    return sql(template, neighbours, page).to_statement(site)


def render_connections(
    site_id: UUID, of: Property, parents: Sequence[Value], plan: PagePlan, summary: SummaryPlan
) -> Statement:
    """The same page and figures for each of the parents, which are bookings or sessions as `of` says.

    A row has the parent's position in `parents`, counted from 1, the figures, and the plan's columns, null for an
    empty page. The neighbours' OFFSET 0 keeps them from being looked up again for each row of a page.
    """
    site = Parameter(site_id)
    after, before = bound_at(plan.order, plan.after), bound_at(plan.order, plan.before)
    scope = (where_site(site), sql("{} = wanted.value", COLUMNS[of]))
    sources, outputs = [unnest_values(of, parents)], [sql(f"wanted.position AS {PARENT_POSITION}")]
    if summary.aggregates:
        sources.append(sql("CROSS JOIN LATERAL (\n{}\n) AS figures", select_figures(scope, summary)))
        outputs.append(sql("figures.*"))
    neighbours = select_neighbours((*scope, *where_filter(plan.condition)), plan, after, before)
    if neighbours.parts:
        sources.append(sql("CROSS JOIN LATERAL (SELECT {} OFFSET 0) AS neighbours", neighbours))
        outputs.append(sql("neighbours.*"))
    if plan.row_limit > 0:
        page = select_rows(scope, plan, after, before)
        sources.append(sql("LEFT JOIN LATERAL (\n{}\n) AS page ON TRUE", page))
        outputs.append(sql("page.*"))
    return sql("SELECT {}\nFROM {}", join(", ", outputs), join("\n", sources)).to_statement(site)


def unnest_values(of: Property, values: Sequence[Value]) -> Fragment:
    template = "unnest({}::{}[]) WITH ORDINALITY AS wanted (value, position)"
    return sql(template, Parameter(list(values)), COLUMN_TYPES[of])


def select_rows(scope: Sequence[Fragment], plan: PagePlan, after: Bound | None, before: Bound | None) -> Fragment:
    """The rows of a page, by one range of one order."""
    conditions = (*scope, *where_filter(plan.condition), *where_after(after), *where_before(before))
    return sql(
        "SELECT {}\nFROM {}\nWHERE {}\nORDER BY {}\nLIMIT {}",
        select_columns(plan),
        TABLE,
        all_of(conditions),
        order_by(plan.order, backward=plan.backward),
        limit(plan),
    )


def reads_values_apart(plan: PagePlan) -> bool:
    """Whether an `in` over the whole site is read value by value.

    In the default order each value's rows come sorted from its index, so no value costs more than a page. Read at
    once they would be sorted together, or the whole site would be searched for them in order.
    """
    is_list = plan.condition is not None and isinstance(plan.condition.value, tuple)
    reads_by_id = plan.condition is not None and plan.condition.of is Property.ID
    return is_list and not reads_by_id and plan.perspective is None and plan.order == DEFAULT_ORDER


def select_merged_rows(
    scope: Sequence[Fragment], plan: PagePlan, after: Bound | None, before: Bound | None
) -> Fragment:
    """The rows of a page of an `in` filter, as the first rows of the pages of its values."""
    assert plan.condition is not None
    assert isinstance(plan.condition.value, tuple)
    of = plan.condition.of
    matches = (*scope, sql("{} = wanted.value", COLUMNS[of]), *where_after(after), *where_before(before))
    order = order_by(plan.order, backward=plan.backward)
    one_value = sql(
        "SELECT {}\nFROM {}\nWHERE {}\nORDER BY {}\nLIMIT {}",
        select_columns(plan),
        TABLE,
        all_of(matches),
        order,
        limit(plan),
    )
    template = "SELECT page.*\nFROM {}\nCROSS JOIN LATERAL (\n{}\n) AS page\nORDER BY {}\nLIMIT {}"
    return sql(template, unnest_values(of, plan.condition.value), one_value, order, limit(plan))


def select_neighbours(
    conditions: Sequence[Fragment], plan: PagePlan, after: Bound | None, before: Bound | None
) -> Fragment:
    """Whether a record lies beyond the cursors, as columns; empty where the plan doesn't ask.

    An ordered look at one row, and not EXISTS, whose ORDER BY the planner would drop: it must start at the cursor.
    """
    looks = []
    if plan.asks_before and after is not None:
        looks.append(look_beyond((*conditions, where_not_after(after)), plan, HAS_BEFORE, backward=True))
    if plan.asks_after and before is not None:
        looks.append(look_beyond((*conditions, where_not_before(before)), plan, HAS_AFTER, backward=False))
    return join(", ", looks)


def look_beyond(conditions: Sequence[Fragment], plan: PagePlan, name: str, *, backward: bool) -> Fragment:
    order = order_by(plan.order, backward=backward)
    look = sql("(SELECT TRUE FROM {} WHERE {} ORDER BY {} LIMIT 1)", TABLE, all_of(conditions), order)
    return sql("{} AS {}", look, sql(name))


def select_columns(plan: PagePlan) -> Fragment:
    return join(", ", [COLUMNS[of] for of in plan.columns])


def limit(plan: PagePlan) -> Fragment:
    """The row limit as a part of the text: the planner must know it, or it would plan for a tenth of the table."""
    return sql(str(int(plan.row_limit)))
