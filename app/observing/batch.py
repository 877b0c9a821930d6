"""Requests that have ended, shown to observers many at a time, which costs each of them a third."""

import asyncio
from collections.abc import Callable, Sequence

from app.operations.record import OperationRecord

SECONDS = 0.05
MOST = 1000

ObserveAll = Callable[[Sequence[OperationRecord]], None]


class Batch:
    """Keeps records for `SECONDS` at most, and shows them to all observers in the order in which they came.

    A fault of the service is shown at once, with all before it: what comes after it may be the end.
    """

    def __init__(self, observers: Sequence[ObserveAll]) -> None:
        self._observers = tuple(observers)
        self._records: list[OperationRecord] = []
        self._timer: asyncio.TimerHandle | None = None

    def add(self, record: OperationRecord) -> None:
        records = self._records
        records.append(record)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(SECONDS, self.flush)
        if record.error_id is not None or len(records) >= MOST:
            self.flush()

    def flush(self) -> None:
        """Show what has not been shown yet, now."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        records, self._records = self._records, []
        if records:
            for observe in self._observers:
                observe(records)
