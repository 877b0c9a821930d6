"""Turns a record as it was read into a row to store, or says which field is wrong and how."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from app.database.transfer import ImportRow
from app.plan.properties import GUID_PATTERN, STATUSES
from app.plan.write import LARGEST_NUMBER, LONGEST_SESSION_ID

DEFAULT_NUMBER_OF_ATTENDEES = 1
NO_OFFSET = timedelta(0)

match_guid = GUID_PATTERN.fullmatch


class InvalidRecord(Exception):
    """A record that cannot be stored; the message is a sentence that names the field at fault."""


def parse_record(value: object) -> ImportRow:
    """The row that a record stands for; a field that is null counts as absent, an unknown one is passed over.

    Raises InvalidRecord.
    """
    if not isinstance(value, dict):
        raise InvalidRecord("the record must be an object with fields")
    return ImportRow(
        parse_id(value),
        parse_guid(value.get("bookingId"), "bookingId"),
        parse_session_id(value.get("sessionId")),
        parse_status(value.get("status")),
        parse_number_of_attendees(value.get("numberOfAttendees")),
        parse_time(value, "createdAt", "_createdDate"),
        parse_time(value, "updatedAt", "_updatedDate"),
    )


def parse_id(value: Mapping[str, Any]) -> str | None:
    field = "_id" if value.get("_id") is not None else "id"
    given = value.get(field)
    return None if given is None else parse_guid(given, field)


def parse_guid(given: object, field: str) -> str:
    """The GUID in lower case, which is how Postgres writes it."""
    if isinstance(given, str) and match_guid(given):
        return given.lower()
    if given is None:
        raise InvalidRecord(f"{field} is missing")
    raise InvalidRecord(f"{field} must be a GUID, such as 4a8e599f-6f50-52fb-af2a-3271f99623ba")


def parse_session_id(given: object) -> str:
    if given is None:
        raise InvalidRecord("sessionId is missing")
    if not isinstance(given, str) or not 1 <= len(given) <= LONGEST_SESSION_ID:
        raise InvalidRecord(f"sessionId must be a text of 1 to {LONGEST_SESSION_ID} characters")
    if "\0" in given:
        raise InvalidRecord("sessionId must not hold a NUL character")
    if not given.isascii() and any("\ud800" <= character <= "\udfff" for character in given):
        raise InvalidRecord("sessionId must not hold half of a surrogate pair")
    return given


def parse_status(given: object) -> str:
    if isinstance(given, str) and given in STATUSES:
        return given
    if given is None:
        raise InvalidRecord("status is missing")
    raise InvalidRecord("status must be NOT_SET, ATTENDED or NOT_ATTENDED")


def parse_number_of_attendees(given: object) -> int:
    if given is None:
        return DEFAULT_NUMBER_OF_ATTENDEES
    if isinstance(given, int) and not isinstance(given, bool) and 0 <= given <= LARGEST_NUMBER:
        return given
    raise InvalidRecord(f"numberOfAttendees must be a whole number from 0 to {LARGEST_NUMBER}")


def parse_time(value: Mapping[str, Any], field: str, platform_field: str) -> datetime | None:
    """A time by the service's name for it, or by the one that the booking platform's own exports use."""
    given = value.get(field)
    if given is None:
        field = platform_field
        given = value.get(field)
    if given is None:
        return None
    try:
        time = datetime.fromisoformat(given)
    except (TypeError, ValueError):
        time = None
    if time is None or time.utcoffset() != NO_OFFSET:
        raise InvalidRecord(f"{field} must be an ISO 8601 time in UTC, such as 2026-01-31T08:30:00Z")
    return time.replace(tzinfo=UTC)
