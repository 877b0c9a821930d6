"""`attendance demo`: fills an embedded Postgres with demo data, and prints addresses, tokens and an example."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import click

from app.attendance.demo import DEMO_SITES, DemoSite
from app.attendance.transfer.site import load_demo
from app.cli.databases import analyze, provide_database, run_with_database
from app.observing.logs import start_logs
from app.settings import Settings
from app.web.auth.tokens import ensure_key, issue_token
from app.web.cors import add_own_origins, build_cors_policy
from app.web.explorer.page import NOT_BUNDLED, is_bundled
from app.web.monitoring import check_tracing
from app.web.serving.listeners import format_url, open_listeners
from app.web.serving.server import run_server

READ_SCOPE = "SCOPE.DC-BOOKINGS.READ-BOOKINGS-SENSITIVE"
WRITE_SCOPE = "SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS"
TOKEN_HOURS = 24 * 30
FIRST_SITE = ("Site", "Read token", "Write token")
SECOND_SITE = ("Second site", "Its read token", "Its write token")
EXAMPLE = "{ attendances(first: 3) { totalCount nodes { sessionId status numberOfAttendees } } }"


def run_demo(settings: Settings, host: str, port: int, *, reset: bool) -> None:
    """Serve the demo until the process is stopped. `reset` replaces the records of the demo's sites.

    Progress goes to standard error; addresses and tokens go to standard output. Raises ConfigurationError if the
    service cannot listen or has no key, and OSError or ServiceError if Postgres cannot run.
    """
    start_logs(settings.log_level)
    settings = replace(settings, database_url=None, replica_url=None, distributed=False)
    settings = ensure_key(replace(settings, introspection=True, explorer=True))
    tokens = {site: issue_tokens(settings, site) for site in DEMO_SITES}
    check_tracing(settings, os.environ)
    listeners = open_listeners(host, port)
    url = format_url(host, listeners)
    settings = replace(settings, cors_origins=add_own_origins(settings.cors_origins, url))
    build_cors_policy(settings)
    click.echo(f"Starting an embedded Postgres; its data is in {settings.data_dir}", err=True)
    with provide_database(settings) as provided:
        click.echo("Replacing the demo's records" if reset else "Checking the demo's records", err=True)
        if count := run_with_database(provided, partial(load_demo, reset=reset)):
            click.echo(f"Loaded {count:,} records", err=True)
        analyze(provided)
        click.echo("Starting the service\n", err=True)
        for line in describe_demo(url, tokens, settings):
            click.echo(line)
        run_server(replace(provided, explorer_token=tokens[DEMO_SITES[0]][1]), listeners)


def issue_tokens(settings: Settings, site: DemoSite) -> tuple[str, str]:
    """A token that may read and one that may write."""
    read, write = (
        issue_token(settings, site.site_id, [scope], hours=TOKEN_HOURS) for scope in (READ_SCOPE, WRITE_SCOPE)
    )
    return read, write


def describe_demo(url: str, tokens: dict[DemoSite, tuple[str, str]], settings: Settings) -> Iterator[str]:
    """The lines that show the demo's address, how to call it, and how to stop it."""
    first, second = DEMO_SITES
    yield f"Start page        {url}/"
    yield f"GraphiQL          {url}/graphql"
    if not is_bundled():
        yield f"                  {NOT_BUNDLED}"
    for names, site in ((FIRST_SITE, first), (SECOND_SITE, second)):
        yield ""
        for name, value in zip(names, (site.site_id, *tokens[site]), strict=True):
            yield f"{name:<17} {value}"
    yield ""
    yield f"Example           {write_curl(url, tokens[first][0])}"
    yield ""
    yield f"To stop           press Ctrl-C; the data stays in {settings.data_dir}"
    yield "To start anew     attendance demo --reset"


def write_curl(url: str, token: str) -> str:
    """A command for a shell that sends the example query."""
    body = json.dumps({"query": EXAMPLE})
    return f"curl -s {url}/graphql -H 'Authorization: Bearer {token}' -H 'Content-Type: application/json' -d '{body}'"
