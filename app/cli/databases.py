"""The database that a command works with: the configured one, or an embedded one."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from app.database.embedded import run_embedded_postgres
from app.database.migrations import check_connection, migrate, refresh_statistics
from app.database.pool import Database
from app.errors import ConfigurationError
from app.settings import Settings


@contextmanager
def provide_database(settings: Settings) -> Iterator[Settings]:
    """Settings with the URL of a database: the configured one, or an embedded one, which is migrated at once."""
    if settings.database_url is not None:
        yield settings
        return
    with run_embedded_postgres(settings.data_dir) as url:
        asyncio.run(migrate(url, row_security=settings.row_security))
        yield replace(settings, database_url=url)


@asynccontextmanager
async def open_database(settings: Settings) -> AsyncIterator[Database]:
    """The service's pool. Raises ConfigurationError when the database cannot be worked with."""
    assert settings.database_url is not None
    logging.getLogger("attendance.database").setLevel(logging.ERROR)  # What fails, the command itself tells.
    database = Database(settings.database_url, pool_size=2, row_security=settings.row_security)
    await database.open()
    try:
        if (reason := await database.explain_unreadiness()) is not None:
            await check_connection(settings.database_url)
            raise ConfigurationError(reason)
        yield database
    finally:
        await database.close()


def analyze(settings: Settings) -> None:
    """Have Postgres look at what a large change has made of the table."""
    assert settings.database_url is not None
    asyncio.run(refresh_statistics(settings.database_url))
