"""Converts a record as it was read to a row to store, or says which field is wrong and why."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from app.attendance.transfer.fields import CREATED_FIELDS, ID_FIELDS, UPDATED_FIELDS, AmbiguousField, name_fields
from app.attendance.transfer.values import (
    InvalidRecord,
    first_given,
    parse_guid,
    parse_number_of_attendees,
    parse_session_id,
    parse_status,
    parse_time,
)
from app.database.transfer import ImportRow

__all__ = ["InvalidRecord", "parse_record"]


def parse_record(value: object) -> ImportRow:
    """The row of a record; a field that is null counts as absent, an unknown field is ignored.

    Raises InvalidRecord.
    """
    if not isinstance(value, dict):
        raise InvalidRecord("the record must be an object with fields")
    try:
        record = name_fields(value)
    except AmbiguousField as error:
        raise InvalidRecord(str(error)) from error
    return ImportRow(
        parse_id(record),
        parse_guid(record.get("bookingId"), "bookingId"),
        parse_session_id(record.get("sessionId")),
        parse_status(record.get("status")),
        parse_number_of_attendees(record.get("numberOfAttendees")),
        parse_first_time(record, CREATED_FIELDS),
        parse_first_time(record, UPDATED_FIELDS),
    )


def parse_id(record: Mapping[str, Any]) -> str | None:
    field, given = first_given(record, ID_FIELDS)
    return None if given is None else parse_guid(given, field)


def parse_first_time(record: Mapping[str, Any], fields: tuple[str, str]) -> datetime | None:
    """A time under the service's name for it, or under the name that exports of the booking platform use."""
    field, given = first_given(record, fields)
    return None if given is None else parse_time(given, field)
