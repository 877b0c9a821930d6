"""Bulk operations on the records of a site: store batches, export, erase, load demo data."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import UUID

from app.attendance.demo import DEMO_SITES, generate_records
from app.attendance.transfer.exporting import ExportFormat, export_records
from app.attendance.transfer.importing import BATCH_RECORDS
from app.database.failures import is_disk_full
from app.database.pool import Database
from app.database.sites import BEFORE_FIRST, erase_batch
from app.database.transfer import BatchResult, ImportRow, fetch_export, has_records, store_batch
from app.errors import OperationTimeout, ServiceUnavailable

PAUSES_SECONDS = (0.5, 2.0)

StoreSiteRows = Callable[[Database, UUID, Sequence[ImportRow]], Awaitable[BatchResult]]


async def store_rows(database: Database, site_id: UUID, rows: Sequence[ImportRow]) -> BatchResult:
    """Create or update the rows of one site, in one transaction.

    Storing rows again changes nothing, so it is retried after a lost connection or a timeout. If the answer to the
    first COMMIT was lost, its rows count as unchanged.
    """
    for pause in PAUSES_SECONDS:
        try:
            return await store_once(database, site_id, rows)
        except (ServiceUnavailable, OperationTimeout) as failure:
            if is_disk_full(failure):
                raise
            await asyncio.sleep(pause)
    return await store_once(database, site_id, rows)


async def store_once(database: Database, site_id: UUID, rows: Sequence[ImportRow]) -> BatchResult:
    async with database.connection(site_id) as connection:
        return await store_batch(connection, site_id, rows, at=datetime.now(UTC), distributed=database.is_distributed)


async def try_rows(database: Database, site_id: UUID, rows: Sequence[ImportRow]) -> BatchResult:
    """The result that `store_rows` would have on the current database; the transaction is rolled back."""
    async with database.connection(site_id) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            return await store_batch(
                connection, site_id, rows, at=datetime.now(UTC), distributed=database.is_distributed
            )
        finally:
            await transaction.rollback()


async def export_site(database: Database, site_id: UUID, output: BinaryIO, export_format: ExportFormat) -> int:
    """Write all records of a site, and return their number."""
    async with database.connection(site_id) as connection:
        return await export_records(fetch_export(connection, site_id), output, export_format)


async def erase_site(database: Database, site_id: UUID) -> int:
    """Erase the records of a site, each batch in its own transaction, and return their number."""
    total, batch = 0, BEFORE_FIRST
    while batch.last is not None:
        async with database.connection(site_id) as connection:
            batch = await erase_batch(connection, site_id, batch.last, distributed=database.is_distributed)
        total += batch.records
    return total


async def load_demo(database: Database, *, reset: bool = False) -> int:
    """Load the records of the demo sites that have none, and return how many were loaded.

    A site that has records keeps them as they are, unless `reset`: then its records are replaced.
    """
    count = 0
    for site in DEMO_SITES:
        async with database.connection(site.site_id) as connection, connection.transaction():
            if reset:
                erased = BEFORE_FIRST
                while erased.last is not None:
                    erased = await erase_batch(
                        connection, site.site_id, erased.last, distributed=database.is_distributed
                    )
            elif await has_records(connection, site.site_id):
                continue
            rows = generate_records(site)
            for start in range(0, len(rows), BATCH_RECORDS):
                batch = rows[start : start + BATCH_RECORDS]
                await store_batch(
                    connection, site.site_id, batch, at=datetime.now(UTC), distributed=database.is_distributed
                )
            count += len(rows)
    return count
