"""`attendance export --follow`: writes the changes of a site until it is interrupted."""

import asyncio
from functools import partial
from uuid import UUID

import click

from app.attendance.transfer.following import follow_changes, read_cursor
from app.cli.databases import provide_database, run_with_database
from app.cli.files import open_output
from app.errors import ConfigurationError, CursorExpired, CursorInvalid, CursorMismatch
from app.plan.changes import ChangesPosition
from app.settings import Settings

EXPIRED = (
    "deletions since this cursor may be missing, or it is ahead of the site: run it again without --after, and drop "
    "what the copy does not hold"
)


def follow_site(settings: Settings, site_id: UUID, cursor: str | None) -> None:
    """Write what has changed since a cursor, and what changes; returns when it is interrupted or told to end.

    Raises ConfigurationError for a cursor that cannot be used.
    """
    after = None if cursor is None else parse_cursor(cursor)
    report_wait = partial(click.echo, err=True)
    follow = partial(follow_changes, site_id=site_id, after=after, output=open_output(), report_wait=report_wait)
    try:
        with provide_database(settings) as provided:
            run_with_database(provided, follow, ends_by_sigterm=True)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return
    except CursorExpired as expired:
        raise ConfigurationError(EXPIRED) from expired


def parse_cursor(cursor: str) -> ChangesPosition:
    try:
        return read_cursor(cursor)
    except (CursorInvalid, CursorMismatch) as failure:
        raise ConfigurationError("--after takes a cursor of the changes of a whole site") from failure
