"""What the readers of all formats return: a record as it was read, or the reason why it was not."""

from collections.abc import Mapping
from typing import NamedTuple

MAX_RECORD_BYTES = 64 * 1024
TOO_LONG = f"the record is longer than {MAX_RECORD_BYTES} bytes"


class RawRecord(NamedTuple):
    """A record as it was read: `line` is the line where it starts, counted from 1."""

    line: int
    value: object


class Reject(NamedTuple):
    """A record that is not stored, and why; `record` is the value that was read, or the text that could not be.

    `context` is what is also needed to read the record again, such as the columns of a CSV.
    """

    line: int
    reason: str
    record: object
    context: Mapping[str, object] | None = None


class UnreadText(NamedTuple):
    """Lines in which no single record could be found, and the reason; `text` is their beginning."""

    line: int
    last_line: int
    reason: str
    text: str


class Note(NamedTuple):
    """A note about a file for the person who imports it."""

    text: str


Reading = RawRecord | Reject | UnreadText | Note


def excerpt(text: bytes) -> str:
    """Text that could not be read, for a person to correct; cut at `MAX_RECORD_BYTES`."""
    return text[:MAX_RECORD_BYTES].decode("utf-8", "replace")
