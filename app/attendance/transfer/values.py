"""Parses the values of a record in a file, by the same rules for all formats."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from app.errors import BadUserInput
from app.plan.properties import GUID_PATTERN, LARGEST_INTEGER, LONGEST_SESSION_ID, STATUSES, parse_text

NUL = "\0"
WHOLE_NUMBER = re.compile(r"-?[0-9]{1,20}(?:\.0{1,20})?", re.ASCII)
LONG_NUMBER = re.compile(r"-?[0-9]{1,20}", re.ASCII)
STATUS_SEPARATORS = re.compile(r"[\s_-]+")
INVALID_BYTES = re.compile("[\udc80-\udcff]")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NUMBER_WRAPPERS = ("$numberInt", "$numberLong", "$numberDouble")
EXACT_WRAPPERS = ("$numberInt", "$numberLong")


class InvalidRecord(Exception):
    """A record that cannot be stored; the message names the field at fault."""


def unwrap(given: object, *wrappers: str) -> object:
    """The value in an object of MongoDB's extended JSON, such as `{"$date": ...}`; any other value as it is."""
    if isinstance(given, Mapping) and len(given) == 1:
        ((wrapper, value),) = given.items()
        if wrapper in wrappers:
            return value
    return given


def parse_guid(given: object, field: str) -> str:
    """The GUID in lower case, which is how Postgres writes it. Raises InvalidRecord."""
    if isinstance(given, str):
        if GUID_PATTERN.fullmatch(given):
            return given.lower()
    elif given is None:
        raise InvalidRecord(f"{field} is missing")
    elif isinstance(value := unwrap(given, "$uuid"), str):
        return parse_guid(value, field)
    raise InvalidRecord(f"{field} must be a GUID, such as 4a8e599f-6f50-52fb-af2a-3271f99623ba")


def parse_session_id(given: object) -> str:
    """The text of a session's id; a whole number becomes its digits. Raises InvalidRecord."""
    if not isinstance(given, str):
        given = write_number(given)
    if not 1 <= len(given) <= LONGEST_SESSION_ID:
        raise InvalidRecord(f"sessionId must be a text of 1 to {LONGEST_SESSION_ID} characters")
    if NUL in given:
        raise InvalidRecord("sessionId must not hold a NUL character")
    if not given.isascii():
        if INVALID_BYTES.search(given):
            raise InvalidRecord("sessionId is not valid UTF-8: save the file as UTF-8")
        try:
            parse_text(given, "sessionId")
        except BadUserInput as error:
            raise InvalidRecord("sessionId must not hold half of a surrogate pair") from error
    return given


def write_number(given: object) -> str:
    """The digits of a whole number that is a session's id. Raises InvalidRecord."""
    if isinstance(given, Mapping):
        given = read_long(unwrap(given, *EXACT_WRAPPERS))
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    if given is None:
        raise InvalidRecord("sessionId is missing")
    if isinstance(given, Decimal | float):
        raise InvalidRecord(
            f"sessionId must be a text or a whole number, not {str(given)[:40]}: "
            "a program has changed how the id is written, so its digits are not known"
        )
    raise InvalidRecord(f"sessionId must be a text of 1 to {LONGEST_SESSION_ID} characters")


def parse_status(given: object) -> str:
    """One of the statuses, without regard to case and to spaces around it. Raises InvalidRecord."""
    if given in STATUSES:
        return str(given)
    if given is None:
        raise InvalidRecord("status is missing")
    if isinstance(given, str):
        status = STATUS_SEPARATORS.sub("_", given.strip()).upper()
        if status in STATUSES:
            return status
    raise InvalidRecord("status must be NOT_SET, ATTENDED or NOT_ATTENDED")


def parse_whole_number(given: object) -> int | None:
    """A whole number as GraphQL takes it, where `2.0` is 2, or the text of one; None for anything else."""
    if isinstance(given, str):
        text = given.strip()
        return int(text.partition(".")[0]) if WHOLE_NUMBER.fullmatch(text) else None
    if isinstance(given, bool) or not isinstance(given, int | float | Decimal):
        return None
    if not -LARGEST_INTEGER <= given <= LARGEST_INTEGER:
        return None
    return int(given) if given == int(given) else None


def parse_number_of_attendees(given: object) -> int | None:
    """How many attended; None if the record does not say it. Raises InvalidRecord."""
    if given is None or (type(given) is int and 0 <= given <= LARGEST_INTEGER):
        return given
    number = parse_whole_number(given if isinstance(given, str) else unwrap(given, *NUMBER_WRAPPERS))
    if number is None or not 0 <= number <= LARGEST_INTEGER:
        raise InvalidRecord(f"numberOfAttendees must be a whole number from 0 to {LARGEST_INTEGER}")
    return number


def parse_time(given: object, field: str) -> datetime:
    """An instant in UTC, from ISO 8601 with an offset or `{"$date": ...}`. Raises InvalidRecord."""
    if not isinstance(given, str) and isinstance(given, Mapping):
        given = unwrap(given, "$date")
        if isinstance(given, Mapping):
            given = read_long(unwrap(given, "$numberLong"))
        if isinstance(given, int) and not isinstance(given, bool):
            return read_milliseconds(given, field)
    try:
        if isinstance(given, str) and NUL not in given:  # Python ignores what follows a NUL.
            time = datetime.fromisoformat(given.strip())
            if time.tzinfo is UTC:
                return time
            if time.utcoffset() is not None:
                return time.astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise describe_time(field)


def read_long(given: object) -> object:
    """The number in the text of one; any other value as it is."""
    return int(given) if isinstance(given, str) and LONG_NUMBER.fullmatch(given) else given


def read_milliseconds(milliseconds: int, field: str) -> datetime:
    try:
        return EPOCH + timedelta(milliseconds=milliseconds)
    except OverflowError as error:
        raise describe_time(field) from error


def describe_time(field: str) -> InvalidRecord:
    return InvalidRecord(f"{field} must be an ISO 8601 time with its offset, such as 2026-01-31T08:30:00Z")


def first_given(record: Mapping[str, Any], fields: tuple[str, str]) -> tuple[str, Any]:
    """The first of two fields that has a value, and that value; None if neither has one."""
    first, second = fields
    value = record.get(first)
    return (second, record.get(second)) if value is None else (first, value)
