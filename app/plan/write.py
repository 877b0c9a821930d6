"""What to write: attendance to record, and records to delete, checked item by item."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from app.errors import BadUserInput
from app.plan.properties import parse_guid, parse_text

MOST_ITEMS = 100
LONGEST_SESSION_ID = 250
LARGEST_NUMBER = 2**31 - 1

Item = TypeVar("Item", bound=Hashable)
Given = TypeVar("Given")


@dataclass(frozen=True, slots=True)
class AttendanceWrite:
    """The attendance of one booking at one session, as it shall be."""

    booking_id: UUID
    session_id: str
    status: str
    number_of_attendees: int

    @property
    def key(self) -> tuple[UUID, str]:
        """What makes it one record; no two items of a call may share it."""
        return self.booking_id, self.session_id


@dataclass(frozen=True, slots=True)
class Bulk(Generic[Item]):
    """The items of one call: those to write by their positions, and the errors of the others by theirs."""

    items: dict[int, Item]
    errors: dict[int, BadUserInput]


def plan_write(
    booking_id: str, session_id: str, status: str, number_of_attendees: int, argument: str
) -> AttendanceWrite:
    """The attendance that an input asks to record. Raises BadUserInput naming the argument."""
    booking = parse_guid(booking_id, f"{argument}.bookingId")
    session = parse_text(session_id, f"{argument}.sessionId")
    if not 1 <= len(session) <= LONGEST_SESSION_ID:
        name = f"{argument}.sessionId"
        raise BadUserInput(f"`{name}` takes 1 to {LONGEST_SESSION_ID} characters, not {len(session)}.", argument=name)
    if not 0 <= number_of_attendees <= LARGEST_NUMBER:
        name = f"{argument}.numberOfAttendees"
        raise BadUserInput(
            f"`{name}` takes a number from 0 to {LARGEST_NUMBER}, not {number_of_attendees}.", argument=name
        )
    return AttendanceWrite(booking, session, status, number_of_attendees)


def plan_bulk(
    given: Sequence[Given], plan: Callable[[Given], Item], key_of: Callable[[Item], Hashable], argument: str
) -> Bulk[Item]:
    """The items of a bulk call, each planned on its own; of several with one key the first is written.

    Raises BadUserInput naming the argument when there are no items, or more than 100.
    """
    if not 1 <= len(given) <= MOST_ITEMS:
        raise BadUserInput(f"`{argument}` takes 1 to {MOST_ITEMS} items, not {len(given)}.", argument=argument)
    bulk: Bulk[Item] = Bulk({}, {})
    positions: dict[Hashable, int] = {}
    for position, each in enumerate(given):
        try:
            item = plan(each)
        except BadUserInput as error:
            bulk.errors[position] = error
            continue
        first = positions.setdefault(key_of(item), position)
        if first == position:
            bulk.items[position] = item
        else:
            bulk.errors[position] = BadUserInput(f"The same record is written by item {first} of this call.")
    return bulk
