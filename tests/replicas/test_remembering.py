"""What a process remembers of its writes and of the primary's positions, within bounds."""

import math
import time
from uuid import uuid4

import pytest

from app.database import positions as module
from app.database.positions import PrimaryPositions
from app.database.recent_writes import RecentWrites


def test_a_write_is_remembered_until_the_replicas_have_it() -> None:
    writes, one, two = RecentWrites(), uuid4(), uuid4()
    writes.note(one, 3)
    writes.note(two, 7)
    between = time.monotonic()
    writes.note(one, 4)
    writes.forget_through(between)
    assert (writes.find_revision(one), writes.find_revision(two)) == (4, 0)
    assert writes.untracked_at <= between
    writes.forget_through(time.monotonic())
    assert len(writes) == 0


def test_writes_that_end_in_another_order_leave_the_last_revision() -> None:
    writes, site = RecentWrites(), uuid4()
    writes.note(site, 5)
    writes.note(site, 4)
    assert writes.find_revision(site) == 5


def test_beyond_the_bound_all_replicas_must_have_what_was_written() -> None:
    writes = RecentWrites(most=2)
    sites = [uuid4() for _ in range(3)]
    writes.note(sites[0], 1)
    writes.note(sites[1], 1)
    assert writes.untracked_at == -math.inf
    begin = time.monotonic()
    writes.note(sites[2], 1)
    writes.note(sites[0], 2)
    assert len(writes) == 2
    assert begin <= writes.untracked_at <= time.monotonic()
    assert [writes.find_revision(site) for site in sites] == [2, 1, 0]


def test_a_replica_is_as_far_behind_as_the_primary_has_been_beyond_its_position() -> None:
    positions = PrimaryPositions()
    assert (positions.measure_lag(5, 1), positions.find_time(5)) == (0, -math.inf)
    for position, begun in ((10, 1), (10, 2), (20, 3), (30, 4), (30, 5)):
        positions.note(position, begun)
    assert [positions.measure_lag(each, 6) for each in (9, 10, 19, 20, 29, 30, 40)] == [4, 2, 2, 1, 1, 0, 0]
    assert [positions.find_time(each) for each in (9, 10, 19, 20, 29, 30, 40)] == [-math.inf, 2, 2, 3, 3, 5, 5]


def test_no_replica_falls_further_behind_a_primary_that_does_not_answer() -> None:
    positions = PrimaryPositions()
    for position, begun in ((10, 1), (20, 2), (20, 3)):
        positions.note(position, begun)
    assert [positions.measure_lag(10, now) for now in (3, 4, 1000)] == [1, 1, 1]


def test_a_primary_that_is_behind_another_one_begins_anew() -> None:
    positions = PrimaryPositions()
    positions.note(100, 1)
    positions.note(50, 2)
    assert (positions.measure_lag(50, 3), positions.find_time(50)) == (0, 2)
    assert (positions.measure_lag(40, 3), positions.find_time(40)) == (0, -math.inf)


def test_the_samples_are_bounded_and_the_oldest_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_SAMPLES", 5)
    positions = PrimaryPositions()
    for second in range(100):
        positions.note(second, second)
    assert len(positions._samples) == 5  # noqa: SLF001 (nothing else tells how many there are)
    assert positions.measure_lag(-1, 100) == 99
    assert positions.find_time(99) == 99
