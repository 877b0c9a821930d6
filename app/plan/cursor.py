"""Cursors: opaque, URL-safe texts that encode a position in one order of one set of records.

A cursor is base64url of: version (1 byte), digest of order, perspective and filter (8 bytes), the values of the
order's keys, and a checksum (4 bytes). Version and digest, its head, are the same for a whole connection.
"""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from binascii import b2a_base64
from collections.abc import Callable, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import repeat
from operator import attrgetter, itemgetter, methodcaller
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID
from zlib import crc32

from app.errors import CursorInvalid, CursorMalformed, CursorMismatch
from app.plan.filter import Filter, Perspective
from app.plan.order import Order, OrderKey
from app.plan.properties import GUID_PROPERTIES, LARGEST_INTEGER, STATUSES, Property, Value

VERSION = b"\x01"
DIGEST_SIZE = 8
HEAD_SIZE = len(VERSION) + DIGEST_SIZE
CHECKSUM_SIZE = 4
MOST_CHARACTERS = 2000
CODECS_CACHED = 256
LAYOUTS_CACHED = 128
BASE64_BYTES, BASE64_CHARACTERS = 3, 4
URL_SAFE = bytes.maketrans(b"+/", b"-_")

BY_SESSION = OrderKey(Property.SESSION_ID)

Position = tuple[Value, ...]
Pack = Callable[[bytes, bytes, int], bytes]
Cut = Callable[[str], Sequence[str]]


class Layout(NamedTuple):
    """What packs a cursor of its head, its keys and its checksum, and what cuts the text of several into each."""

    pack: Pack
    cut: Cut


class CursorCodec(NamedTuple):
    """Encodes and decodes the cursors of one (order, perspective, filter)."""

    order: Order
    head: bytes
    head_checksum: int

    def encode(self, position: Position) -> str:
        """The cursor of the record whose order keys have these values."""
        return self.encode_rows([position], range(len(position)))[0]

    def encode_rows(self, rows: Sequence[Any], key_positions: Sequence[int]) -> Sequence[str]:
        """The cursors of rows; `key_positions` are the positions of the order's keys in a row.

        Cursors of the same width are encoded together, in one call of base64.
        """
        head, tails = self.head, encode_tails(self.order, rows, key_positions)
        checksums = map(crc32, tails, repeat(self.head_checksum))
        if BY_SESSION in self.order:
            ends = [tail + checksum.to_bytes(CHECKSUM_SIZE) for tail, checksum in zip(tails, checksums, strict=True)]
            return [encode_text(head + end).rstrip("=") for end in ends]
        if not tails:
            return []
        pack, cut = lay_out(len(tails[0]), len(tails))
        return cut(encode_text(b"".join(map(pack, repeat(head), tails, checksums))))

    def decode(self, cursor: str, argument: str) -> Position:
        """The position that a cursor encodes.

        Raises CursorInvalid for a malformed cursor, and CursorMismatch for a cursor of another order, perspective or
        filter; both name the argument.
        """
        content = read_content(cursor, self.head, argument, "order, perspective or filter")
        position = decode_position(self.order, content)
        if position is None:
            raise CursorInvalid(f"`{argument}` is not a cursor of this service.", argument=argument)
        return position


@lru_cache(LAYOUTS_CACHED)
def lay_out(width: int, count: int) -> Layout:
    """How so many cursors are encoded together, whose keys have this width.

    Each is filled up to whole groups of base64, so that its text begins with a character of its own.
    """
    size = HEAD_SIZE + width + CHECKSUM_SIZE
    filling = -size % BASE64_BYTES
    stride = (size + filling) // BASE64_BYTES * BASE64_CHARACTERS
    length = -(-size * BASE64_CHARACTERS // BASE64_BYTES)
    places = [slice(start, start + length) for start in range(0, count * stride, stride)]
    cut: Cut = itemgetter(*places) if count > 1 else lambda text: (text[:length],)
    return Layout(Struct(f">{HEAD_SIZE}s{width}sI{filling}x").pack, cut)


@lru_cache(CODECS_CACHED)
def plan_cursors(order: Order, perspective: Perspective | None, filter_: Filter | None) -> CursorCodec:
    """The codec for the cursors of one connection."""
    head = VERSION + digest_query(order, perspective, filter_)
    return CursorCodec(order, head, crc32(head))


def digest_query(order: Order, perspective: Perspective | None, filter_: Filter | None) -> bytes:
    """A digest that differs between queries whose records or order differ."""
    parts: list[str] = [f"{key.of}{'-' if key.descending else '+'}" for key in order]
    parts.append("perspective")
    if perspective is not None:
        parts += [perspective.of, str(perspective.value)]
    parts.append("filter")
    if filter_ is not None:
        values = filter_.value if isinstance(filter_.value, tuple) else (filter_.value,)
        parts += [filter_.of, filter_.operator, *map(str, values)]
    return digest_parts(parts)


def digest_parts(parts: Sequence[str]) -> bytes:
    """A digest of texts, which differs if any of them differs."""
    unambiguous = "".join([f"{len(part)}:{part}" for part in parts])
    return blake2b(unambiguous.encode(), digest_size=DIGEST_SIZE).digest()


def read_content(cursor: str, head: bytes, argument: str, bound_to: str) -> bytes:
    """The bytes of a cursor behind its head; `bound_to` says what the head is made of.

    Raises CursorMalformed for a text that is no cursor, and CursorMismatch for a cursor with another head.
    """
    content = decode_text(cursor)
    if content is None:
        raise CursorMalformed(f"`{argument}` is not a cursor of this service.", argument=argument)
    if content[:HEAD_SIZE] != head:
        raise CursorMismatch(f"`{argument}` is a cursor of a query with another {bound_to}.", argument=argument)
    return content[HEAD_SIZE:]


def decode_text(cursor: str) -> bytes | None:
    """The bytes of a cursor without its checksum; None for a text that this service cannot have written."""
    if not HEAD_SIZE < len(cursor) <= MOST_CHARACTERS or not cursor.isascii():
        return None
    try:
        content = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except Base64Error:
        return None
    if urlsafe_b64encode(content).rstrip(b"=") != cursor.encode():
        return None
    body, checksum = content[:-CHECKSUM_SIZE], content[-CHECKSUM_SIZE:]
    if not body.startswith(VERSION) or crc32(body).to_bytes(CHECKSUM_SIZE) != checksum:
        return None
    return body


def encode_text(content: bytes) -> str:
    return b2a_base64(content, newline=False).translate(URL_SAFE).decode()


def encode_session(session_id: str) -> bytes:
    text = session_id.encode()
    return len(text).to_bytes(2) + text


ENCODERS: dict[Property, Callable[[Any], bytes]] = {
    Property.ID: attrgetter("bytes"),
    Property.BOOKING_ID: attrgetter("bytes"),
    Property.SESSION_ID: encode_session,
    Property.STATUS: {status: bytes([code]) for code, status in enumerate(STATUSES)}.__getitem__,
    Property.NUMBER_OF_ATTENDEES: methodcaller("to_bytes", 4),
}


def encode_tails(order: Order, rows: Sequence[Any], key_positions: Sequence[int]) -> list[bytes]:
    """The values of the order's keys as bytes, record by record."""
    if len(order) == 1:
        return list(map(ENCODERS[order[0].of], map(itemgetter(key_positions[0]), rows)))
    keys = zip(order, key_positions, strict=True)
    encoded = [map(ENCODERS[key.of], map(itemgetter(position), rows)) for key, position in keys]
    return list(map(b"".join, zip(*encoded, strict=True)))


def encode_position(order: Order, position: Position) -> bytes:
    return encode_tails(order, [position], range(len(position)))[0]


def decode_position(order: Order, content: bytes) -> Position | None:
    """The values of the order's keys; None for values that no record can have."""
    values: list[Value] = []
    rest = content
    try:
        for key in order:
            value, rest = decode_value(key.of, rest)
            values.append(value)
    except (ValueError, IndexError):
        return None
    position = tuple(values)
    if encode_position(order, position) != content or any(not is_storable(value) for value in position):
        return None
    return position


def is_storable(value: Value) -> bool:
    """Whether a column can hold the value. The checksum is not a signature, so a cursor may be forged."""
    return value <= LARGEST_INTEGER if isinstance(value, int) else "\0" not in str(value)


def decode_value(of: Property, content: bytes) -> tuple[Value, bytes]:
    """The first value of the content, and the rest of the content."""
    if of in GUID_PROPERTIES:
        return UUID(bytes=content[:16]), content[16:]
    if of is Property.NUMBER_OF_ATTENDEES:
        return int.from_bytes(content[:4]), content[4:]
    if of is Property.STATUS:
        return STATUSES[content[0]], content[1:]
    end = 2 + int.from_bytes(content[:2])
    return content[2:end].decode(), content[end:]
