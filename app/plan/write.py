"""What to write: attendance to record, and records to delete, checked item by item."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from app.errors import BadUserInput
from app.plan.properties import (
    LARGEST_INTEGER,
    Property,
    are_session_ids,
    check_guid,
    check_session_id,
    find_guids,
)

MOST_ITEMS = 100
# Booking and session identify a record. The rows that a write returns always include them.
KEY = (Property.BOOKING_ID, Property.SESSION_ID)

Item = TypeVar("Item")


class AttendanceWrite(NamedTuple):
    """The attendance to record for one booking at one session. Without a number, the stored one is kept."""

    booking_id: str
    session_id: str
    status: str
    number_of_attendees: int | None


class WriteColumns(NamedTuple):
    """Several writes as columns: one list for each property."""

    booking_ids: Sequence[str]
    session_ids: Sequence[str]
    statuses: Sequence[str]
    numbers: Sequence[int | None]


class SetPlan(NamedTuple):
    """The records to create or update, at most one for each booking and session."""

    writes: WriteColumns


class DeletePlan(NamedTuple):
    """The ids of the records to delete, each once."""

    ids: Sequence[str]


class BulkSetPlan(NamedTuple):
    """A bulk call that sets: the writes of the items at `positions`, and the errors of all other items by position."""

    writes: WriteColumns
    positions: Sequence[int]
    errors: Mapping[int, BadUserInput]


class BulkDeletePlan(NamedTuple):
    """A bulk call that deletes: the ids at `positions`, and the errors of all other items by position."""

    ids: Sequence[str]
    positions: Sequence[int]
    errors: Mapping[int, BadUserInput]


def plan_set(given: Mapping[str, Any], argument: str) -> SetPlan:
    """The record that an input asks to create or update. Raises BadUserInput naming the argument."""
    return SetPlan(to_columns([check_write(given, argument)]))


def to_columns(writes: Sequence[AttendanceWrite]) -> WriteColumns:
    return WriteColumns(*map(list, zip(*writes, strict=True))) if writes else WriteColumns([], [], [], [])


def join_columns(parts: Sequence[WriteColumns]) -> WriteColumns:
    """All writes of several parts, in their order."""
    return WriteColumns(*[list(chain.from_iterable(columns)) for columns in zip(*parts, strict=True)])


def check_write(given: Mapping[str, Any], argument: str) -> AttendanceWrite:
    """The attendance that an input asks to record. Raises BadUserInput naming the argument."""
    number = given.get("numberOfAttendees")
    booking_id = check_guid(given["bookingId"], f"{argument}.bookingId")
    session_id = check_session_id(given["sessionId"], f"{argument}.sessionId")
    if number is not None and not 0 <= number <= LARGEST_INTEGER:
        name = f"{argument}.numberOfAttendees"
        raise BadUserInput(f"`{name}` takes a number from 0 to {LARGEST_INTEGER}, not {number}.", argument=name)
    return AttendanceWrite(booking_id, session_id, given["status"], number)


def plan_bulk_set(given: Sequence[Mapping[str, Any]], argument: str) -> BulkSetPlan:
    """The writes of a bulk call. Of several items with the same key, the first one is written.

    All items are checked together; only if one of them is invalid, they are checked one by one, which finds the errors.
    Raises BadUserInput naming the argument when there are no items, or more than 100.
    """
    check_count(given, argument)
    writes = plan_valid_items(given)
    if writes is not None:
        return BulkSetPlan(writes, range(len(given)), {})
    items, errors = plan_each(given, check_write, lambda write: write[:2], argument)
    return BulkSetPlan(to_columns(list(items.values())), list(items), errors)


def plan_valid_items(given: Sequence[Mapping[str, Any]]) -> WriteColumns | None:
    """The writes of the items, if all of them are valid and have different keys; else None."""
    booking_ids = find_guids([item["bookingId"] for item in given])
    session_ids = [item["sessionId"] for item in given]
    numbers = [item.get("numberOfAttendees") for item in given]
    given_numbers = {number for number in numbers if number is not None}
    if (
        booking_ids is None
        or not are_session_ids(session_ids)
        or (given_numbers and not 0 <= min(given_numbers) <= max(given_numbers) <= LARGEST_INTEGER)
        or len(set(zip(booking_ids, session_ids, strict=True))) < len(given)
    ):
        return None
    return WriteColumns(booking_ids, session_ids, [item["status"] for item in given], numbers)


def plan_bulk_delete(given: Sequence[str], argument: str) -> BulkDeletePlan:
    """The ids of a bulk call. Of several equal ids, the first one is deleted and the others are errors.

    Raises BadUserInput naming the argument when there are no ids, or more than 100.
    """
    check_count(given, argument)
    items, errors = plan_each(given, check_guid, lambda each: each, argument)
    return BulkDeletePlan(list(items.values()), list(items), errors)


def check_count(given: Sequence[object], argument: str) -> None:
    if not 1 <= len(given) <= MOST_ITEMS:
        raise BadUserInput(f"`{argument}` takes 1 to {MOST_ITEMS} items, not {len(given)}.", argument=argument)


def plan_each(
    given: Sequence[Any],
    plan: Callable[[Any, str], Item],
    key_of: Callable[[Item], Hashable],
    argument: str,
) -> tuple[dict[int, Item], dict[int, BadUserInput]]:
    """The valid items of a bulk call by position, and the errors of all others by position."""
    items: dict[int, Item] = {}
    errors: dict[int, BadUserInput] = {}
    positions: dict[Hashable, int] = {}
    for position, each in enumerate(given):
        path = f"{argument}.{position}"
        try:
            item = plan(each, path)
        except BadUserInput as error:
            errors[position] = error
            continue
        first = positions.setdefault(key_of(item), position)
        if first == position:
            items[position] = item
        else:
            message = f"`{path}` is the same record as `{argument}.{first}`."
            errors[position] = BadUserInput(message, argument=path)
    return items, errors
