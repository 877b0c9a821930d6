"""The commands for the records of sites: import, export, sites and erase."""

import asyncio
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import click

from app.attendance.transfer.exporting import ExportFormat
from app.attendance.transfer.formats import ImportFormat, guess_format
from app.attendance.transfer.importing import ImportProgress, ImportSummary, import_records
from app.attendance.transfer.rejects import RejectLog
from app.attendance.transfer.site import StoreSiteRows, erase_site, export_site, store_rows, try_rows
from app.cli.databases import analyze, provide_database, run_with_database
from app.cli.files import STANDARD_STREAM, check_rejects, name_rejects, open_output, open_source, show_progress
from app.cli.following import follow_site
from app.cli.options import SITE
from app.database.failures import is_disk_full
from app.database.pool import Database
from app.database.sites import fetch_sites
from app.errors import ConfigurationError, ServiceError
from app.settings import Settings

REJECTED, REFUSED, STOPPED, INTERRUPTED, TERMINATED = 1, 2, 3, 130, 143
GO_ON = "to go on, run the same import again: what is stored already stays as it is"

IMPORT_HELP = """
Import records from FILE; - is standard input.

FILE is CSV with a header (separated by , ; | or tabs; UTF-8 or UTF-16), JSON (an array of records, or an object
around one), or NDJSON (one record a line).

\b
bookingId          GUID; needed
sessionId          1 to 250 characters; needed
status             NOT_SET, ATTENDED or NOT_ATTENDED; needed
numberOfAttendees  0 or more; absent: the stored number, for a new record 1
_id                GUID; absent: a new one
createdAt          ISO 8601 with offset; absent: now
updatedAt          ISO 8601 with offset; absent: now

Other columns are ignored. Of records with the same booking and session the last one counts. Records that
cannot be stored go to FILE.rejects.ndjson, each with its reason; corrected there, that file can be imported. To go
on after an import that was stopped, run it again: what is stored already stays as it is.

\b
Exit codes: 0 all records are stored; 1 some are not; 2 nothing is stored: an invalid file, setting or argument;
3 the database or the file failed during the import; 130 interrupted.

docs/data.md has the details.
"""


@click.command("import", help=IMPORT_HELP)
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@SITE
@click.option(
    "--format",
    "format_name",
    type=click.Choice([each.value for each in ImportFormat]),
    help="Default: by the file's name.",
)
@click.option(
    "--rejects",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="Where rejected records go; - is standard output. Default: FILE.rejects.ndjson.",
)
@click.option("--dry-run", is_flag=True, help="Report what would be stored, and store nothing.")
@click.pass_obj
def import_command(
    settings: Settings, file: Path, site_id: UUID, format_name: str | None, rejects: Path | None, *, dry_run: bool
) -> None:
    """Import a file, and report how many of its records were stored."""
    file_format = ImportFormat(format_name) if format_name else guess_format(file.name)
    rejects = rejects or name_rejects(file)
    run = ImportRun(file, site_id, file_format, rejects, try_rows if dry_run else store_rows)
    with open_source(file) as source:
        check_rejects(rejects, source)
        try:
            with provide_database(settings) as provided:
                summary = run_with_database(provided, partial(run.import_file, source), ends_by_sigterm=True)
                run.report_end(summary, is_dry_run=dry_run)
                analyze(provided)
        except (KeyboardInterrupt, asyncio.CancelledError) as interruption:
            is_interrupt = isinstance(interruption, KeyboardInterrupt)
            run.report_stop("it was interrupted", INTERRUPTED if is_interrupt else TERMINATED)
        except ServiceError as failure:
            is_full = is_disk_full(failure)
            run.report_stop("the database's disk is full" if is_full else failure.message.rstrip("."), STOPPED)
        except OSError as failure:
            run.report_stop(f"{file} cannot be read any further: {failure.strerror}", STOPPED)
    if run.rejects.count:
        sys.exit(REJECTED)


@dataclass
class ImportRun:
    """One import and its report."""

    file: Path
    site_id: UUID
    file_format: ImportFormat
    rejects_path: Path
    store: StoreSiteRows

    def __post_init__(self) -> None:
        self.progress = ImportProgress()
        output = open_output() if self.rejects_path == STANDARD_STREAM else None
        self.rejects = RejectLog(self.rejects_path, partial(click.echo, err=True), output=output)

    async def import_file(self, source: BinaryIO, database: Database) -> ImportSummary:
        with show_progress(self.file) as show:

            def report_progress(progress: ImportProgress) -> None:
                self.progress = progress
                show(progress)

            return await import_records(
                source,
                self.file_format,
                lambda rows: self.store(database, self.site_id, rows),
                rejects=self.rejects,
                report_progress=report_progress,
            )

    def report_stop(self, reason: str, exit_code: int) -> None:
        """Report how many records a stopped import has stored, and exit."""
        stored = self.progress.summary.stored if self.store is store_rows else 0
        click.echo(f"Error: the import stopped: {reason}; {stored:,} records are stored; {GO_ON}", err=True)
        sys.exit(exit_code)

    def report_end(self, summary: ImportSummary, *, is_dry_run: bool) -> None:
        """Report what became of the records."""
        counts = f"{summary.created} created, {summary.updated} updated, {summary.unchanged} unchanged"
        text = f"{'would be: ' if is_dry_run else ''}{counts}, {summary.rejected} rejected"
        try:
            click.echo(text, err=self.rejects_path == STANDARD_STREAM)
        except OSError as failure:
            click.echo(
                f"Error: the totals cannot be written: {failure.strerror}; the import is complete: {text}", err=True
            )
            sys.exit(STOPPED)
        if not self.rejects.count:
            return
        if not self.rejects.is_reported:
            for reason in self.rejects.reasons:
                click.echo(reason, err=True)
            if more := self.rejects.count - len(self.rejects.reasons):
                click.echo(f"and {more:,} more", err=True)
            if self.rejects_path != STANDARD_STREAM:
                click.echo(f"rejected records, each with its reason: {self.rejects_path}", err=True)


@click.command()
@SITE
@click.option(
    "--format",
    "format_name",
    type=click.Choice([each.value for each in ExportFormat]),
    default=ExportFormat.NDJSON.value,
    show_default=True,
    help="Format of the output; import reads both.",
)
@click.option("--follow", is_flag=True, help="Write changes instead, as NDJSON, and go on with what changes later.")
@click.option("--after", metavar="CURSOR", help="With --follow: write only what has changed since this cursor.")
@click.pass_obj
def export(settings: Settings, site_id: UUID, format_name: str, after: str | None, *, follow: bool) -> None:
    """Write all records of a site to standard output, as NDJSON or CSV that import reads.

    The records are a consistent snapshot, ordered by id.

    With --follow, each line is a change: its kind (SET or DELETED), the id, and the record. It begins with a full copy
    of the site and goes on until it is interrupted. Some lines have a cursor: to go on after one, pass it to --after.
    """
    if follow:
        if ExportFormat(format_name) is not ExportFormat.NDJSON:
            raise ConfigurationError("changes are written as NDJSON: leave out --format, or --follow")
        follow_site(settings, site_id, after)
        return
    if after is not None:
        raise ConfigurationError("--after is for changes: add --follow")
    with provide_database(settings) as provided:
        output, export_format = open_output(), ExportFormat(format_name)
        count = run_with_database(provided, lambda database: export_site(database, site_id, output, export_format))
        output.flush()
    if not count:
        click.echo(f"the site {site_id} has no records", err=True)


@click.command()
@click.pass_obj
def sites(settings: Settings) -> None:
    """List the sites that have records, one per line, with the number of their records."""
    with provide_database(settings) as provided:
        assert provided.database_url is not None
        counts = asyncio.run(fetch_sites(provided.database_url))
    for site_id, records in counts:
        click.echo(f"{site_id} {records}")
    if not counts:
        click.echo("no site has records", err=True)


@click.command()
@SITE
@click.option("--yes", is_flag=True, help="Confirm; without it nothing is erased.")
@click.pass_obj
def erase(settings: Settings, site_id: UUID, *, yes: bool) -> None:
    """Erase all records of one site, for good.

    Records are deleted in batches. Records that are written meanwhile may remain: stop the site's writers first. To
    finish an erasure that was interrupted, run the command again.
    """
    if not yes:
        raise ConfigurationError(f"this would erase all records of the site {site_id}: add --yes to do it")
    with provide_database(settings) as provided:
        erased = run_with_database(provided, partial(erase_site, site_id=site_id))
        click.echo(f"{erased} erased")
        analyze(provided)


TRANSFER_COMMANDS = (import_command, export, sites, erase)
