"""Statements that read records by their ids."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from app.plan.properties import Property
from app.sql.catalogue import COLUMNS, TABLE
from app.sql.conditions import all_of, where_site
from app.sql.fragment import Statement, Template, Templates, join, sql
from app.sql.slices import WANTED, unnest_values, where_slice
from app.sql.values import MANY_VALUES, SITE_VALUE, Values

TEMPLATES = Templates()


def render_records(site_id: UUID, ids: Sequence[UUID], columns: Iterable[Property]) -> Statement:
    """The records with these ids; a row has `id` and the columns.

    Each id is looked up behind its LIMIT: to a list of ids the planner may prefer reading the whole site.
    """
    needed = frozenset({Property.ID, *columns})
    return TEMPLATES.find(needed, lambda: build_records(needed)).bind(Values(site_id, many=ids))


def build_records(needed: frozenset[Property]) -> Template:
    selected = join(", ", [COLUMNS[of] for of in Property if of in needed])
    conditions = all_of((where_site(SITE_VALUE), where_slice(Property.ID, WANTED)))
    return sql(
        "SELECT record.*\nFROM {}\nCROSS JOIN LATERAL (\nSELECT {}\nFROM {}\nWHERE {}\nLIMIT 1\n) AS record",
        unnest_values(Property.ID, MANY_VALUES),
        selected,
        TABLE,
        conditions,
    ).to_template(SITE_VALUE)
