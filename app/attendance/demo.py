"""The demo data: two sites' made-up attendance, the same on every machine and every day."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from app.database.transfer import ImportRow

# The demo's current time: earlier sessions are recorded, later ones only booked. A Monday, before any session starts.
PRESENT = datetime(2026, 11, 2, 6, tzinfo=UTC)
WEEKS_BEFORE = 30
WEEKS_AFTER = 3
COURSES = ("Beginners-Yoga", "Salsa", "Pottery", "Swimming", "Italian-A1", "Watercolour", "First-Aid", "Ukulele")
CLASSES = ("Yoga", "Pilates", "HIIT", "Strength", "Cycling", "Zumba", "Boxing", "Stretching")
APPOINTMENTS = ("Massage", "Physiotherapy", "Personal-Training", "Nutrition-Advice", "Trial-Lesson")


@dataclass(frozen=True, slots=True)
class DemoSite:
    """A site of the demo and how much it offers."""

    site_id: UUID
    seed: int
    courses: int
    weekly_classes: int
    appointments: int


@dataclass(frozen=True, slots=True)
class DemoSession:
    session_id: str
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class DemoBooking:
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
    """All records of a demo site, ordered by id, which is the order of their creation."""
    rng = random.Random(site.seed)  # noqa: S311 - reproducible on purpose, and no secret
    rows: list[ImportRow] = []
    for name in number_names(COURSES, site.courses):
        rows.extend(generate_course(rng, name))
    for name in number_names(CLASSES, site.weekly_classes):
        rows.extend(generate_weekly_class(rng, name))
    for name in number_names(APPOINTMENTS, site.appointments):
        rows.extend(generate_appointment(rng, name))
    return sorted(rows)


def number_names(activities: Sequence[str], count: int) -> Iterator[str]:
    """`count` distinct names: each activity in turn, with the number of its group (`Yoga-1`, ..., `Yoga-2`)."""
    return (f"{activities[index % len(activities)]}-{index // len(activities) + 1}" for index in range(count))


def generate_course(rng: random.Random, name: str) -> Iterator[ImportRow]:
    """One group of participants in 8 to 12 weekly sessions; a booking covers all of them."""
    lessons = rng.randint(8, 12)
    starts_at = pick_start(rng, earliest_week=-WEEKS_BEFORE, latest_week=WEEKS_AFTER - lessons // 2)
    sessions = list(schedule_weekly(rng, name, starts_at, lessons))
    for _ in range(rng.randint(6, 16)):
        booking = create_booking(rng, starts_at, parties=(1, 1, 1, 1, 2))
        for session in sessions:
            yield record_attendance(rng, booking, session)


def generate_weekly_class(rng: random.Random, name: str) -> Iterator[ImportRow]:
    """A class that runs every week; each session is booked separately."""
    starts_at = pick_start(rng, earliest_week=-WEEKS_BEFORE, latest_week=-WEEKS_BEFORE)
    for session in schedule_weekly(rng, name, starts_at, WEEKS_BEFORE + WEEKS_AFTER):
        for _ in range(rng.randint(3, 13)):
            booking = create_booking(rng, session.starts_at, parties=(1, 1, 1, 1, 1, 2, 3))
            yield record_attendance(rng, booking, session)


def generate_appointment(rng: random.Random, name: str) -> Iterator[ImportRow]:
    """A single session with a single booking."""
    starts_at = pick_start(rng, earliest_week=-WEEKS_BEFORE, latest_week=WEEKS_AFTER)
    session = next(schedule_weekly(rng, name, starts_at, 1))
    booking = create_booking(rng, starts_at, parties=(1, 1, 1, 1, 1, 1, 1, 2))
    yield record_attendance(rng, booking, session)


def pick_start(rng: random.Random, *, earliest_week: int, latest_week: int) -> datetime:
    """A quarter of an hour between 7:00 and 20:45 on any day of one of these weeks, counted from the present one."""
    monday = PRESENT.replace(hour=0) + timedelta(weeks=rng.randint(earliest_week, latest_week))
    return monday + timedelta(days=rng.randrange(7), hours=rng.randint(7, 20), minutes=15 * rng.randrange(4))


def schedule_weekly(rng: random.Random, name: str, starts_at: datetime, count: int) -> Iterator[DemoSession]:
    """Sessions a week apart.

    An id is an opaque part and a readable one, such as `9608b52454655e01b8ee2d9e2e70ac8e:Yoga-2/2026-03-09/18:15`:
    no GUID, and with the punctuation of real session ids.
    """
    for week in range(count):
        at = starts_at + timedelta(weeks=week)
        yield DemoSession(f"{rng.getrandbits(128):032x}:{name}/{at:%Y-%m-%d/%H:%M}", at)


def create_booking(rng: random.Random, starts_at: datetime, *, parties: Sequence[int]) -> DemoBooking:
    """A booking made in the month before its first session; about one in twelve will miss most of what was booked."""
    days_ahead = min(rng.randrange(30), rng.randrange(30))
    ahead = timedelta(days=days_ahead, minutes=rng.randint(30, 600), milliseconds=rng.randrange(60_000))
    diligence = 0.15 if rng.random() < 1 / 12 else rng.uniform(0.78, 0.98)
    return DemoBooking(
        booking_id=str(UUID(int=rng.getrandbits(128), version=4)),
        booked_at=min(starts_at, PRESENT) - ahead,
        party=rng.choice(parties),
        diligence=diligence,
    )


def record_attendance(rng: random.Random, booking: DemoBooking, session: DemoSession) -> ImportRow:
    """The record of one booking at one session: made with the booking, updated when the session was over."""
    is_over = session.starts_at < PRESENT
    is_recorded = is_over and rng.random() < 0.97
    status, number = draw_outcome(rng, booking) if is_recorded else ("NOT_SET", rng.randint(0, 1))
    recorded_at = session.starts_at + timedelta(minutes=rng.randint(45, 180), seconds=rng.randrange(60))
    return ImportRow(
        id=create_uuid7(rng, booking.booked_at),
        booking_id=booking.booking_id,
        session_id=session.session_id,
        status=status,
        number_of_attendees=number,
        created_at=booking.booked_at,
        updated_at=recorded_at if is_recorded else booking.booked_at,
    )


def draw_outcome(rng: random.Random, booking: DemoBooking) -> tuple[str, int]:
    """Whether anybody came, and how many: at times fewer than were booked, at times more (walk-ins)."""
    if rng.random() >= booking.diligence:
        return "NOT_ATTENDED", 0
    if rng.random() < 0.05:
        return "ATTENDED", booking.party + rng.randint(1, 3)
    return "ATTENDED", rng.choice((booking.party, booking.party, rng.randint(1, booking.party)))


def create_uuid7(rng: random.Random, at: datetime) -> str:
    """A UUIDv7 (RFC 9562, section 5.7) of this time, to the millisecond."""
    milliseconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    version_and_random = 0x7 << 12 | rng.getrandbits(12)
    variant_and_random = 0b10 << 62 | rng.getrandbits(62)
    return str(UUID(int=milliseconds << 80 | version_and_random << 64 | variant_and_random))
