"""Statements that read records by their ids."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from app.plan.properties import Property
from app.sql.catalogue import COLUMNS, TABLE
from app.sql.conditions import all_of, where_site
from app.sql.fragment import Parameter, Statement, join, sql
from app.sql.slices import WANTED, unnest_values, where_slice


def render_records(site_id: UUID, ids: Sequence[UUID], columns: Iterable[Property]) -> Statement:
    """The records with these ids; a row has `id` and the columns.

    Each id is looked up behind its LIMIT: to a list of ids the planner may prefer reading the whole site.
    """
    site = Parameter(site_id)
    needed = {Property.ID, *columns}
    selected = join(", ", [COLUMNS[of] for of in Property if of in needed])
    conditions = all_of((where_site(site), where_slice(Property.ID, WANTED)))
    return sql(
        "SELECT record.*\nFROM {}\nCROSS JOIN LATERAL (\nSELECT {}\nFROM {}\nWHERE {}\nLIMIT 1\n) AS record",
        unnest_values(Property.ID, ids),
        selected,
        TABLE,
        conditions,
    ).to_statement(site)
