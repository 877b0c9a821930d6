"""A database whose statements fail, and whose failures take the same way as the driver's own."""

import time
from collections.abc import Sequence
from uuid import UUID

from app.database.pool import Row
from tests.support.service import RecordingDatabase


class FailingDatabase(RecordingDatabase):
    """Its next statements end in `failures`, one each; what follows is run. `tries` are the times of them all."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.failures: list[Exception] = []
        self.tries: list[float] = []

    async def fetch_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        self.tries.append(time.monotonic())
        if not self.failures:
            return await super().fetch_rows(text, arguments, site_id)
        async with self.connection(site_id):
            raise self.failures.pop()
