"""The formats that an import reads, and how the format of a file is found."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

from app.attendance.transfer.csv_reader import read_csv
from app.attendance.transfer.encodings import Source
from app.attendance.transfer.json_reader import read_json, read_ndjson
from app.attendance.transfer.records import Reading
from app.errors import ConfigurationError


class ImportFormat(StrEnum):
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


READERS = {ImportFormat.JSON: read_json, ImportFormat.NDJSON: read_ndjson, ImportFormat.CSV: read_csv}
SUFFIXES = {
    "json": ImportFormat.JSON,
    "ndjson": ImportFormat.NDJSON,
    "jsonl": ImportFormat.NDJSON,
    "csv": ImportFormat.CSV,
    "tsv": ImportFormat.CSV,
    "tab": ImportFormat.CSV,
    "txt": ImportFormat.CSV,
}
WORKBOOKS = ("xls", "xlsx", "xlsm", "ods")


def guess_format(file_name: str) -> ImportFormat:
    """The format by the suffix of a file's name. Raises ConfigurationError for an unknown suffix."""
    suffix = Path(file_name).suffix.lower().removeprefix(".")
    if suffix in WORKBOOKS:
        raise ConfigurationError(f"{file_name} is a workbook: save it as CSV UTF-8, and import that")
    if suffix not in SUFFIXES:
        raise ConfigurationError(f"cannot tell the format of {file_name}: give --format json, ndjson or csv")
    return SUFFIXES[suffix]


def read_records(source: Source, file_format: ImportFormat) -> Iterator[Reading]:
    """The records of a file or of standard input one after another, in constant memory.

    Raises ConfigurationError if the file as a whole is not usable.
    """
    return READERS[file_format](source)
