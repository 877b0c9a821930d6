"""Validation: what a record may look like, and the sentence that says which field is wrong."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from app.attendance.transfer.validation import InvalidRecord, parse_record
from app.database.transfer import ImportRow

BOOKING = "4a8e599f-6f50-52fb-af2a-3271f99623ba"
RECORD: dict[str, Any] = {"bookingId": BOOKING, "sessionId": "s", "status": "ATTENDED"}
ROW = ImportRow(None, BOOKING, "s", "ATTENDED", None, None, None)
MOMENT = datetime(2026, 1, 31, 8, 30, tzinfo=UTC)
NOT_A_NUMBER = "numberOfAttendees must be a whole number from 0 to 2147483647"
NOT_A_SESSION = "sessionId must be a text of 1 to 250 characters"
NOT_A_TIME = "createdAt must be an ISO 8601 time with its offset, such as 2026-01-31T08:30:00Z"
NOT_A_BOOKING = "bookingId must be a GUID, such as 4a8e599f-6f50-52fb-af2a-3271f99623ba"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, ROW),
        ({"bookingId": BOOKING.upper()}, ROW),
        ({"unknown": {"nested": [1]}, "_id": None, "createdAt": None, "numberOfAttendees": None}, ROW),
        ({"_id": BOOKING.upper()}, ROW._replace(id=BOOKING)),
        ({"id": BOOKING}, ROW._replace(id=BOOKING)),
        ({"id": "a draft", "_id": BOOKING}, ROW._replace(id=BOOKING)),
        ({"sessionId": "é" * 250}, ROW._replace(session_id="é" * 250)),
        ({"sessionId": "\U0001f600"}, ROW._replace(session_id="\U0001f600")),
        ({"status": "NOT_SET", "numberOfAttendees": 0}, ROW._replace(status="NOT_SET", number_of_attendees=0)),
        ({"status": "NOT_ATTENDED"}, ROW._replace(status="NOT_ATTENDED")),
        ({"numberOfAttendees": 2**31 - 1}, ROW._replace(number_of_attendees=2**31 - 1)),
        ({"numberOfAttendees": 2.0}, ROW._replace(number_of_attendees=2)),
        ({"numberOfAttendees": Decimal("2.0")}, ROW._replace(number_of_attendees=2)),
        ({"numberOfAttendees": Decimal("2E+1")}, ROW._replace(number_of_attendees=20)),
        ({"numberOfAttendees": " 2 "}, ROW._replace(number_of_attendees=2)),
        ({"numberOfAttendees": "2.0"}, ROW._replace(number_of_attendees=2)),
        ({"numberOfAttendees": "-0"}, ROW._replace(number_of_attendees=0)),
        ({"numberOfAttendees": {"$numberInt": "2"}}, ROW._replace(number_of_attendees=2)),
        ({"status": "attended"}, ROW),
        ({"status": " ATTENDED\t"}, ROW),
        ({"status": "Not attended"}, ROW._replace(status="NOT_ATTENDED")),
        ({"sessionId": 7}, ROW._replace(session_id="7")),
        ({"sessionId": 12345678901234567890123}, ROW._replace(session_id="12345678901234567890123")),
        ({"sessionId": " s1"}, ROW._replace(session_id=" s1")),
        ({"bookingId": {"$uuid": BOOKING}}, ROW),
        ({"number_of_attendees": 2, "Created At": None}, ROW._replace(number_of_attendees=2)),
        ({"createdAt": "2026-01-31T08:30:00Z"}, ROW._replace(created_at=MOMENT)),
        ({"createdAt": "2026-01-31T10:30:00+02:00"}, ROW._replace(created_at=MOMENT)),
        ({"createdAt": "2026-01-31 03:00:00-05:30"}, ROW._replace(created_at=MOMENT)),
        ({"createdAt": {"$date": "2026-01-31T08:30:00.000Z"}}, ROW._replace(created_at=MOMENT)),
        ({"_createdDate": {"$date": 1769848200000}}, ROW._replace(created_at=MOMENT)),
        ({"_createdDate": {"$date": {"$numberLong": "1769848200000"}}}, ROW._replace(created_at=MOMENT)),
        ({"Created Date": "2026-01-31T08:30:00Z"}, ROW._replace(created_at=MOMENT)),
        (
            {"_createdDate": "2026-01-31T08:30:00.123Z", "_updatedDate": "2026-01-31T08:30:00.123456+00:00"},
            ROW._replace(
                created_at=datetime(2026, 1, 31, 8, 30, 0, 123000, tzinfo=UTC),
                updated_at=datetime(2026, 1, 31, 8, 30, 0, 123456, tzinfo=UTC),
            ),
        ),
    ],
)
def test_a_valid_record_becomes_a_row(fields: dict[str, Any], expected: ImportRow) -> None:
    assert parse_record(RECORD | fields) == expected


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("bookingId", None, "bookingId is missing"),
        ("sessionId", None, "sessionId is missing"),
        ("status", None, "status is missing"),
        ("bookingId", "", NOT_A_BOOKING),
        ("bookingId", BOOKING.replace("-", ""), NOT_A_BOOKING),
        ("bookingId", "{" + BOOKING + "}", NOT_A_BOOKING),
        ("bookingId", BOOKING + "\n", NOT_A_BOOKING),
        ("bookingId", BOOKING.replace("5", "\N{ARABIC-INDIC DIGIT FIVE}"), NOT_A_BOOKING),
        ("bookingId", 7, NOT_A_BOOKING),
        ("_id", "x", NOT_A_BOOKING.replace("bookingId", "_id")),
        ("id", "x", NOT_A_BOOKING.replace("bookingId", "id")),
        ("sessionId", "", NOT_A_SESSION),
        ("sessionId", "x" * 251, NOT_A_SESSION),
        ("sessionId", True, NOT_A_SESSION),
        ("sessionId", "caf\udce9", "sessionId is not valid UTF-8: save the file as UTF-8"),
        ("sessionId", 10**250, NOT_A_SESSION),
        ("sessionId", ["s"], NOT_A_SESSION),
        ("sessionId", "a\0b", "sessionId must not hold a NUL character"),
        ("sessionId", "a\ud800", "sessionId must not hold half of a surrogate pair"),
        ("status", "LATE", "status must be NOT_SET, ATTENDED or NOT_ATTENDED"),
        ("status", True, "status must be NOT_SET, ATTENDED or NOT_ATTENDED"),
        ("status", ["ATTENDED"], "status must be NOT_SET, ATTENDED or NOT_ATTENDED"),
        ("numberOfAttendees", -1, NOT_A_NUMBER),
        ("numberOfAttendees", 2**31, NOT_A_NUMBER),
        ("numberOfAttendees", True, NOT_A_NUMBER),
        ("numberOfAttendees", 1.5, NOT_A_NUMBER),
        ("numberOfAttendees", Decimal("1E+99999999"), NOT_A_NUMBER),
        ("numberOfAttendees", 1e300 * 1e300, NOT_A_NUMBER),
        ("numberOfAttendees", "1,000", NOT_A_NUMBER),
        ("numberOfAttendees", "1e3", NOT_A_NUMBER),
        ("numberOfAttendees", "²", NOT_A_NUMBER),
        ("numberOfAttendees", "1" * 5000, NOT_A_NUMBER),
        ("numberOfAttendees", "", NOT_A_NUMBER),
        ("numberOfAttendees", {"$numberInt": "x"}, NOT_A_NUMBER),
        ("createdAt", "yesterday", NOT_A_TIME),
        ("createdAt", "2026-01-31T08:30:00", NOT_A_TIME),
        ("createdAt", "2026-01-31", NOT_A_TIME),
        ("createdAt", "0001-01-01T00:00:00+02:00", NOT_A_TIME),
        ("createdAt", {"$date": "soon"}, NOT_A_TIME),
        ("createdAt", {"$date": 10**18}, NOT_A_TIME),
        ("createdAt", {"$date": True}, NOT_A_TIME),
        ("createdAt", {"date": "2026-01-31T08:30:00Z"}, NOT_A_TIME),
        ("createdAt", 1769848200, NOT_A_TIME),
        ("updatedAt", "soon", NOT_A_TIME.replace("createdAt", "updatedAt")),
        ("_createdDate", "soon", NOT_A_TIME.replace("createdAt", "_createdDate")),
        ("_updatedDate", "soon", NOT_A_TIME.replace("createdAt", "_updatedDate")),
    ],
)
def test_an_invalid_field_is_named_with_what_it_must_be(field: str, value: object, reason: str) -> None:
    with pytest.raises(InvalidRecord) as caught:
        parse_record(RECORD | {field: value})
    assert str(caught.value) == reason


@pytest.mark.parametrize("value", [None, 7, "text", [RECORD]])
def test_what_is_no_object_is_no_record(value: object) -> None:
    with pytest.raises(InvalidRecord, match="the record must be an object with fields"):
        parse_record(value)


@pytest.mark.parametrize("value", [5.0, Decimal("5.0"), Decimal("1E+22"), 1e300])
def test_a_number_with_a_point_or_an_exponent_is_no_id(value: object) -> None:
    with pytest.raises(InvalidRecord, match="sessionId must be a text or a whole number, not"):
        parse_record(RECORD | {"sessionId": value})


def test_two_names_of_one_field_are_refused_unless_one_is_empty() -> None:
    assert parse_record(RECORD | {"booking_id": None}) == ROW
    with pytest.raises(InvalidRecord, match="bookingId is given twice: 'bookingId' and 'booking_id'"):
        parse_record(RECORD | {"booking_id": BOOKING})
