"""The schema's scalars: DateTime, and ID with exact digits."""

from datetime import UTC, datetime

import strawberry
from graphql import GraphQLError, GraphQLID
from graphql.pyutils import inspect


def write_time(moment: datetime) -> str:
    """A moment as ISO 8601 in UTC, always to the microsecond, such as 2026-03-04T17:30:00.000000Z."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def read_time(text: str) -> datetime:
    return datetime.fromisoformat(text)


def read_id(value: object) -> str:
    """Coerce an ID; an integer becomes its digits. Floats are refused: an integer beyond 64 bits arrives as one."""
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise GraphQLError(f"ID cannot represent value: {inspect(value)}. Send it as a string.")


GraphQLID.coerce_input_value = read_id

DATE_TIME = strawberry.scalar(
    name="DateTime", description="ISO 8601, UTC.", serialize=write_time, parse_value=read_time
)
