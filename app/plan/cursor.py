"""Cursors: opaque, URL-safe texts that hold a position in one order of one set of records.

A cursor is base64url of: version (1 byte), digest of order, perspective and filter (8 bytes), the values of the
order's keys, and a checksum (4 bytes). Version and digest are the same for a whole connection and fill base64's
groups of three bytes exactly, so their text is made once and each cursor only appends its own values.
"""

from base64 import b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from binascii import b2a_base64
from collections.abc import Callable, Iterable, Sequence
from hashlib import blake2b
from operator import attrgetter, methodcaller
from typing import Any, NamedTuple
from uuid import UUID
from zlib import crc32

from app.errors import CursorInvalid, CursorMalformed, CursorMismatch
from app.plan.filter import Filter, Perspective
from app.plan.order import Order, OrderKey
from app.plan.properties import GUID_PROPERTIES, STATUSES, Property, Value

VERSION = b"\x01"
DIGEST_SIZE = 8
HEAD_SIZE = len(VERSION) + DIGEST_SIZE
CHECKSUM_SIZE = 4
MOST_CHARACTERS = 2000
BASE64_BYTES, BASE64_CHARACTERS = 3, 4
URL_SAFE = bytes.maketrans(b"+/", b"-_")
LARGEST_INTEGER = 2**31 - 1

BY_SESSION = OrderKey(Property.SESSION_ID)

Position = tuple[Value, ...]


class CursorCodec(NamedTuple):
    """Writes and reads the cursors of one (order, perspective, filter)."""

    order: Order
    head: bytes
    head_text: str
    head_checksum: int

    def encode(self, position: Position) -> str:
        """The cursor of the record whose order keys have these values."""
        return self.encode_all([(value,) for value in position])[0]

    def encode_all(self, columns: Sequence[Sequence[Value]]) -> list[str]:
        """The cursors of several records, of which `columns` has the values of each of the order's keys.

        Cursors of one width are turned into text together.
        """
        checksum, head = self.head_checksum, self.head_text
        tails = list(encode_tails(self.order, columns))
        if BY_SESSION in self.order:
            sealed = [tail + crc32(tail, checksum).to_bytes(CHECKSUM_SIZE) for tail in tails]
            return [head + encode_text(each).rstrip("=") for each in sealed]
        width = len(tails[0]) + CHECKSUM_SIZE if tails else 0
        padding = bytes(-width % BASE64_BYTES)
        text = encode_text(b"".join([tail + crc32(tail, checksum).to_bytes(CHECKSUM_SIZE) + padding for tail in tails]))
        stride = (width + len(padding)) // BASE64_BYTES * BASE64_CHARACTERS
        kept = -(-width * BASE64_CHARACTERS // BASE64_BYTES)
        return [head + text[start : start + kept] for start in range(0, len(text), stride or 1)]

    def encode_rows(self, rows: Sequence[Any], key_places: Sequence[int]) -> list[str]:
        """The cursors of records as they were read, which have the values of the order's keys at these places."""
        return self.encode_all([[row[place] for row in rows] for place in key_places])

    def decode(self, cursor: str, argument: str) -> Position:
        """The position that a cursor holds.

        Raises CursorInvalid when it is malformed, and CursorMismatch when it is of another order, perspective or
        filter; both name the argument.
        """
        content = decode_text(cursor)
        if content is None:
            raise CursorMalformed(f"`{argument}` is not a cursor of this service.", argument=argument)
        if content[:HEAD_SIZE] != self.head:
            raise CursorMismatch(
                f"`{argument}` is a cursor of a query with another order, perspective or filter.", argument=argument
            )
        position = decode_position(self.order, content[HEAD_SIZE:])
        if position is None:
            raise CursorInvalid(f"`{argument}` is not a cursor of this service.", argument=argument)
        return position


def plan_cursors(order: Order, perspective: Perspective | None, condition: Filter | None) -> CursorCodec:
    """The codec for the cursors of one connection."""
    head = VERSION + digest_query(order, perspective, condition)
    return CursorCodec(order, head, encode_text(head), crc32(head))


def digest_query(order: Order, perspective: Perspective | None, condition: Filter | None) -> bytes:
    """A digest that differs between queries whose records or order differ."""
    parts: list[str] = [f"{key.of}{'-' if key.descending else '+'}" for key in order]
    parts.append("perspective")
    if perspective is not None:
        parts += [perspective.of, str(perspective.value)]
    parts.append("filter")
    if condition is not None:
        values = condition.value if isinstance(condition.value, tuple) else (condition.value,)
        parts += [condition.of, condition.operator, *map(str, values)]
    unambiguous = "".join([f"{len(part)}:{part}" for part in parts])
    return blake2b(unambiguous.encode(), digest_size=DIGEST_SIZE).digest()


def decode_text(cursor: str) -> bytes | None:
    """The checked bytes of a cursor without its checksum; None when they are not what this service wrote."""
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


def encode_tails(order: Order, columns: Sequence[Sequence[Value]]) -> Iterable[bytes]:
    """The values of the order's keys as bytes, record by record."""
    encoded = [map(ENCODERS[key.of], column) for key, column in zip(order, columns, strict=True)]
    return encoded[0] if len(encoded) == 1 else map(b"".join, zip(*encoded, strict=True))


def encode_position(order: Order, position: Position) -> bytes:
    return next(iter(encode_tails(order, [(value,) for value in position])))


def decode_position(order: Order, content: bytes) -> Position | None:
    """The values of the order's keys; None for content that no record of this service has."""
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
    """Whether a column can hold the value: a checksum is no signature, so a cursor may be made up."""
    return value <= LARGEST_INTEGER if isinstance(value, int) else "\0" not in str(value)


def decode_value(of: Property, content: bytes) -> tuple[Value, bytes]:
    """The first value of the content, and what follows it."""
    if of in GUID_PROPERTIES:
        return UUID(bytes=content[:16]), content[16:]
    if of is Property.NUMBER_OF_ATTENDEES:
        return int.from_bytes(content[:4]), content[4:]
    if of is Property.STATUS:
        return STATUSES[content[0]], content[1:]
    end = 2 + int.from_bytes(content[:2])
    return content[2:end].decode(), content[end:]
