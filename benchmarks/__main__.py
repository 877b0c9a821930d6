"""`python -m benchmarks [--only GROUP ...] [--peers]`: measures, prints, and writes docs/performance.md."""

import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from app.database.embedded import run_embedded_postgres
from app.settings import Settings
from benchmarks.conditions import describe_conditions
from benchmarks.peers import measure_peers
from benchmarks.report import render_report
from benchmarks.running import GROUPS, run_groups

REPORT = Path(__file__).parents[1] / "docs/performance.md"
# Each site must have 1,000 bookings, and more than 100 records of one session.
FEWEST_RECORDS = 40_000


@click.command()
@click.option(
    "--only",
    multiple=True,
    type=click.Choice(GROUPS),
    help="A group to measure; may be repeated. Then nothing is written to docs/.",
)
@click.option(
    "--peers",
    is_flag=True,
    help="Measure Mercurius and PostGraphile, too, in the cases that they have. Needs Node.js and npm.",
)
@click.option(
    "--records",
    default=1_000_000,
    show_default=True,
    type=click.IntRange(FEWEST_RECORDS),
    help="Records in the database, over 4 sites.",
)
@click.option(
    "--rounds", default=5, show_default=True, type=click.IntRange(1), help="Rounds of each case on each server."
)
def main(only: Sequence[str], peers: bool, records: int, rounds: int) -> None:  # noqa: FBT001 (click)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # Else what was started would run on.
    with tempfile.TemporaryDirectory(prefix="attendance-benchmarks-") as folder:
        data_dir = Path(folder)
        with run_embedded_postgres(data_dir) as url:
            results = run_groups(url, data_dir, only or GROUPS, records, rounds)
            conditions = describe_conditions(url, Settings(data_dir=data_dir))
            report = render_report(results, conditions, records, rounds, [])
            click.echo(report)
            if peers:
                lines = measure_peers(url, data_dir, results.sample, only or GROUPS, rounds)
                report = render_report(results, conditions, records, rounds, lines)
                click.echo(report)
    if not only:
        REPORT.write_text(report, encoding="utf-8")


if __name__ == "__main__":
    main()
