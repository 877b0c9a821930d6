"""`python -m benchmarks [--only CASE ...]`: measures, prints the table, and writes it to docs/performance.md."""

import asyncio
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import asyncpg
import click

from app.database.embedded import run_embedded_postgres
from app.settings import Settings
from app.web.tokens import issue_token
from benchmarks.cases import list_cases
from benchmarks.data import SITES, fill_database
from benchmarks.measuring import Line, measure_case
from benchmarks.processes import run_server
from benchmarks.report import render_report
from benchmarks.transfer import TransferLine, measure_transfer

SECRET = "the secret of the benchmarks, which guards nothing"  # noqa: S105
SCOPES = ("SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS",)
REPORT = Path(__file__).parents[1] / "docs/performance.md"
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
TRANSFER = "transfer"


@click.command()
@click.option("--only", multiple=True, help="A case to measure; may be repeated. Then nothing is written to docs/.")
@click.option("--records", default=1_000_000, show_default=True, help="Records in the database, over 4 sites.")
@click.option("--rounds", default=5, show_default=True, help="Rounds of each case on each server.")
def main(only: Sequence[str], records: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory(prefix="attendance-benchmarks-") as folder:
        data_dir = Path(folder)
        with run_embedded_postgres(data_dir) as url:
            lines, transfer = run_all(url, data_dir, only, records, rounds)
    report = render_report(lines, transfer, records, rounds)
    click.echo(report)
    if not only:
        REPORT.write_text(report, encoding="utf-8")


def run_all(
    url: str, data_dir: Path, only: Sequence[str], records: int, rounds: int
) -> tuple[list[Line], list[TransferLine]]:
    sample = asyncio.run(fill_database(url, records))
    cases = [case for case in list_cases(sample) if not only or case.name in only]
    lines = []
    if cases:
        environ = Settings(database_url=url, data_dir=data_dir, jwt_secret=SECRET).as_environment()
        token = issue_token(Settings(data_dir=data_dir, jwt_secret=SECRET), SITES[0], SCOPES, hours=24)
        with (
            run_server("service", "app.web.application:create_application", environ, factory=True) as service,
            run_server("hand-written", "benchmarks.baseline:application", environ) as plain,
        ):
            for case in cases:
                click.echo(f"measuring {case.title} ...", err=True)
                lines.append(measure_case(case, service, plain, token, backends_of(url), rounds))
    transfer = measure_transfer(url, data_dir) if not only or TRANSFER in only else []
    return lines, transfer


def backends_of(url: str) -> Callable[[], list[int]]:
    """Lists Postgres's processes."""

    async def fetch() -> list[int]:
        connection = await asyncpg.connect(url)
        try:
            return [row[0] for row in await connection.fetch(BACKENDS)]
        finally:
            await connection.close()

    return lambda: asyncio.run(fetch())


if __name__ == "__main__":
    main()
