"""Admission: its bounds hold whatever happens, and a site cannot hold others up."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.web.load.admission import Admission, RejectionReason, Waiter, compute_share

SITES = st.sampled_from(["greedy", "modest", "other"])


def nothing() -> None:
    """What a waiter that nobody watches does when it is woken."""


def fill(admission: Admission, site: str, running: int, queued: int) -> list[Waiter]:
    assert all(admission.acquire(site) for _ in range(running))
    return [admission.enqueue(site, nothing) for _ in range(queued)]


@pytest.fixture
def admission() -> Admission:
    """Four slots and a queue of four, of which one site may have half when others wait."""
    return Admission(max_running=4, max_queued=4, site_share=50)


def test_alone_a_site_may_have_every_slot_and_the_whole_queue(admission: Admission) -> None:
    waiters = fill(admission, "greedy", 4, 4)
    assert not admission.acquire("greedy")
    assert admission.reject("greedy")
    assert admission.enqueue("greedy", nothing).is_rejected
    assert not any(waiter.is_rejected for waiter in waiters)
    assert admission.rejected == {RejectionReason.QUEUE_FULL: 2}


def test_a_slot_goes_to_who_has_waited_longest(admission: Admission) -> None:
    first, second, *_ = fill(admission, "greedy", 4, 3)
    admission.release("greedy")
    assert (first.is_admitted, second.is_admitted) == (True, False)
    assert (admission.running, admission.queued, admission.waited) == (4, 2, 3)


def test_a_site_above_its_share_waits_for_the_others(admission: Admission) -> None:
    greedy = fill(admission, "greedy", 4, 2)
    modest = fill(admission, "modest", 0, 2)
    admission.release("greedy")
    admission.release("greedy")
    assert [waiter.is_admitted for waiter in (*greedy, *modest)] == [False, False, True, True]
    admission.release("greedy")
    assert greedy[0].is_admitted


@pytest.fixture
def reserving() -> Admission:
    """Ten slots, of which two are for sites that hold less than five."""
    return Admission(max_running=10, max_queued=4, site_share=50, reserved=2)


def test_the_last_slots_are_kept_for_the_other_sites(reserving: Admission) -> None:
    greedy = fill(reserving, "greedy", 8, 2)
    assert not reserving.acquire("greedy")
    assert not reserving.reject("modest")
    assert reserving.acquire("modest")
    assert reserving.acquire("other")
    assert not reserving.acquire("modest")
    reserving.release("modest")
    assert (reserving.running, [waiter.is_admitted for waiter in greedy]) == (9, [False, False])
    reserving.release("other")
    reserving.release("greedy")
    assert (reserving.running, [waiter.is_admitted for waiter in greedy]) == (8, [True, False])


def test_a_full_queue_of_a_site_beyond_its_share_does_not_close_the_last_slots(reserving: Admission) -> None:
    fill(reserving, "greedy", 8, 4)
    assert reserving.reject("greedy")
    assert not reserving.reject("modest")
    assert reserving.acquire("modest")


def test_sites_below_their_share_may_use_all_slots(reserving: Admission) -> None:
    fill(reserving, "greedy", 6, 0)
    fill(reserving, "modest", 4, 1)
    assert reserving.running == 10
    reserving.release("modest")
    assert reserving.running == 10


def test_a_full_queue_makes_room_for_a_site_that_has_less_of_it(admission: Admission) -> None:
    greedy = fill(admission, "greedy", 4, 4)
    assert not admission.reject("modest")
    modest = [admission.enqueue("modest", nothing) for _ in range(3)]
    assert [waiter.is_rejected for waiter in greedy] == [False, False, True, True]
    assert [waiter.is_rejected for waiter in modest] == [False, False, True]
    assert admission.rejected == {RejectionReason.PUSHED_OUT: 2, RejectionReason.QUEUE_FULL: 1}


def test_a_waiter_that_leaves_gives_back_what_it_was_given(admission: Admission) -> None:
    first, second, third = fill(admission, "greedy", 4, 3)
    admission.cancel(second)
    admission.release("greedy")
    assert first.is_admitted
    admission.cancel(first)
    assert (third.is_admitted, admission.running, admission.queued) == (True, 4, 0)


def test_who_has_waited_too_long_is_turned_away_once(admission: Admission) -> None:
    woken: list[str] = []
    fill(admission, "greedy", 4, 0)
    waiter = admission.enqueue("greedy", lambda: woken.append("woken"))
    admission.time_out(waiter)
    admission.time_out(waiter)
    assert (waiter.is_rejected, woken, admission.queued) == (True, ["woken"], 0)
    assert admission.rejected == {RejectionReason.WAITED_TOO_LONG: 1}


@pytest.mark.parametrize(("places", "percent", "share"), [(20, 50, 10), (3, 50, 1), (1, 1, 1), (7, 100, 7)])
def test_a_share_is_never_less_than_one_place(places: int, percent: int, share: int) -> None:
    assert compute_share(places, percent) == share


class AnyLoad(RuleBasedStateMachine):
    """Requests of three sites that come, run, leave and lose patience in any order."""

    slots, share, reserved = 3, 1, 0

    def __init__(self) -> None:
        super().__init__()
        percent = -(-100 * self.share // self.slots)
        self.admission = Admission(self.slots, max_queued=4, site_share=percent, reserved=self.reserved)
        self.running: Counter[str] = Counter()
        self.waiters: list[Waiter] = []

    def woken(self) -> None:
        """Waiters tell of themselves by their state alone."""

    @rule(site=SITES)
    def come(self, site: str) -> None:
        has_room = not self.admission.reject(site)
        if self.admission.acquire(site):
            assert has_room
            assert not self.waiters or (self.reserved and self.running[site] < self.share)
            self.running[site] += 1
            return
        waiter = self.admission.enqueue(site, self.woken)
        assert waiter.is_rejected is not has_room
        self.waiters.append(waiter)
        self.settle()

    @rule(site=SITES)
    def leave(self, site: str) -> None:
        if self.running[site]:
            self.running[site] -= 1
            before = dict(self.running)
            self.admission.release(site)
            self.assert_fair(before)
            self.settle()

    def assert_fair(self, running: dict[str, int]) -> None:
        """Whoever came in was below its share, or nobody was; and of those the first."""
        queue = [waiter for waiter in self.waiters if not waiter.is_rejected]
        entitled = [waiter for waiter in queue if running.get(waiter.site, 0) < self.share]
        if not entitled and sum(running.values()) < self.slots - self.reserved:
            entitled = queue
        assert [waiter for waiter in queue if waiter.is_admitted] == entitled[:1]

    @rule(choose=st.integers(0, 3))
    def lose_patience(self, choose: int) -> None:
        self.of_waiter(choose, self.admission.time_out)

    @rule(choose=st.integers(0, 3))
    def go_away(self, choose: int) -> None:
        self.of_waiter(choose, self.admission.cancel)

    def of_waiter(self, choose: int, act: Callable[[Waiter], None]) -> None:
        if choose < len(self.waiters):
            act(self.waiters.pop(choose))
            self.settle()

    def settle(self) -> None:
        self.running.update(waiter.site for waiter in self.waiters if waiter.is_admitted)
        self.waiters = [waiter for waiter in self.waiters if not (waiter.is_admitted or waiter.is_rejected)]

    @invariant()
    def the_bounds_hold(self) -> None:
        running = self.admission.running
        assert running == self.running.total() <= self.slots
        assert self.admission.queued == len(self.waiters) <= 4
        assert not self.waiters or running >= self.slots - self.reserved
        assert running == self.slots or all(self.running[waiter.site] >= self.share for waiter in self.waiters)


class AnyLoadWithReserve(AnyLoad):
    """The same, where the last slots are reserved."""

    slots, share, reserved = 6, 2, 2


TestAnyLoad = AnyLoad.TestCase
TestAnyLoad.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
TestAnyLoadWithReserve = AnyLoadWithReserve.TestCase
TestAnyLoadWithReserve.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
