"""A site's records in bulk, by the service's own pool: stored in batches, written out, filled with demo data."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import BinaryIO
from uuid import UUID

from app.attendance.demo import DEMO_SITES, generate_records
from app.attendance.transfer.exporting import export_records
from app.attendance.transfer.importing import BATCH_RECORDS
from app.database.pool import Database
from app.database.transfer import BatchResult, ImportRow, fetch_export, has_records, store_batch

StoreSiteRows = Callable[[Database, UUID, Sequence[ImportRow]], Awaitable[BatchResult]]


async def store_rows(database: Database, site_id: UUID, rows: Sequence[ImportRow]) -> BatchResult:
    """Create or update the rows of one site, in one transaction."""
    async with database.connection(site_id) as connection:
        return await store_batch(connection, site_id, rows, at=datetime.now(UTC))


async def try_rows(database: Database, site_id: UUID, rows: Sequence[ImportRow]) -> BatchResult:
    """What `store_rows` would do, on the database as it is; nothing of it stays."""
    async with database.connection(site_id) as connection:
        transaction = connection.transaction()
        await transaction.start()
        try:
            return await store_batch(connection, site_id, rows, at=datetime.now(UTC))
        finally:
            await transaction.rollback()


async def export_site(database: Database, site_id: UUID, output: BinaryIO) -> int:
    """Write all records of a site as NDJSON; gives their number."""
    async with database.connection(site_id) as connection:
        return await export_records(fetch_export(connection, site_id), output)


async def load_demo(database: Database) -> None:
    """Fill the demo sites that hold nothing yet; what somebody has changed in the others stays."""
    for site in DEMO_SITES:
        async with database.connection(site.site_id) as connection, connection.transaction():
            if not await has_records(connection, site.site_id):
                rows = generate_records(site)
                for start in range(0, len(rows), BATCH_RECORDS):
                    batch = rows[start : start + BATCH_RECORDS]
                    await store_batch(connection, site.site_id, batch, at=datetime.now(UTC))
