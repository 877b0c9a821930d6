"""The properties of an attendance record, and how a caller's values for them are read."""

import re
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.errors import BadUserInput

GUID_PATTERN = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
GUIDS_PATTERN = re.compile(rf"(?:{GUID_PATTERN.pattern} )+")
SURROGATE_PATTERN = re.compile("[\ud800-\udfff]")

Value = UUID | str | int


class Property(StrEnum):
    """A property of a record; the value is its name in rows.

    It hashes as that name does, for plans are looked up by their properties, and an enum's own hash takes a call.
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


def parse_guid(text: str, argument: str, *, place: str = "") -> UUID:
    """Read a GUID in its canonical form, in either case.

    `place` says where in a list it stands. Raises BadUserInput naming the argument.
    """
    return UUID(check_guid(text, argument, place=place))


def check_guid(text: str, argument: str, *, place: str = "") -> str:
    """The text of a GUID as it is written everywhere, in lower case. Raises BadUserInput naming the argument."""
    if GUID_PATTERN.fullmatch(text) is None:
        raise BadUserInput(
            f"`{argument}` takes a GUID such as 01890a5d-ac96-774b-bcce-b302099a8057{place}.", argument=argument
        )
    return text.lower()


def find_guids(given: Sequence[Any]) -> list[str] | None:
    """The same of many at once; None unless each of them is the text of a GUID."""
    try:
        joined = " ".join(given).lower()
    except TypeError:
        return None
    found = joined.split(" ")
    return found if len(found) == len(given) and GUIDS_PATTERN.fullmatch(joined + " ") else None


def parse_text(text: str, argument: str, *, place: str = "") -> str:
    """Check that Postgres can hold a text. Raises BadUserInput naming the argument."""
    if "\0" in text or not (text.isascii() or SURROGATE_PATTERN.search(text) is None):
        raise BadUserInput(f"`{argument}` holds a character that cannot be stored{place}.", argument=argument)
    return text


PARSERS: dict[Property, Callable[..., Value]] = {
    Property.ID: check_guid,
    Property.BOOKING_ID: check_guid,
    Property.SESSION_ID: parse_text,
}


def parse_value(of: Property, value: str | int, argument: str, *, place: str = "") -> Value:
    """Read a caller's value of a property; a GUID stays a text. Raises BadUserInput naming the argument."""
    parse = PARSERS.get(of)
    return value if parse is None else parse(value, argument, place=place)
