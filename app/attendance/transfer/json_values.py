"""Decodes complete JSON values with exact numbers, or gives the reason why they are invalid."""

import json
from decimal import Decimal
from typing import Any

import orjson

from app.attendance.transfer.records import RawRecord, Reject, excerpt

DECODER = json.JSONDecoder(parse_float=Decimal)


def decode_plain(text: bytes) -> dict[str, Any] | None:
    """A record whose values are as the fast parser reads them, None for any other text.

    orjson reads whole numbers beyond 64 bits as floating-point ones.
    """
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    if type(value) is dict and "bookingId" in value and float not in map(type, value.values()):
        return value
    return None


def decode_exactly(line: int, text: bytes) -> RawRecord | Reject:
    """The value with exact whole numbers and decimals; invalid UTF-8 bytes become surrogates.

    orjson also checks the text, because it refuses NaN and lone surrogates.
    """
    try:
        decoded = text.decode()
        orjson.loads(text)
    except UnicodeDecodeError:
        decoded = text.decode("utf-8", "surrogateescape")
        try:
            orjson.loads(text.decode("utf-8", "replace"))
        except orjson.JSONDecodeError:
            return Reject(line, describe_invalid(text), excerpt(text.strip()))
    except orjson.JSONDecodeError:
        return Reject(line, describe_invalid(text), excerpt(text.strip()))
    try:
        return RawRecord(line, DECODER.decode(decoded))
    except (ValueError, ArithmeticError):
        reason = "the record is not valid JSON: it has a number of too many digits"
    except RecursionError:
        reason = "the record is not valid JSON: it is nested too deeply"
    return Reject(line, reason, excerpt(text.strip()))


def describe_invalid(text: bytes) -> str:
    """The reason why a text is not JSON, in the words of orjson."""
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError as error:
        return f"the record is not valid JSON: {error.msg}"
    return "the record is not valid JSON"
