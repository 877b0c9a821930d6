"""What the readers give, whatever the format: a record as it was read, or the reason why there is none."""

from typing import NamedTuple

MAX_RECORD_BYTES = 64 * 1024
EXCERPT_CHARACTERS = 1000
TOO_LONG = f"the record is longer than {MAX_RECORD_BYTES} bytes"


class RawRecord(NamedTuple):
    """A record as it was read: `line` counts from 1 and is the one where the record starts."""

    line: int
    value: object


class Reject(NamedTuple):
    """A record that is not stored, and why; `record` is the value that was read, or the text that could not be."""

    line: int
    reason: str
    record: object


def excerpt(text: bytes) -> str:
    """The beginning of what could not be read, for a person to recognise it."""
    return text[: EXCERPT_CHARACTERS * 4].decode("utf-8", "replace")[:EXCERPT_CHARACTERS]
