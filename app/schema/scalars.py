"""The one scalar of the schema's own."""

from datetime import UTC, datetime

import strawberry


def write_time(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC, always to the microsecond, such as 2026-03-04T17:30:00.000000Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def read_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


DATE_TIME = strawberry.scalar(
    name="DateTime", description="ISO 8601, UTC.", serialize=write_time, parse_value=read_time
)
