"""Imports a file of attendance records: read, validate, store in batches, write down what was rejected."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from app.attendance.transfer.formats import ImportFormat, read_records
from app.attendance.transfer.records import RawRecord, Reject
from app.attendance.transfer.rejects import RejectFile
from app.attendance.transfer.validation import InvalidRecord, parse_record
from app.database.transfer import BatchResult, ImportRow

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BATCH_RECORDS = 5000
NOTHING_STORED = BatchResult(created=0, updated=0, unchanged=0, rejected=())

StoreBatch = Callable[[Sequence[ImportRow]], Awaitable[BatchResult]]


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far an import is: records stored or rejected, and bytes of the source read."""

    records: int
    bytes_read: int


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """What became of the records of an import; `unchanged` were stored already, or replaced by a later record."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    rejected: int = 0

    @property
    def records(self) -> int:
        return self.created + self.updated + self.unchanged + self.rejected


@dataclass(slots=True)
class Batch:
    """Records read together: rows that are valid, each with the record it was read from, and rejects."""

    rows: list[ImportRow] = field(default_factory=list)
    raw_records: list[RawRecord] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)


async def import_records(
    source: BinaryIO,
    file_format: ImportFormat,
    store_batch: StoreBatch,
    *,
    rejects_path: Path,
    report_progress: Callable[[ImportProgress], None] = lambda _: None,
    batch_records: int = BATCH_RECORDS,
) -> ImportSummary:
    """Store every valid record of a file or of standard input, and write the others to `rejects_path`.

    `store_batch` stores a batch in one transaction; an import that stopped is resumed by running it again.
    Raises ConfigurationError when the source, or the file of rejects, cannot be used at all.
    """
    counted = CountedSource(source)
    records = read_records(io.BufferedReader(counted), file_format)
    summary = ImportSummary()
    with RejectFile(rejects_path) as reject_file:
        while batch := await asyncio.to_thread(read_batch, records, batch_records):
            result = await store_batch(batch.rows) if batch.rows else NOTHING_STORED
            rejects = collect_rejects(batch, result)
            reject_file.write(rejects)
            summary = add_batch(summary, result, len(rejects))
            report_progress(ImportProgress(summary.records, counted.bytes_read))
    return summary


def read_batch(records: Iterator[RawRecord | Reject], size: int) -> Batch | None:
    """The next records, at most `size`, validated; None when there are no more."""
    batch = Batch()
    for record in islice(records, size):
        if isinstance(record, Reject):
            batch.rejects.append(record)
            continue
        try:
            batch.rows.append(parse_record(record.value))
            batch.raw_records.append(record)
        except InvalidRecord as error:
            batch.rejects.append(Reject(record.line, str(error), record.value))
    return batch if batch.rows or batch.rejects else None


def collect_rejects(batch: Batch, result: BatchResult) -> list[Reject]:
    """What the reader, the validation and the database refused, in the order of the source's lines."""
    refused = [(batch.raw_records[position], reason) for position, reason in result.rejected]
    rejects = [*batch.rejects, *(Reject(raw.line, reason, raw.value) for raw, reason in refused)]
    return sorted(rejects, key=lambda reject: reject.line)


def add_batch(summary: ImportSummary, result: BatchResult, rejected: int) -> ImportSummary:
    return ImportSummary(
        created=summary.created + result.created,
        updated=summary.updated + result.updated,
        unchanged=summary.unchanged + result.unchanged,
        rejected=summary.rejected + rejected,
    )


class CountedSource(io.RawIOBase):
    """A binary stream that counts what was read from it, whether or not it can tell its position."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.bytes_read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        target = memoryview(buffer).cast("B")
        read = self._source.read(len(target))
        target[: len(read)] = read
        self.bytes_read += len(read)
        return len(read)
