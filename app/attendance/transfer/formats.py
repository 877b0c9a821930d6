"""The formats that an import reads, and which of them a file has."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from app.attendance.transfer.csv_reader import read_csv
from app.attendance.transfer.json_reader import read_json
from app.attendance.transfer.ndjson_reader import read_ndjson
from app.attendance.transfer.records import RawRecord, Reject
from app.errors import ConfigurationError


class ImportFormat(StrEnum):
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


READERS = {ImportFormat.JSON: read_json, ImportFormat.NDJSON: read_ndjson, ImportFormat.CSV: read_csv}


def guess_format(file_name: str) -> ImportFormat:
    """The format that a file's name ends in. Raises ConfigurationError where the name does not tell."""
    suffix = Path(file_name).suffix.lower().removeprefix(".")
    if suffix not in tuple(ImportFormat):
        raise ConfigurationError(f"cannot tell the format of {file_name}: give --format json, ndjson or csv")
    return ImportFormat(suffix)


def read_records(source: BinaryIO, file_format: ImportFormat) -> Iterator[RawRecord | Reject]:
    """The records of a file or of standard input one after another, in constant memory.

    Raises ConfigurationError when the whole file cannot be used.
    """
    return READERS[file_format](source)
