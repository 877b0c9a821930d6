"""The database of a command: the configured one, or an embedded one."""

import asyncio
import logging
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import click

from app.database.embedded import run_embedded_postgres
from app.database.failures import CONNECT_ERRORS, describe_failure
from app.database.migrations import migrate
from app.database.owner import check_connection, refresh_statistics
from app.database.pool import Database
from app.errors import ConfigurationError
from app.settings import Settings

Result = TypeVar("Result")


@contextmanager
def provide_database(settings: Settings) -> Iterator[Settings]:
    """Settings with a database URL. Without a configured one, an embedded Postgres runs inside the block, migrated."""
    if settings.database_url is not None:
        yield settings
        return
    with run_embedded_postgres(settings.data_dir) as url:
        asyncio.run(migrate(url, row_security=settings.row_security))
        yield replace(settings, database_url=url)


def run_with_database(
    settings: Settings, use: Callable[[Database], Awaitable[Result]], *, ends_by_sigterm: bool = False
) -> Result:
    """Use an open pool: what has come of it. Raises ConfigurationError if the database is not ready for use.

    With `ends_by_sigterm`, that signal cancels the use, and CancelledError is raised.
    """
    return asyncio.run(use_database(settings, use, ends_by_sigterm=ends_by_sigterm))


async def use_database(
    settings: Settings, use: Callable[[Database], Awaitable[Result]], *, ends_by_sigterm: bool
) -> Result:
    task, url = asyncio.current_task(), settings.database_url
    assert task is not None
    assert url is not None
    if ends_by_sigterm:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    logging.getLogger("attendance.database").setLevel(logging.ERROR)  # The command itself prints what fails.
    database = Database(url, pool_size=2, row_security=settings.row_security, distributed=settings.distributed)
    await database.open()
    try:
        if (reason := await database.explain_unreadiness()) is not None:
            await check_connection(url)
            raise ConfigurationError(reason)
        return await use(database)
    finally:
        await database.close()


def analyze(settings: Settings) -> None:
    """Refresh the planner's statistics after a large change, whose outcome has been reported.

    A failure only warns: what was changed is stored, and autovacuum refreshes the statistics later.
    """
    assert settings.database_url is not None
    try:
        asyncio.run(refresh_statistics(settings.database_url))
    except (ConfigurationError, *CONNECT_ERRORS) as failure:
        click.echo(f"warning: the planner's statistics are not refreshed: {describe_failure(failure)}", err=True)
