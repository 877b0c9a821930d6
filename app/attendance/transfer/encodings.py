"""Converts a file from its Unicode encoding to UTF-8; refuses files that are not text, such as workbooks."""

import codecs
from collections.abc import Iterator
from typing import Protocol

from app.errors import ConfigurationError

CHUNK_BYTES = 64 * 1024
LONGEST_SIGNATURE = 6
ADVICE = "save it as CSV UTF-8, or export it as JSON"
SIGNATURES = {
    b"PK\x03\x04": f"an Excel workbook (.xlsx) or a ZIP archive: {ADVICE}",
    b"\xd0\xcf\x11\xe0": f"an Excel workbook (.xls): {ADVICE}",
    b"%PDF": f"a PDF: {ADVICE}",
    b"\x1f\x8b": "compressed with gzip: unpack it first",
    b"BZh": "compressed with bzip2: unpack it first",
    b"\xfd7zXZ\x00": "compressed with xz: unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd: unpack it first",
}
# The mark of UTF-32 begins with the one of UTF-16.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# Which of the first four bytes are NUL, if the text begins with ASCII.
NUL_PATTERNS = {
    b"\0\1\0\1": "utf-16-le",
    b"\1\0\1\0": "utf-16-be",
    b"\0\1\1\1": "utf-32-le",
    b"\1\1\1\0": "utf-32-be",
}
# UTF-8 never has this byte, so later stages see that the text was invalid.
INVALID_BYTE = b"\xff"


class Source(Protocol):
    """A file, a pipe, or any object that reads like one."""

    def read(self, size: int, /) -> bytes: ...


def read_utf8(source: Source) -> Iterator[bytes]:
    """The source's text in chunks of UTF-8, without its byte order mark; invalid bytes are kept.

    Raises ConfigurationError for a file that is not text, such as a workbook.
    """
    start = read_start(source)
    for signature, description in SIGNATURES.items():
        if start.startswith(signature):
            raise ConfigurationError(f"the file is {description}")
    mark, encoding = detect_encoding(start)
    chunks = read_chunks(start[len(mark) :], source)
    return strip_marks(chunks if encoding == "utf-8" else transcode(chunks, encoding))


def read_start(source: Source) -> bytes:
    start = b""
    while len(start) < LONGEST_SIGNATURE and (more := source.read(LONGEST_SIGNATURE - len(start))):
        start += more
    return start


def detect_encoding(start: bytes) -> tuple[bytes, str]:
    """The byte order mark at the start of a file, if any, and the encoding; without a mark, NUL bytes decide."""
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if start.startswith(mark):
            return mark, encoding
    return b"", NUL_PATTERNS.get(bytes(byte == 0 for byte in start[:4]), "utf-8")


def read_chunks(start: bytes, source: Source) -> Iterator[bytes]:
    chunk = start + source.read(CHUNK_BYTES)
    while chunk:
        yield chunk
        chunk = source.read(CHUNK_BYTES)


def strip_marks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The chunks without further byte order marks at the start, which programs add that do not see the first one."""
    start = b""
    for chunk in chunks:
        start += chunk
        while start.startswith(codecs.BOM_UTF8):
            start = start.removeprefix(codecs.BOM_UTF8)
        if not codecs.BOM_UTF8.startswith(start):
            yield start
            yield from chunks
            return
    if start:
        yield start


def transcode(chunks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Convert the chunks to UTF-8. Lone surrogates and invalid bytes become bytes that are not valid UTF-8."""
    codecs.register_error("attendance.invalid", lambda error: ("\udcff", getattr(error, "end", 0)))
    handler = "surrogatepass" if encoding.startswith("utf-16") else "attendance.invalid"
    decoder = codecs.getincrementaldecoder(encoding)(handler)
    for chunk in chunks:
        if text := decoder.decode(chunk):
            yield text.encode("utf-8", "surrogatepass")
    rest, _ = decoder.getstate()
    if rest:
        yield INVALID_BYTE
