"""Runs mutations to their end, even if the request is cancelled."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from app.operations.record import OperationRecord

Result = TypeVar("Result")


class BackgroundWrites:
    """The running mutations."""

    def __init__(self) -> None:
        self._running: set[asyncio.Task[Any]] = set()

    async def run(self, work: Coroutine[Any, Any, Result], record: OperationRecord) -> Result:
        """Run a mutation and return its result; it continues if the caller is cancelled. The record gets its task."""
        task = record.write = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def finish(self) -> None:
        """Wait until all mutations have ended."""
        while self._running:
            await asyncio.wait(self._running)
