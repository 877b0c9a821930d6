"""Lines of a binary stream, none of which can fill the memory."""

from collections.abc import Iterator
from typing import BinaryIO

from app.attendance.transfer.records import MAX_RECORD_BYTES

BYTE_ORDER_MARK = b"\xef\xbb\xbf"


def read_lines(stream: BinaryIO) -> Iterator[bytes]:
    """Every line with its ending; of one above `MAX_RECORD_BYTES` its first bytes, so that it is still too long."""
    limit = MAX_RECORD_BYTES + len(b"\r\n")
    line = stream.readline(limit + len(BYTE_ORDER_MARK)).removeprefix(BYTE_ORDER_MARK)
    while line:
        if is_too_long(line):
            skip_rest_of_line(stream, line)
        yield line
        line = stream.readline(limit)


def is_too_long(text: bytes) -> bool:
    """Whether a record's text is above `MAX_RECORD_BYTES`, its last line's ending not counted."""
    return len(text) > MAX_RECORD_BYTES and len(text.rstrip(b"\r\n")) > MAX_RECORD_BYTES


def skip_rest_of_line(stream: BinaryIO, line: bytes) -> None:
    while line and not line.endswith(b"\n"):
        line = stream.readline(MAX_RECORD_BYTES)
