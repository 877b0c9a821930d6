"""The fields of a record in a file, and the names that files may use for them."""

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

ID_FIELDS = ("_id", "id")
CREATED_FIELDS = ("createdAt", "_createdDate")
UPDATED_FIELDS = ("updatedAt", "_updatedDate")
REQUIRED_FIELDS = ("bookingId", "sessionId", "status")
FIELDS = (*ID_FIELDS, *REQUIRED_FIELDS, "numberOfAttendees", *CREATED_FIELDS, *UPDATED_FIELDS)
EXPORTED_FIELDS = ("_id", *REQUIRED_FIELDS, "numberOfAttendees", "createdAt", "updatedAt")
IGNORED_CHARACTERS = re.compile(r"[\s_-]+")


class AmbiguousField(Exception):
    """Two names in a record or a header that mean the same field; the message names both."""


def simplify_name(name: str) -> str:
    """A name in lower case without spaces, `_` and `-`, which are not significant."""
    return IGNORED_CHARACTERS.sub("", name).casefold()


KNOWN_NAMES = frozenset(FIELDS)
SIMPLE_NAMES = {simplify_name(field): field for field in reversed(FIELDS) if field != "_id"}


@lru_cache(maxsize=4096)
def find_field(name: str) -> str | None:
    """The field that a name means, such as `bookingId` for `Booking ID`; None for one that is not used."""
    return name if name in KNOWN_NAMES else SIMPLE_NAMES.get(simplify_name(name))


def looks_like_record(value: object) -> bool:
    """Whether a value is an object with a field that makes it a record: the id of a booking or of a session."""
    if not isinstance(value, dict):
        return False
    if "bookingId" in value:
        return True
    keys = [each for name, each in value.items() if find_field(name) in ("bookingId", "sessionId")]
    return any(not isinstance(each, (list, dict)) for each in keys)


def name_fields(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The record with each field under its own name instead of the file's name for it; it may have unknown ones, too.

    Raises AmbiguousField if two names mean the same field and both have values.
    """
    others = [name for name in record if name not in KNOWN_NAMES and find_field(name)]
    if not others:
        return record
    named = {name: record[name] for name in record if name in KNOWN_NAMES}
    sources: dict[str, str] = {}
    for name in others:
        field, value = find_field(name), record[name]
        if field is None or value is None:
            continue
        if named.get(field) is not None:
            raise AmbiguousField(f"{field} is given twice: {sources.get(field, field)!r} and {name!r}")
        named[field] = value
        sources[field] = name
    return named
