"""A batch is stored again where the database was lost or took too long, and not where that cannot help."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from app.attendance.transfer import site
from app.attendance.transfer.site import store_rows
from app.database.failures import ConnectionLost
from app.database.transfer import ImportRow
from app.errors import OperationTimeout, ServiceError, ServiceUnavailable

ROW = ImportRow(None, str(UUID(int=1)), "s", "ATTENDED", 2, None, None)


class FailingDatabase:
    """Fails with these errors, one after another, before it gives a connection."""

    is_distributed = False

    def __init__(self, connection: Any, *failures: ServiceError) -> None:
        self._connection = connection
        self.failures = list(failures)

    @asynccontextmanager
    async def connection(self, _: UUID) -> AsyncIterator[Any]:
        if self.failures:
            raise self.failures.pop(0)
        yield self._connection


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(site, "PAUSES_SECONDS", (0, 0))


async def test_a_batch_is_stored_after_two_failures(connection: Any, site_id: UUID) -> None:
    database: Any = FailingDatabase(connection, ConnectionLost("lost"), OperationTimeout("late"))
    assert (await store_rows(database, site_id, [ROW])).created == 1


async def test_a_third_failure_ends_the_import(connection: Any, site_id: UUID) -> None:
    database: Any = FailingDatabase(connection, *(ConnectionLost(str(number)) for number in range(3)))
    with pytest.raises(ConnectionLost, match="2"):
        await store_rows(database, site_id, [ROW])


async def test_a_full_disk_is_not_tried_again(connection: Any, site_id: UUID) -> None:
    failure = ServiceUnavailable("full")
    failure.__cause__ = asyncpg.DiskFullError("no space left on device")
    database: Any = FailingDatabase(connection, failure)
    with pytest.raises(ServiceUnavailable, match="full"):
        await store_rows(database, site_id, [ROW])
