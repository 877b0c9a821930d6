"""The commands: serve, try out, migrate, move data in and out, and issue tokens."""

import asyncio
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO
from uuid import UUID

import click

from app.attendance.demo import DEMO_SITES
from app.attendance.transfer.formats import ImportFormat, guess_format
from app.attendance.transfer.importing import ImportSummary, import_records
from app.attendance.transfer.site import StoreSiteRows, export_site, load_demo, store_rows, try_rows
from app.cli.databases import analyze, open_database, provide_database
from app.cli.explaining import explain_file
from app.cli.files import open_source, rejects_path_of, show_progress
from app.database.migrations import migrate
from app.errors import BadUserInput, ConfigurationError, ServiceError
from app.observing.logs import start_logs
from app.operations.documents import build_documents
from app.plan.properties import parse_guid
from app.schema.permissions import SCOPES
from app.schema.schema import print_schema
from app.settings import Settings, load_settings
from app.web.authentication import build_authenticator
from app.web.listening import open_listeners
from app.web.server import run_server
from app.web.tokens import ensure_key, issue_token

READ_SCOPE = "SCOPE.DC-BOOKINGS.READ-BOOKINGS-SENSITIVE"
WRITE_SCOPE = "SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS"
TOKEN_HOURS = 24
DEMO_TOKEN_HOURS = 24 * 30
LONGEST_TOKEN_HOURS = 24 * 366 * 10


class Refused(click.ClickException):
    """A setting, a file or an argument that cannot be used: one line, exit code 2."""

    exit_code = 2


class Commands(click.Group):
    """The commands, whose foreseen failures are told in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as failure:
            raise Refused(" ".join(str(failure).split())) from failure
        except ServiceError as failure:
            raise click.ClickException(failure.message) from failure
        except OSError as failure:
            if isinstance(failure, BrokenPipeError):
                raise
            raise click.ClickException(failure.strerror or str(failure)) from failure


class Guid(click.ParamType[UUID]):
    """A GUID in its canonical form."""

    name = "GUID"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        try:
            return value if isinstance(value, UUID) else parse_guid(value, "--site")
        except BadUserInput:
            self.fail(f"{value!r} is not a GUID", param, ctx)


SITE = click.option("--site", "site_id", type=Guid(), required=True, help="GUID of the site.")
HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
PORT = click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")


@click.group(cls=Commands)
@click.version_option(package_name="attendance-graphql")
@click.pass_context
def main(context: click.Context) -> None:
    """Who attended which booked session: a GraphQL service on Postgres."""
    context.obj = load_settings(os.environ)


@main.command()
@HOST
@PORT
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Server processes.")
@click.pass_obj
def serve(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve GraphQL on /graphql, health on /healthz and /readyz, metrics on /metrics."""
    start_logs(settings.log_level)
    settings = ensure_key(settings)
    build_authenticator(settings)
    build_documents(settings)
    listeners = open_listeners(host, port, workers)
    with provide_database(settings) as provided:
        click.echo(f"Listening on {host}, port {port}, with {workers} worker{'s' * (workers > 1)}", err=True)
        run_server(provided, listeners)


@main.command()
@HOST
@PORT
@click.pass_obj
def demo(settings: Settings, host: str, port: int) -> None:
    """Serve demo data from an embedded Postgres, with GraphiQL and ready tokens."""
    start_logs(settings.log_level)
    settings = ensure_key(replace(settings, database_url=None, replica_url=None, introspection=True, explorer=True))
    site_id = DEMO_SITES[0].site_id
    read, write = (
        issue_token(settings, site_id, [scope], hours=DEMO_TOKEN_HOURS) for scope in (READ_SCOPE, WRITE_SCOPE)
    )
    listeners = open_listeners(host, port, workers=1)
    with provide_database(settings) as provided:
        asyncio.run(fill_demo(provided))
        analyze(provided)
        click.echo(f"GraphiQL     http://{host}:{port}/graphql\nSite         {site_id}")
        click.echo(f"Read token   {read}\nWrite token  {write}")
        run_server(replace(provided, explorer_token=write), listeners)


@main.command("migrate")
@click.pass_obj
def migrate_command(settings: Settings) -> None:
    """Bring the database up to date."""
    with provide_database(settings) as provided:
        assert provided.database_url is not None
        applied = asyncio.run(migrate(provided.database_url, row_security=provided.row_security))
    click.echo("\n".join(f"applied {name}" for name in applied) or "the database is up to date")


@main.command("import")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@SITE
@click.option(
    "--format",
    "format_name",
    type=click.Choice([each.value for each in ImportFormat]),
    help="Default: by the file's name.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and store nothing.")
@click.pass_obj
def import_command(settings: Settings, file: Path, site_id: UUID, format_name: str | None, *, dry_run: bool) -> None:
    """Import records from FILE; - is standard input. Invalid ones go to FILE.rejects.ndjson.

    To go on after an import that was stopped, run it again: what is stored already stays as it is. Of records with
    the same booking and session the last one counts.
    """
    file_format = ImportFormat(format_name) if format_name else guess_format(file.name)
    with open_source(file) as source, provide_database(settings) as provided:
        store = try_rows if dry_run else store_rows
        summary = asyncio.run(import_file(provided, site_id, file, source, file_format, store))
        analyze(provided)
    stored = f"{summary.created} created, {summary.updated} updated, {summary.unchanged} unchanged"
    click.echo(f"{'would be: ' if dry_run else ''}{stored}, {summary.rejected} rejected")
    if summary.rejected:
        click.echo(f"rejected records, each with its reason: {rejects_path_of(file)}", err=True)
        sys.exit(1)


@main.command()
@SITE
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice([scope.id for scope in SCOPES]), help="May be repeated."
)
@click.option(
    "--hours", default=TOKEN_HOURS, show_default=True, type=click.IntRange(1, LONGEST_TOKEN_HOURS), help="Lifetime."
)
@click.pass_obj
def token(settings: Settings, site_id: UUID, scopes: Sequence[str], hours: int) -> None:
    """Print a token for a site: by default one that may read and write."""
    click.echo(issue_token(ensure_key(settings), site_id, scopes or (READ_SCOPE, WRITE_SCOPE), hours=hours))


@main.command()
@click.pass_obj
def schema(settings: Settings) -> None:
    """Print the schema's definition language."""
    click.echo(print_schema(scopes=settings.federation_scopes), nl=False)


@main.command()
@SITE
@click.pass_obj
def export(settings: Settings, site_id: UUID) -> None:
    """Write all records of a site to standard output, as NDJSON that import reads."""
    with provide_database(settings) as provided:
        asyncio.run(write_site(provided, site_id, sys.stdout.buffer))


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--operation", "operation_name", help="Which operation, where the file holds several.")
@click.option("--variables", default="{}", show_default=True, help="The operation's variables, as JSON.")
@click.option(
    "--site", "site_id", type=Guid(), default=DEMO_SITES[0].site_id, show_default="the demo's", help="GUID of the site."
)
@click.option("--analyze", is_flag=True, help="Have Postgres measure each statement, not estimate it.")
@click.pass_obj
def explain(
    settings: Settings, file: Path, operation_name: str | None, variables: str, site_id: UUID, *, analyze: bool
) -> None:
    """Tell what the query in FILE costs: its plan, its SQL with EXPLAIN, and its writer; - is standard input."""
    click.echo(explain_file(settings, file, operation_name, variables, site_id, analyze=analyze), nl=False)


async def fill_demo(settings: Settings) -> None:
    async with open_database(settings) as database:
        await load_demo(database)


async def import_file(
    settings: Settings, site_id: UUID, file: Path, source: BinaryIO, file_format: ImportFormat, store: StoreSiteRows
) -> ImportSummary:
    with show_progress(file) as report_progress:
        async with open_database(settings) as database:
            return await import_records(
                source,
                file_format,
                lambda rows: store(database, site_id, rows),
                rejects_path=rejects_path_of(file),
                report_progress=report_progress,
            )


async def write_site(settings: Settings, site_id: UUID, output: BinaryIO) -> None:
    async with open_database(settings) as database:
        await export_site(database, site_id, output)
    output.flush()
