"""The demo data: two sites' made-up attendance, the same on every machine and every day."""

import random
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.database.transfer import ImportRow

# The demo's present: earlier sessions were recorded, later ones are only booked. A Monday, before any session starts.
PRESENT = datetime(2026, 11, 2, 6, tzinfo=UTC)
WEEKS_BEFORE = 30
WEEKS_AFTER = 3
BASE62 = string.digits + string.ascii_letters


@dataclass(frozen=True, slots=True)
class DemoSite:
    """A site of the demo and how much it offers."""

    site_id: UUID
    seed: int
    courses: int
    weekly_classes: int
    appointments: int


@dataclass(frozen=True, slots=True)
class Session:
    session_id: str
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Booking:
    """Who booked: `party` people, who come to a session with the probability `diligence`."""

    booking_id: str
    booked_at: datetime
    party: int
    diligence: float


DEMO_SITES = (
    DemoSite(UUID("5c1f0a52-8d3e-4b67-9f21-c0a4e7d91b38"), seed=1, courses=69, weekly_classes=24, appointments=1900),
    DemoSite(UUID("e27b96d4-13f8-4c0a-b5de-7a90c24f6e15"), seed=2, courses=18, weekly_classes=5, appointments=700),
)


def generate_records(site: DemoSite) -> list[ImportRow]:
    """All records of a demo site, ordered by id and so by the time of their creation."""
    chance = random.Random(site.seed)  # noqa: S311 - reproducible on purpose, and no secret
    rows: list[ImportRow] = []
    for _ in range(site.courses):
        rows.extend(generate_course(chance))
    for _ in range(site.weekly_classes):
        rows.extend(generate_weekly_class(chance))
    for _ in range(site.appointments):
        rows.extend(generate_appointment(chance))
    return sorted(rows)


def generate_course(chance: random.Random) -> Iterator[ImportRow]:
    """One group of participants through 8 to 12 weekly sessions; a booking covers all of them."""
    lessons = chance.randint(8, 12)
    starts_at = pick_start(chance, earliest_week=-WEEKS_BEFORE, latest_week=WEEKS_AFTER - lessons // 2)
    sessions = list(schedule_weekly(chance, starts_at, lessons))
    for _ in range(chance.randint(6, 16)):
        booking = create_booking(chance, starts_at, parties=(1, 1, 1, 1, 2))
        for session in sessions:
            yield record_attendance(chance, booking, session)


def generate_weekly_class(chance: random.Random) -> Iterator[ImportRow]:
    """A class that runs every week; each session is booked anew."""
    starts_at = pick_start(chance, earliest_week=-WEEKS_BEFORE, latest_week=-WEEKS_BEFORE)
    for session in schedule_weekly(chance, starts_at, WEEKS_BEFORE + WEEKS_AFTER):
        for _ in range(chance.randint(3, 13)):
            booking = create_booking(chance, session.starts_at, parties=(1, 1, 1, 1, 1, 2, 3))
            yield record_attendance(chance, booking, session)


def generate_appointment(chance: random.Random) -> Iterator[ImportRow]:
    """A single session with a single booking."""
    starts_at = pick_start(chance, earliest_week=-WEEKS_BEFORE, latest_week=WEEKS_AFTER)
    session = next(schedule_weekly(chance, starts_at, 1))
    booking = create_booking(chance, starts_at, parties=(1, 1, 1, 1, 1, 1, 1, 2))
    yield record_attendance(chance, booking, session)


def pick_start(chance: random.Random, *, earliest_week: int, latest_week: int) -> datetime:
    """A quarter of an hour between 7:00 and 20:45 on any day of one of these weeks, counted from the present one."""
    monday = PRESENT.replace(hour=0) + timedelta(weeks=chance.randint(earliest_week, latest_week))
    return monday + timedelta(days=chance.randrange(7), hours=chance.randint(7, 20), minutes=15 * chance.randrange(4))


def schedule_weekly(chance: random.Random, starts_at: datetime, count: int) -> Iterator[Session]:
    """Sessions a week apart; their ids are opaque, and equally long as they are of the same service."""
    length = chance.randint(40, 100)
    for week in range(count):
        yield Session("".join(chance.choices(BASE62, k=length)), starts_at + timedelta(weeks=week))


def create_booking(chance: random.Random, starts_at: datetime, *, parties: Sequence[int]) -> Booking:
    """A booking made in the month before its first session; about one in twelve will miss most of what was booked."""
    days_ahead = min(chance.randrange(30), chance.randrange(30))
    ahead = timedelta(days=days_ahead, minutes=chance.randint(30, 600), milliseconds=chance.randrange(60_000))
    diligence = 0.15 if chance.random() < 1 / 12 else chance.uniform(0.78, 0.98)
    return Booking(
        booking_id=str(UUID(int=chance.getrandbits(128), version=4)),
        booked_at=min(starts_at, PRESENT) - ahead,
        party=chance.choice(parties),
        diligence=diligence,
    )


def record_attendance(chance: random.Random, booking: Booking, session: Session) -> ImportRow:
    """The record of one booking at one session: made with the booking, updated when the session was over."""
    is_over = session.starts_at < PRESENT
    is_recorded = is_over and chance.random() < 0.97
    status, number = draw_outcome(chance, booking) if is_recorded else ("NOT_SET", chance.randint(0, 1))
    recorded_at = session.starts_at + timedelta(minutes=chance.randint(45, 180), seconds=chance.randrange(60))
    return ImportRow(
        id=create_uuid7(chance, booking.booked_at),
        booking_id=booking.booking_id,
        session_id=session.session_id,
        status=status,
        number_of_attendees=number,
        created_at=booking.booked_at,
        updated_at=recorded_at if is_recorded else booking.booked_at,
    )


def draw_outcome(chance: random.Random, booking: Booking) -> tuple[str, int]:
    """Whether anybody came, and how many: fewer of a party at times, and now and then walk-ins beyond it."""
    if chance.random() >= booking.diligence:
        return "NOT_ATTENDED", 0
    if chance.random() < 0.05:
        return "ATTENDED", booking.party + chance.randint(1, 3)
    return "ATTENDED", chance.choice((booking.party, booking.party, chance.randint(1, booking.party)))


def create_uuid7(chance: random.Random, at: datetime) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) of this time, to the millisecond."""
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    version_and_random = 0x7 << 12 | chance.getrandbits(12)
    variant_and_random = 0b10 << 62 | chance.getrandbits(62)
    return str(UUID(int=milliseconds << 80 | version_and_random << 64 | variant_and_random))
