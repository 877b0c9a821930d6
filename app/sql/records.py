"""Renders the statements that read records by their ids."""

from collections.abc import Hashable, Sequence
from uuid import UUID

from app.bounded_cache import BoundedCache
from app.plan.page import list_columns
from app.plan.properties import Property
from app.sql.catalogue import COLUMNS, TABLE, name_texts
from app.sql.conditions import all_of, where_site
from app.sql.fragment import MOST_TEMPLATES, Statement, Template, join, sql
from app.sql.slices import WANTED, unnest_values, where_slice
from app.sql.values import MANY_VALUES, SITE_VALUE, Values

TEMPLATES: BoundedCache[Hashable, Template] = BoundedCache(MOST_TEMPLATES)


def render_records(site_id: UUID, ids: Sequence[str], columns: frozenset[Property]) -> Statement:
    """The records with these ids; a row has `id` and the columns, GUIDs as texts.

    Each id has its own sub-select with LIMIT 1: for a list of ids, the planner may choose to read the whole site.
    """
    return TEMPLATES.get_or_build(columns, lambda: build_records(columns)).bind(Values(site_id, many=ids))


def build_records(selected: frozenset[Property]) -> Template:
    columns = list_columns(selected | {Property.ID})
    conditions = all_of((where_site(SITE_VALUE), where_slice(Property.ID, WANTED)))
    return sql(
        "SELECT {}\nFROM {}\nCROSS JOIN LATERAL (\nSELECT {}\nFROM {}\nWHERE {}\nLIMIT 1\n) AS record",
        name_texts(columns),
        unnest_values(Property.ID, MANY_VALUES),
        join(", ", [COLUMNS[of] for of in columns]),
        TABLE,
        conditions,
    ).to_template(SITE_VALUE)
