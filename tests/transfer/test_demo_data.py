"""The demo data: always the same, and shaped like the attendance of real sites."""

import hashlib
import re
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from uuid import UUID

import orjson
import pytest

from app.attendance.demo import DEMO_SITES, PRESENT, generate_records
from app.attendance.transfer.validation import parse_record
from app.database.transfer import ImportRow

FIRST, SECOND = (generate_records(site) for site in DEMO_SITES)
ALL = [*FIRST, *SECOND]


def group_by_booking(rows: list[ImportRow]) -> dict[str, list[ImportRow]]:
    groups: dict[str, list[ImportRow]] = defaultdict(list)
    for row in rows:
        groups[row.booking_id].append(row)
    return groups


COURSE_BOOKINGS = [rows for rows in group_by_booking(ALL).values() if len(rows) > 1]


def test_the_demo_is_the_same_on_every_machine_and_every_day() -> None:
    digest = hashlib.sha256(orjson.dumps([tuple(row) for row in ALL])).hexdigest()
    assert digest == "f312361ed09bb5c9d9416e8c110cc306f29c344c4dfd1dc3fa36a6d73bf5c504"


def test_two_sites_hold_about_twenty_thousand_records() -> None:
    assert len({site.site_id for site in DEMO_SITES}) == 2
    assert 15_500 < len(FIRST) < 16_500
    assert 3_500 < len(SECOND) < 4_500


def test_every_record_is_one_that_an_import_would_take() -> None:
    for row in ALL:
        record = {
            "_id": row.id,
            "bookingId": row.booking_id,
            "sessionId": row.session_id,
            "status": row.status,
            "numberOfAttendees": row.number_of_attendees,
            "createdAt": row.created_at.isoformat() if row.created_at else None,
            "updatedAt": row.updated_at.isoformat() if row.updated_at else None,
        }
        assert parse_record(record) == row


def test_ids_and_keys_are_unique_and_ids_tell_the_time_of_creation() -> None:
    assert len({row.id for row in ALL}) == len({(row.booking_id, row.session_id) for row in ALL}) == len(ALL)
    for row in ALL:
        assert row.id is not None
        assert row.created_at is not None
        guid = UUID(row.id)
        assert (guid.version, guid.variant) == (7, "specified in RFC 4122")
        assert guid.int >> 80 == round(row.created_at.timestamp() * 1000)


def test_records_are_created_before_the_present_and_updated_no_earlier() -> None:
    for row in ALL:
        assert row.created_at is not None
        assert row.updated_at is not None
        assert PRESENT - timedelta(weeks=40) < row.created_at <= row.updated_at < PRESENT


@pytest.mark.parametrize("rows", [FIRST, SECOND])
def test_a_session_id_has_an_opaque_part_and_one_that_tells_sessions_apart(rows: list[ImportRow]) -> None:
    ids = {row.session_id for row in rows}
    parts = [session_id.split(":", 1) for session_id in ids]
    assert all(re.fullmatch(r"[0-9a-f]{32}", opaque) for opaque, _ in parts)
    assert all(re.fullmatch(r"[A-Z][A-Za-z0-9-]+-[0-9]+/2026-\d\d-\d\d/\d\d:\d\d", readable) for _, readable in parts)
    assert len({readable for _, readable in parts}) == len(ids)


def test_a_session_id_tells_when_the_session_is_and_a_recording_comes_after_it() -> None:
    for row in ALL:
        day, time = row.session_id.split("/")[1:]
        starts_at = datetime.fromisoformat(f"{day}T{time}Z")
        assert row.updated_at is not None
        assert (row.updated_at > starts_at) == (row.status != "NOT_SET")
        assert starts_at < PRESENT or row.status == "NOT_SET"


def test_a_course_booking_has_a_record_for_each_of_its_8_to_12_sessions() -> None:
    assert {len(rows) for rows in COURSE_BOOKINGS} == {8, 9, 10, 11, 12}
    assert len(COURSE_BOOKINGS) > 800


def test_a_few_participants_miss_most_of_a_course() -> None:
    recorded = [[row.status for row in rows if row.status != "NOT_SET"] for rows in COURSE_BOOKINGS]
    finished = [statuses for statuses in recorded if len(statuses) >= 6]
    missing = [statuses for statuses in finished if statuses.count("NOT_ATTENDED") > len(statuses) / 2]
    assert 0.03 < len(missing) / len(finished) < 0.15


def test_there_are_walk_ins_and_sessions_that_are_still_to_come() -> None:
    statuses = Counter(row.status for row in ALL)
    assert statuses["ATTENDED"] > statuses["NOT_ATTENDED"] > 1000
    assert statuses["NOT_SET"] > 1000
    assert {row.number_of_attendees for row in ALL if row.status == "NOT_SET"} == {0, 1}
    assert {row.number_of_attendees for row in ALL if row.status == "NOT_ATTENDED"} == {0}
    assert min(row.number_of_attendees for row in ALL if row.status == "ATTENDED") == 1
    assert sum(row.number_of_attendees > 3 for row in ALL) > 100


@pytest.mark.parametrize("rows", [FIRST, SECOND])
def test_sessions_are_of_all_kinds(rows: list[ImportRow]) -> None:
    bookings_by_session = Counter(row.session_id for row in rows)
    sizes = Counter(bookings_by_session.values())
    assert sizes[1] > 500
    assert sum(count for size, count in sizes.items() if size > 5) > 100
