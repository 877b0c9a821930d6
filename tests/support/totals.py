"""The totals of sites as they are stored, as a query reads them, and as a count of the records has them."""

from typing import Any
from uuid import UUID

from app.attendance.reading import AttendanceReader
from app.attendance.statistics import QueryStatistics
from app.database.pool import Database
from app.plan.summary import Aggregate, SummaryPlan

FIGURES = SummaryPlan(None, None, frozenset(Aggregate))
STORED = """
SELECT not_set, attended, not_attended, attendees, not_set + attended + not_attended AS total
FROM site_totals WHERE site_id = $1 AND is_counted
"""
COUNTED = """
SELECT count(*) FILTER (WHERE status = 'NOT_SET') AS not_set,
    count(*) FILTER (WHERE status = 'ATTENDED') AS attended,
    count(*) FILTER (WHERE status = 'NOT_ATTENDED') AS not_attended,
    coalesce(sum(number_of_attendees) FILTER (WHERE status = 'ATTENDED'), 0)::bigint AS attendees,
    count(*) AS total
FROM attendance WHERE site_id = $1
"""

Totals = dict[str, int]


async def read_stored(connection: Any, site_id: UUID) -> Totals | None:
    """The totals that are stored; None for a site that is not counted."""
    row = await connection.fetchrow(STORED, site_id)
    return None if row is None else dict(row)


async def count_records(connection: Any, site_id: UUID) -> Totals:
    return dict(await connection.fetchrow(COUNTED, site_id))


async def read_figures(database: Database, site_id: UUID) -> Totals:
    """The figures of a query over the whole site."""
    figures = await AttendanceReader(database, site_id, QueryStatistics()).read_summary(FIGURES)
    return {str(name): value for name, value in figures.items()}
