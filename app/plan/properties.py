"""The properties of an attendance record, and the checks of values that callers give for them."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.errors import BadUserInput

GUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
# With a zero for each digit all GUIDs are the same text. To compare it takes a tenth of the time of a pattern.
GUID_FORM = b"00000000-0000-0000-0000-000000000000"
GUID_FORM_IN_LIST = GUID_FORM + b" "
DIGITS_AS_ZEROS = bytes.maketrans(b"0123456789abcdef", b"0" * 16)
SURROGATE_PATTERN = re.compile("[\ud800-\udfff]")

Value = UUID | str | int


class Property(StrEnum):
    """A property of a record; the value is its name in rows.

    It hashes like that name: plans are keys of caches, and hashing an enum would take a Python call.
    """

    __hash__ = str.__hash__

    ID = "id"
    BOOKING_ID = "booking_id"
    SESSION_ID = "session_id"
    STATUS = "status"
    NUMBER_OF_ATTENDEES = "number_of_attendees"
    CREATED_AT = "created_at"
    UPDATED_AT = "updated_at"


GUID_PROPERTIES = frozenset({Property.ID, Property.BOOKING_ID})
STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")
LONGEST_SESSION_ID = 250
LARGEST_INTEGER = 2**31 - 1
SMALLEST_INTEGER = -(2**31)


def parse_guid(text: str, argument: str) -> UUID:
    """Read a GUID in its canonical form, in either case. Raises BadUserInput naming the argument."""
    return UUID(check_guid(text, argument))


def check_guid(text: str, argument: str) -> str:
    """The text of a GUID in lower case. Raises BadUserInput naming the argument."""
    guid = text.lower()
    if guid.encode(errors="replace").translate(DIGITS_AS_ZEROS) != GUID_FORM:
        raise BadUserInput(
            f"`{argument}` takes a GUID such as 01890a5d-ac96-774b-bcce-b302099a8057.", argument=argument
        )
    return guid


def check_guids(given: Sequence[str], argument: str) -> list[str]:
    """The texts of GUIDs in lower case. Raises BadUserInput naming the first item that is no GUID, such as `ids.2`."""
    return find_guids(given) or [check_guid(text, f"{argument}.{index}") for index, text in enumerate(given)]


def find_guids(given: Sequence[Any]) -> list[str] | None:
    """The texts of GUIDs in lower case, checked in one pass; None if any item is not the text of a GUID."""
    try:
        joined = " ".join(given)
    except TypeError:
        return None
    lowered = joined.lower()
    form = f"{lowered} ".encode(errors="replace").translate(DIGITS_AS_ZEROS)
    if not given or form != GUID_FORM_IN_LIST * len(given):
        return None
    return list(given) if lowered == joined else lowered.split(" ")


def is_storable_text(text: str) -> bool:
    """Whether Postgres can store a text: it cannot store a null character or a lone surrogate."""
    return "\0" not in text and (text.isascii() or SURROGATE_PATTERN.search(text) is None)


def parse_text(text: str, argument: str) -> str:
    """Check that Postgres can store a text. Raises BadUserInput naming the argument."""
    if not is_storable_text(text):
        raise BadUserInput(f"`{argument}` holds a character that cannot be stored.", argument=argument)
    return text


def check_session_id(text: str, argument: str) -> str:
    """The id of a session: 1 to 250 characters that Postgres can store. Raises BadUserInput naming the argument."""
    parse_text(text, argument)
    if not 1 <= len(text) <= LONGEST_SESSION_ID:
        raise BadUserInput(
            f"`{argument}` takes 1 to {LONGEST_SESSION_ID} characters, not {len(text)}.", argument=argument
        )
    return text


def are_session_ids(texts: Sequence[str]) -> bool:
    """Whether `check_session_id` accepts all of these texts, of which there is at least one, checked in one pass."""
    lengths = set(map(len, texts))
    return 1 <= min(lengths) <= max(lengths) <= LONGEST_SESSION_ID and is_storable_text("".join(texts))


PARSERS: dict[Property, Callable[..., Value]] = {
    Property.ID: check_guid,
    Property.BOOKING_ID: check_guid,
    Property.SESSION_ID: parse_text,
}


def parse_value(of: Property, value: str | int, argument: str) -> Value:
    """Check a caller's value for a property; a GUID stays a text. Raises BadUserInput naming the argument."""
    parse = PARSERS.get(of)
    return value if parse is None else parse(value, argument)
