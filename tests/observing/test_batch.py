"""Requests that have ended are shown to those who watch soon, each once, in order, and at the latest when all ends."""

import asyncio
from collections.abc import Sequence

from app.observing.batch import FLUSH_SECONDS, MAX_RECORDS, RecordBatch
from app.operations.record import OperationRecord


class Watcher:
    """Remembers which requests it was shown, and how many at a time."""

    def __init__(self) -> None:
        self.ids: list[str | None] = []
        self.sizes: list[int] = []

    def watch(self, records: Sequence[OperationRecord]) -> None:
        self.ids += [record.request_id for record in records]
        self.sizes.append(len(records))


def add(batch: RecordBatch, count: int) -> list[str]:
    ids = [str(number) for number in range(count)]
    for each in ids:
        batch.add(OperationRecord(each))
    return ids


async def test_what_has_ended_is_shown_soon_and_once() -> None:
    watchers = [Watcher(), Watcher()]
    batch = RecordBatch([watcher.watch for watcher in watchers])
    ids = add(batch, 3)
    assert watchers[0].ids == []
    await asyncio.sleep(3 * FLUSH_SECONDS)
    assert [watcher.ids for watcher in watchers] == [ids, ids]
    batch.flush()
    assert [watcher.sizes for watcher in watchers] == [[3], [3]]
    ids += add(batch, 1)
    await asyncio.sleep(3 * FLUSH_SECONDS)
    assert watchers[0].ids == ids


async def test_many_are_not_kept_waiting() -> None:
    watcher = Watcher()
    ids = add(RecordBatch([watcher.watch]), MAX_RECORDS + 1)
    assert watcher.ids + ids[len(watcher.ids) :] == ids
    assert len(ids) - len(watcher.ids) < MAX_RECORDS


async def test_a_fault_is_shown_at_once_behind_what_came_before() -> None:
    watcher = Watcher()
    batch = RecordBatch([watcher.watch])
    ids = add(batch, 2)
    fault = OperationRecord("fault")
    fault.note_errors([{"extensions": {"code": "INTERNAL_SERVER_ERROR", "errorId": "x"}}])
    batch.add(fault)
    assert watcher.ids == [*ids, "fault"]


async def test_what_is_left_can_be_shown_at_once() -> None:
    watcher = Watcher()
    batch = RecordBatch([watcher.watch])
    ids = add(batch, 2)
    batch.flush()
    assert watcher.ids == ids
