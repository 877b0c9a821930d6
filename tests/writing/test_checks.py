"""The checks of concurrent and of interrupted writing accept what may be stored, and see what may not."""

import random
from uuid import uuid4

import pytest

from tests.support.histories import Call, Effect, find_contradiction
from tests.support.ledger import RECORDS_A_BOOKING, Ledger


def call(started: float, ended: float, *effects: tuple[str, str, int | None]) -> Call:
    return Call(started, ended, [Effect(*effect) for effect in effects])


def test_the_later_of_two_calls_wins() -> None:
    calls = [call(0, 1, ("a", "x", 1)), call(2, 3, ("a", "x", 2))]
    assert find_contradiction(calls, {"a": ("x", 2)}) is None
    assert find_contradiction(calls, {"a": ("x", 1)}) is not None


def test_either_of_two_calls_at_once_may_win() -> None:
    calls = [call(0, 2, ("a", "x", 1)), call(1, 3, ("a", "x", 2))]
    assert find_contradiction(calls, {"a": ("x", 1)}) is None
    assert find_contradiction(calls, {"a": ("x", 2)}) is None


def test_of_two_bulks_at_once_one_wins_wherever_they_meet() -> None:
    calls = [call(0, 9, ("a", "x", 1), ("b", "y", 1)), call(0, 9, ("b", "y", 2), ("a", "x", 2))]
    assert find_contradiction(calls, {"a": ("x", 2), "b": ("y", 2)}) is None
    assert find_contradiction(calls, {"a": ("x", 1), "b": ("y", 2)}) is not None


def test_an_order_that_one_key_needs_and_time_forbids_is_seen() -> None:
    calls = [
        call(0, 9, ("a", "x", 1), ("b", "y", 1)),
        call(0, 2, ("a", "x", 2)),
        call(3, 4, ("b", "y", 3)),
    ]
    assert find_contradiction(calls, {"a": ("x", 2), "b": ("y", 3)}) is None
    assert find_contradiction(calls, {"a": ("x", 1), "b": ("y", 3)}) is None
    assert find_contradiction(calls, {"a": ("x", 1), "b": ("y", 1)}) is None
    assert find_contradiction(calls, {"a": ("x", 2), "b": ("y", 1)}) is not None


def test_a_lost_record_is_seen() -> None:
    assert find_contradiction([call(0, 1, ("a", "x", 1))], {}) is not None


def test_a_value_or_a_record_that_nobody_acknowledged_is_seen() -> None:
    calls = [call(0, 1, ("a", "x", 1))]
    for stored in ({"a": ("x", 2)}, {"a": ("y", 1)}, {"a": ("x", 1), "b": ("z", 1)}):
        assert find_contradiction(calls, stored) is not None


def test_a_record_is_deleted_once_and_for_all() -> None:
    created, deleted, again = call(0, 1, ("a", "x", 1)), call(2, 3, ("a", "x", None)), call(2, 3, ("a", "x", None))
    assert find_contradiction([created, deleted], {}) is None
    assert find_contradiction([created, deleted], {"a": ("x", 1)}) is not None
    assert find_contradiction([created, deleted, again], {}) is not None


def test_a_record_that_follows_a_deletion_is_the_one_that_stays() -> None:
    calls = [call(0, 1, ("a", "x", 1)), call(2, 5, ("a", "x", None)), call(3, 6, ("a", "y", 2))]
    assert find_contradiction(calls, {"a": ("y", 2)}) is None
    late = [*calls, call(7, 8, ("a", "x", 3))]
    assert find_contradiction(late, {"a": ("y", 2)}) is not None


def test_any_serial_history_is_accepted_and_a_change_to_it_is_seen() -> None:
    for seed in range(50):
        chance = random.Random(seed)
        stored: dict[str, tuple[str, int]] = {}
        calls = []
        for number in range(60):
            effects: list[tuple[str, str, int | None]] = []
            for key in chance.sample("abcdefgh", 4):
                if chance.random() < 0.2 and key in stored:
                    effects.append((key, stored.pop(key)[0], None))
                else:
                    stored[key] = (stored.get(key, (f"{key}{number}",))[0], number)
                    effects.append((key, *stored[key]))
            calls.append(call(number - chance.random() * 3, number + chance.random() * 3, *effects))
        assert find_contradiction(calls, stored) is None
        key = chance.choice(sorted(stored))
        assert find_contradiction(calls, {**stored, key: (stored[key][0], 0)}) is not None
        del stored[key]
        assert find_contradiction(calls, stored) is not None


WHOLE = RECORDS_A_BOOKING
for_each_answer = pytest.mark.parametrize(
    ("calls", "numbers", "is_possible"),
    [
        ("", [], True),
        ("", [1] * WHOLE, False),
        ("a1", [1] * WHOLE, True),
        ("a1", [], False),
        ("a1", [1] * (WHOLE - 1), False),
        ("a1", [1] * (WHOLE + 1), False),
        ("o1", [1] * WHOLE, True),
        ("o1", [], True),
        ("o1", [1] * (WHOLE - 1), False),
        ("a1 o2", [1] * WHOLE, True),
        ("a1 o2", [2] * WHOLE, True),
        ("a1 o2", [1] * (WHOLE - 1) + [2], False),
        ("a1 o2 a3", [3] * WHOLE, True),
        ("a1 o2 a3", [2] * WHOLE, False),
        ("a1 a-", [], True),
        ("a1 a-", [1] * WHOLE, False),
        ("a1 o-", [1] * WHOLE, True),
        ("a1 o-", [], True),
    ],
)


@for_each_answer
def test_the_ledger_knows_which_states_of_a_booking_are_possible(
    calls: str, numbers: list[int], *, is_possible: bool
) -> None:
    ledger, booking = Ledger(), uuid4()
    for each in calls.split():
        state = None if each[1] == "-" else int(each[1])
        (ledger.acknowledge if each[0] == "a" else ledger.leave_open)(booking, state)
    assert (ledger.find_faults([(booking, number) for number in numbers]) == []) is is_possible
