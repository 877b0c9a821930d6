"""`attendance export --follow`: writes the changes of a site until it is interrupted."""

import asyncio
import signal
import sys
from functools import partial
from uuid import UUID

import click

from app.attendance.transfer.following import follow_changes, read_cursor
from app.cli.databases import open_database, provide_database
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
    try:
        with provide_database(settings) as provided:
            asyncio.run(write_changes(provided, site_id, after))
    except (KeyboardInterrupt, asyncio.CancelledError):
        return
    except CursorExpired as expired:
        raise ConfigurationError(EXPIRED) from expired


def parse_cursor(cursor: str) -> ChangesPosition:
    try:
        return read_cursor(cursor)
    except (CursorInvalid, CursorMismatch) as failure:
        raise ConfigurationError("--after takes a cursor of the changes of a whole site") from failure


async def write_changes(settings: Settings, site_id: UUID, after: ChangesPosition | None) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    async with open_database(settings) as database:
        await follow_changes(database, site_id, after, sys.stdout.buffer, partial(click.echo, err=True))
