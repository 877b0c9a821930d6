"""Statements that read records by their ids."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from app.plan.properties import Property
from app.sql.catalogue import COLUMNS, TABLE
from app.sql.conditions import all_of, where_site
from app.sql.fragment import Parameter, Statement, join, sql


def render_records(site_id: UUID, ids: Sequence[UUID], columns: Iterable[Property]) -> Statement:
    """The records with these ids, in no particular order; a row has `id` and the columns."""
    site = Parameter(site_id)
    needed = {Property.ID, *columns}
    selected = join(", ", [COLUMNS[of] for of in Property if of in needed])
    conditions = (where_site(site), sql("{} = ANY({}::uuid[])", COLUMNS[Property.ID], Parameter(list(ids))))
    return sql("SELECT {}\nFROM {}\nWHERE {}", selected, TABLE, all_of(conditions)).to_statement(site)
