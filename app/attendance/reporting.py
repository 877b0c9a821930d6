"""Reads the report of a site: what its attendances add up to, and the bookings and sessions that missed most."""

from dataclasses import dataclass
from uuid import UUID

from app.attendance.reading import AttendanceReader, Figures
from app.attendance.statistics import QueryStatistics
from app.database.pool import Database, Row
from app.plan.absences import MINIMUM_MISSED_SHARE, MINIMUM_RECORDED, MISSED_SHARE, plan_absences
from app.plan.page import PageArguments, PageSelection
from app.plan.properties import Property
from app.plan.summary import Aggregate, SummaryPlan

MOST_ABSENCES = 20
ALL_FIGURES = frozenset(Aggregate)
COUNT = frozenset({Aggregate.TOTAL})


@dataclass(frozen=True, slots=True)
class ReportedAbsence:
    """A booking or a session, by its id, and how much of it was missed."""

    key: str
    missed_share: float
    figures: Figures


@dataclass(frozen=True, slots=True)
class ReportedAbsences:
    """The first absences of bookings or of sessions, and how many there are in all."""

    absences: tuple[ReportedAbsence, ...]
    count: int


@dataclass(frozen=True, slots=True)
class SiteReport:
    """What `attendance report` shows of a site."""

    site_id: UUID
    figures: Figures
    bookings: ReportedAbsences
    sessions: ReportedAbsences


async def read_report(database: Database, site_id: UUID) -> SiteReport:
    """The report of a site; of one without records, all figures are 0."""
    reader = AttendanceReader(database, site_id, QueryStatistics())
    return SiteReport(
        site_id,
        await reader.read_summary(SummaryPlan(None, None, ALL_FIGURES)),
        await read_absences(reader, Property.BOOKING_ID),
        await read_absences(reader, Property.SESSION_ID),
    )


async def read_absences(reader: AttendanceReader, by: Property) -> ReportedAbsences:
    """The absences that a query with default minimums gives."""
    plan = plan_absences(by, MINIMUM_RECORDED, MINIMUM_MISSED_SHARE, PageArguments(first=MOST_ABSENCES))
    selected = PageSelection(rows=True, columns=frozenset({by}), row_figures=ALL_FIGURES)
    rows, *_, figures, _ = await reader.read_connection(plan.select(selected), COUNT)
    return ReportedAbsences(tuple(build_absence(row, by) for row in rows), figures[Aggregate.TOTAL])


def build_absence(row: Row, by: Property) -> ReportedAbsence:
    return ReportedAbsence(str(row[by]), row[MISSED_SHARE], {figure: row[figure] for figure in Aggregate})
