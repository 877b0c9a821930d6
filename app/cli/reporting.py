"""The command that reports a site's attendance: an overview, and the bookings and sessions that missed most."""

import sys
from collections.abc import Iterator
from functools import partial
from typing import Any
from uuid import UUID

import click
import orjson

from app.attendance.reading import Figures
from app.attendance.reporting import ReportedAbsence, ReportedAbsences, SiteReport, read_report
from app.cli.databases import provide_database, run_with_database
from app.cli.options import SITE
from app.errors import ConfigurationError
from app.plan.absences import MINIMUM_MISSED_SHARE, MINIMUM_RECORDED
from app.plan.summary import Aggregate
from app.settings import Settings

TEXT, JSON = "text", "json"
BAR_WIDTH = 20
FULL_BLOCK, PLAIN_BLOCK = "\u2588", "#"
# The names of each figure, in the text and in JSON.
FIGURE_NAMES = {
    Aggregate.TOTAL: ("records", "total"),
    Aggregate.ATTENDED: ("attended", "attended"),
    Aggregate.NOT_ATTENDED: ("not attended", "notAttended"),
    Aggregate.NOT_SET: ("not set", "notSet"),
    Aggregate.ATTENDEES: ("people who came", "numberOfAttendees"),
}


@click.command()
@SITE
@click.option(
    "--format",
    "format_name",
    type=click.Choice([TEXT, JSON]),
    default=TEXT,
    show_default=True,
    help="Tables with bars, or the same as JSON.",
)
@click.pass_obj
def report(settings: Settings, site_id: UUID, format_name: str) -> None:
    """Report a site's attendance rate and counts, and the bookings and sessions that missed most.

    The absences are those of the query `absences` with its default minimums, 20 of bookings and 20 of sessions.
    """
    with provide_database(settings) as provided:
        read = run_with_database(provided, partial(read_report, site_id=site_id))
    if not read.figures[Aggregate.TOTAL]:
        raise ConfigurationError(f"the site {site_id} has no records: `attendance sites` lists those that have")
    if format_name == JSON:
        click.echo(orjson.dumps(to_json(read), option=orjson.OPT_INDENT_2))
    else:
        encoding = sys.stdout.encoding or "ascii"
        text = "\n".join(render_report(read, choose_block(encoding)))
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def choose_block(encoding: str) -> str:
    """What bars are made of, in an encoding of a terminal."""
    try:
        FULL_BLOCK.encode(encoding)
    except (LookupError, UnicodeEncodeError):
        return PLAIN_BLOCK
    return FULL_BLOCK


def render_report(read: SiteReport, block: str) -> Iterator[str]:
    """The lines of a report."""
    figures = read.figures
    rate = compute_rate(figures)
    yield f"Site {read.site_id}"
    yield ""
    yield f"  {'attendance rate':<16} {format_rate(rate):>10}  {draw_bar(rate or 0, block)}".rstrip()
    for figure, (name, _) in FIGURE_NAMES.items():
        yield f"  {name:<16} {figures[figure]:>10,}"
    for title, absences in (("Bookings", read.bookings), ("Sessions", read.sessions)):
        yield ""
        yield (
            f"{title} missed for at least {MINIMUM_MISSED_SHARE:.0%} of {MINIMUM_RECORDED} or more recorded "
            f"attendances: {absences.count:,}"
        )
        yield from render_absences(absences, title.lower().removesuffix("s"), block)


def render_absences(absences: ReportedAbsences, subject: str, block: str) -> Iterator[str]:
    """A table of absences, with a bar for the share that was missed."""
    if not absences.absences:
        return
    yield ""
    yield f"  {'missed':>8} {'of':>8} {'share':>6}  {'':<{BAR_WIDTH}}  {subject}"
    for absence in absences.absences:
        missed, recorded = absence.figures[Aggregate.NOT_ATTENDED], count_recorded(absence.figures)
        bar = draw_bar(absence.missed_share, block)
        share = format_rate(absence.missed_share)
        yield f"  {missed:>8,} {recorded:>8,} {share:>6}  {bar:<{BAR_WIDTH}}  {show_key(absence.key)}"
    if (more := absences.count - len(absences.absences)) > 0:
        yield f"  and {more:,} more"


def show_key(key: str) -> str:
    """An id in one line: a terminal must not run what an id of a session holds."""
    return "".join([each if each.isprintable() else each.encode("unicode_escape").decode() for each in key])


def draw_bar(share: float, block: str) -> str:
    return block * round(share * BAR_WIDTH)


def count_recorded(figures: Figures) -> int:
    """How many attendances say whether anybody came."""
    return figures[Aggregate.ATTENDED] + figures[Aggregate.NOT_ATTENDED]


def compute_rate(figures: Figures) -> float | None:
    recorded = count_recorded(figures)
    return figures[Aggregate.ATTENDED] / recorded if recorded else None


def format_rate(rate: float | None) -> str:
    return "-" if rate is None else f"{rate:.0%}"


def to_json(read: SiteReport) -> dict[str, Any]:
    """A report with the names of the GraphQL schema."""
    return {
        "siteId": str(read.site_id),
        "summary": to_summary(read.figures),
        "absences": {
            "bookings": to_connection(read.bookings, "booking"),
            "sessions": to_connection(read.sessions, "session"),
        },
    }


def to_connection(absences: ReportedAbsences, subject: str) -> dict[str, Any]:
    return {"totalCount": absences.count, "nodes": [to_node(each, subject) for each in absences.absences]}


def to_node(absence: ReportedAbsence, subject: str) -> dict[str, Any]:
    summary = to_summary(absence.figures)
    return {subject: {"id": absence.key}, "missedShare": absence.missed_share, "summary": summary}


def to_summary(figures: Figures) -> dict[str, Any]:
    summary: dict[str, Any] = {name: figures[figure] for figure, (_, name) in FIGURE_NAMES.items()}
    return {**summary, "attendanceRate": compute_rate(figures)}
