"""Imports a file of attendance records: reads, validates, stores in batches, and reports rejects."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import BinaryIO, TypeVar

from app.attendance.transfer.formats import ImportFormat, read_records
from app.attendance.transfer.records import Note, RawRecord, Reading, Reject
from app.attendance.transfer.rejects import Problem, RejectLog
from app.attendance.transfer.validation import InvalidRecord, parse_record
from app.database.transfer import BatchResult, ImportRow

BATCH_RECORDS = 5000
NOTHING_STORED = BatchResult(created=0, updated=0, unchanged=0, rejected=())

Result = TypeVar("Result")
StoreBatch = Callable[[Sequence[ImportRow]], Awaitable[BatchResult]]


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """The outcome of an import; `unchanged` were stored already, or replaced by a later record."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def records(self) -> int:
        return self.stored + self.rejected

    @property
    def stored(self) -> int:
        return self.created + self.updated + self.unchanged


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """The progress of an import: the outcome so far, and the bytes read from the source."""

    summary: ImportSummary = ImportSummary()
    bytes_read: int = 0


@dataclass(slots=True)
class ImportBatch:
    """Records that were read together: valid rows with the records they were read from, and problems."""

    rows: list[ImportRow] = field(default_factory=list)
    raw_records: list[RawRecord] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    notes: list[Note] = field(default_factory=list)


async def import_records(
    source: BinaryIO,
    file_format: ImportFormat,
    store_batch: StoreBatch,
    *,
    rejects: RejectLog,
    report_progress: Callable[[ImportProgress], None] = lambda _: None,
    batch_records: int = BATCH_RECORDS,
) -> ImportSummary:
    """Store every valid record of a file or of standard input, and write the others to `rejects`.

    `store_batch` stores a batch in one transaction; an import that stopped is resumed by running it again.
    Raises ConfigurationError when the source cannot be used at all.
    """
    counted = CountedSource(source)
    records = read_records(counted, file_format)
    summary = ImportSummary()
    while batch := await run_in_thread(lambda: read_batch(records, batch_records)):
        result = await store_batch(batch.rows) if batch.rows else NOTHING_STORED
        problems = collect_problems(batch, result)
        summary = add_batch(summary, result, sum(isinstance(problem, Reject) for problem in problems))
        report_progress(ImportProgress(summary, counted.bytes_read))
        rejects.write(problems)
        rejects.note(batch.notes)
        del batch  # Free its memory before the next one is read.
    rejects.close()
    return summary


async def run_in_thread(work: Callable[[], Result]) -> Result:
    """Run blocking work in a daemon thread, so that a read that never returns does not block the process's exit."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, failure: BaseException | None) -> None:
        if outcome.cancelled():
            return
        if failure is None:
            outcome.set_result(result)  # type: ignore[arg-type]
        else:
            outcome.set_exception(failure)

    def run() -> None:
        result, failure = None, None
        try:
            result = work()
        except BaseException as error:
            failure = error
        with suppress(RuntimeError):  # The loop has ended, and nothing waits for the result.
            loop.call_soon_threadsafe(settle, result, failure)

    threading.Thread(target=run, daemon=True).start()
    return await outcome


def read_batch(records: Iterator[Reading], size: int) -> ImportBatch | None:
    """The next records, at most `size`, validated; None when there are no more."""
    batch = ImportBatch()
    for record in islice(records, size):
        if isinstance(record, RawRecord):
            try:
                batch.rows.append(parse_record(record.value))
                batch.raw_records.append(record)
            except InvalidRecord as error:
                batch.problems.append(Reject(record.line, str(error), record.value))
        elif isinstance(record, Note):
            batch.notes.append(record)
        else:
            batch.problems.append(record)
    return batch if batch.rows or batch.problems or batch.notes else None


def collect_problems(batch: ImportBatch, result: BatchResult) -> list[Problem]:
    """The problems of the reader, the validation and the database, in the order of the source's lines."""
    refused = [(batch.raw_records[position], reason) for position, reason in result.rejected]
    problems = [*batch.problems, *(Reject(raw.line, reason, raw.value) for raw, reason in refused)]
    return sorted(problems, key=lambda problem: problem.line)


def add_batch(summary: ImportSummary, result: BatchResult, rejected: int) -> ImportSummary:
    return ImportSummary(
        created=summary.created + result.created,
        updated=summary.updated + result.updated,
        unchanged=summary.unchanged + result.unchanged,
        rejected=summary.rejected + rejected,
    )


class CountedSource:
    """A source that counts the bytes read from it, because a pipe has no position."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.bytes_read = 0

    def read(self, size: int, /) -> bytes:
        read = self._source.read(size)
        self.bytes_read += len(read)
        return read
