"""The `attendance` command and its subcommands."""

import asyncio
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import click

from app.attendance.demo import DEMO_SITES
from app.cli.checking import check
from app.cli.databases import provide_database
from app.cli.demonstrating import READ_SCOPE, WRITE_SCOPE, run_demo
from app.cli.explaining import explain_file
from app.cli.options import SITE, Guid
from app.cli.reporting import report
from app.cli.transfer_commands import TRANSFER_COMMANDS
from app.database.failures import is_disk_full
from app.database.migrations import migrate
from app.database.sites import restart_followers
from app.documents.documents import build_documents
from app.errors import ConfigurationError, ServiceError
from app.observing.logs import start_logs
from app.schema.permissions import SCOPES
from app.schema.schema import print_schema
from app.settings import Settings, load_settings
from app.web.auth.authentication import build_authenticator
from app.web.auth.tokens import ensure_key, issue_token
from app.web.cors import build_cors_policy
from app.web.monitoring import check_tracing
from app.web.serving.listeners import format_url, open_listeners
from app.web.serving.server import run_server

TOKEN_HOURS = 24
SEGMENT_BYTES = 16 * 1024 * 1024  # of Postgres's log, which grows by as much at once
DISK_FULL = "the database's disk is full: free some space on it"
MAX_TOKEN_HOURS = 24 * 366 * 10


class InvalidUsage(click.ClickException):
    """An invalid setting, file or argument: one line, exit code 2."""

    exit_code = 2


class Commands(click.Group):
    """The commands. They report expected failures in one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ConfigurationError as failure:
            raise InvalidUsage(" ".join(str(failure).split())) from failure
        except ServiceError as failure:
            raise click.ClickException(describe_failure(failure, ctx.obj)) from failure
        except OSError as failure:
            if isinstance(failure, BrokenPipeError):
                raise
            raise click.ClickException(failure.strerror or str(failure)) from failure


def describe_failure(failure: ServiceError, settings: Settings) -> str:
    """An expected failure in one line. The embedded Postgres ends when it has no space for its next segment."""
    if settings.database_url is None and shutil.disk_usage(settings.data_dir).free < SEGMENT_BYTES:
        return f"no space is left on the disk of {settings.data_dir}; free some, or set ATTENDANCE_DATA_DIR to another"
    return DISK_FULL if is_disk_full(failure) else failure.message


HOST = click.option(
    "--host", show_default="ATTENDANCE_HOST, else 127.0.0.1", help="Address to listen on; :: is all, of both families."
)
PORT = click.option("--port", default=8000, show_default=True, type=click.IntRange(1, 65535), help="Port to listen on.")


@click.group(cls=Commands)
@click.version_option(package_name="attendance-graphql")
@click.pass_context
def main(context: click.Context) -> None:
    """Who attended which booked session: a GraphQL service on Postgres."""
    if context.invoked_subcommand != check.name:  # It reports wrong settings itself.
        context.obj = load_settings(os.environ)


for command in (check, report, *TRANSFER_COMMANDS):
    main.add_command(command)


@main.command()
@HOST
@PORT
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 256), help="Server processes.")
@click.pass_obj
def serve(settings: Settings, host: str | None, port: int, workers: int) -> None:
    """Serve GraphQL on /graphql, health on /healthz and /readyz, metrics on /metrics."""
    start_logs(settings.log_level)
    settings = ensure_key(settings)
    build_authenticator(settings)
    build_documents(settings)
    build_cors_policy(settings)
    check_tracing(settings, os.environ)
    listeners = open_listeners(host or settings.host, port)
    with provide_database(settings) as provided:
        url = format_url(host or settings.host, listeners)
        click.echo(f"Listening on {url}, with {workers} worker{'s' * (workers > 1)}", err=True)
        run_server(provided, listeners, workers)


@main.command()
@HOST
@PORT
@click.option("--reset", is_flag=True, help="Replace the records of the demo's sites with new ones.")
@click.pass_obj
def demo(settings: Settings, host: str | None, port: int, *, reset: bool) -> None:
    """Serve demo data from an embedded Postgres, with GraphiQL and ready tokens."""
    run_demo(settings, host or settings.host, port, reset=reset)


@main.command("migrate")
@click.option(
    "--distributed",
    is_flag=True,
    help="Distribute the tables by site, on the coordinator of a Citus cluster; as ATTENDANCE_DISTRIBUTED=on does.",
)
@click.option(
    "--restart-followers",
    "restarts",
    is_flag=True,
    help="Let all who follow changes begin again, as after a restored backup.",
)
@click.pass_obj
def migrate_command(settings: Settings, *, distributed: bool, restarts: bool) -> None:
    """Bring the database up to date."""
    if distributed:
        settings = load_settings({**os.environ, "ATTENDANCE_DISTRIBUTED": "on"})
    with provide_database(settings) as provided:
        assert provided.database_url is not None
        applied = asyncio.run(
            migrate(provided.database_url, row_security=provided.row_security, distributed=provided.distributed)
        )
        click.echo("\n".join(f"applied {name}" for name in applied) or "the database is up to date")
        if provided.distributed:
            click.echo("the tables are distributed by site")
        if restarts:
            count = asyncio.run(restart_followers(provided.database_url))
            click.echo(f"the followers of {count} sites begin again")


@main.command()
@SITE
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice([scope.id for scope in SCOPES]), help="May be repeated."
)
@click.option(
    "--hours", default=TOKEN_HOURS, show_default=True, type=click.IntRange(1, MAX_TOKEN_HOURS), help="Lifetime."
)
@click.pass_obj
def token(settings: Settings, site_id: UUID, scopes: Sequence[str], hours: int) -> None:
    """Print a token for a site, by default with read and write access."""
    click.echo(issue_token(ensure_key(settings), site_id, scopes or (READ_SCOPE, WRITE_SCOPE), hours=hours))


@main.command()
@click.pass_obj
def schema(settings: Settings) -> None:
    """Print the schema's definition language."""
    click.echo(print_schema(scopes=settings.federation_scopes), nl=False)


@main.command()
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--operation", "operation_name", help="Which operation, where the file holds several.")
@click.option("--variables", default="{}", show_default=True, help="The operation's variables, as JSON.")
@click.option(
    "--site", "site_id", type=Guid(), default=DEMO_SITES[0].site_id, show_default="the demo's", help="GUID of the site."
)
@click.option("--analyze", is_flag=True, help="Run each statement with EXPLAIN ANALYZE.")
@click.pass_obj
def explain(
    settings: Settings, file: Path, operation_name: str | None, variables: str, site_id: UUID, *, analyze: bool
) -> None:
    """Explain what the query in FILE costs: its plan, its SQL with EXPLAIN, and its writer; - is standard input."""
    click.echo(explain_file(settings, file, operation_name, variables, site_id, analyze=analyze), nl=False)
