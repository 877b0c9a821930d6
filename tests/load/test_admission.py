"""Admission: its bounds hold whatever happens, and a site cannot hold others up."""

from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from app.web.admission import Admission, Reason, Waiter, share_of

SITES = st.sampled_from(["greedy", "modest", "other"])


def nothing() -> None:
    """What a waiter that nobody watches does when it is woken."""


def fill(admission: Admission, site: str, running: int, queued: int) -> list[Waiter]:
    assert all(admission.enter(site) for _ in range(running))
    return [admission.wait(site, nothing) for _ in range(queued)]


@pytest.fixture
def admission() -> Admission:
    """Four slots and a queue of four, of which one site may have half when others wait."""
    return Admission(most_running=4, most_queued=4, site_share=50)


def test_alone_a_site_may_have_every_slot_and_the_whole_queue(admission: Admission) -> None:
    waiters = fill(admission, "greedy", 4, 4)
    assert not admission.enter("greedy")
    assert admission.turn_away("greedy")
    assert admission.wait("greedy", nothing).is_refused
    assert not any(waiter.is_refused for waiter in waiters)
    assert admission.refused == {Reason.QUEUE_FULL: 2}


def test_a_slot_goes_to_who_has_waited_longest(admission: Admission) -> None:
    first, second, *_ = fill(admission, "greedy", 4, 3)
    admission.leave("greedy")
    assert (first.is_admitted, second.is_admitted) == (True, False)
    assert (admission.running, admission.queued, admission.waited) == (4, 2, 3)


def test_a_site_above_its_share_waits_for_the_others(admission: Admission) -> None:
    greedy = fill(admission, "greedy", 4, 2)
    modest = fill(admission, "modest", 0, 2)
    admission.leave("greedy")
    admission.leave("greedy")
    assert [waiter.is_admitted for waiter in (*greedy, *modest)] == [False, False, True, True]
    admission.leave("greedy")
    assert greedy[0].is_admitted


def test_a_full_queue_makes_room_for_a_site_that_has_less_of_it(admission: Admission) -> None:
    greedy = fill(admission, "greedy", 4, 4)
    assert not admission.turn_away("modest")
    modest = [admission.wait("modest", nothing) for _ in range(3)]
    assert [waiter.is_refused for waiter in greedy] == [False, False, True, True]
    assert [waiter.is_refused for waiter in modest] == [False, False, True]
    assert admission.refused == {Reason.PUSHED_OUT: 2, Reason.QUEUE_FULL: 1}


def test_a_waiter_that_leaves_gives_back_what_it_was_given(admission: Admission) -> None:
    first, second, third = fill(admission, "greedy", 4, 3)
    admission.withdraw(second)
    admission.leave("greedy")
    assert first.is_admitted
    admission.withdraw(first)
    assert (third.is_admitted, admission.running, admission.queued) == (True, 4, 0)


def test_who_has_waited_too_long_is_turned_away_once(admission: Admission) -> None:
    woken: list[str] = []
    fill(admission, "greedy", 4, 0)
    waiter = admission.wait("greedy", lambda: woken.append("woken"))
    admission.give_up(waiter)
    admission.give_up(waiter)
    assert (waiter.is_refused, woken, admission.queued) == (True, ["woken"], 0)
    assert admission.refused == {Reason.WAITED_TOO_LONG: 1}


@pytest.mark.parametrize(("places", "percent", "share"), [(20, 50, 10), (3, 50, 1), (1, 1, 1), (7, 100, 7)])
def test_a_share_is_never_less_than_one_place(places: int, percent: int, share: int) -> None:
    assert share_of(places, percent) == share


class AnyLoad(RuleBasedStateMachine):
    """Requests of three sites that come, run, leave and lose patience in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.admission = Admission(most_running=3, most_queued=4, site_share=34)
        self.running: Counter[str] = Counter()
        self.waiters: list[Waiter] = []

    def woken(self) -> None:
        """Waiters tell of themselves by their state alone."""

    @rule(site=SITES)
    def come(self, site: str) -> None:
        has_room = not self.admission.turn_away(site)
        if self.admission.enter(site):
            assert has_room
            assert not self.waiters
            self.running[site] += 1
            return
        waiter = self.admission.wait(site, self.woken)
        assert waiter.is_refused is not has_room
        self.waiters.append(waiter)
        self.settle()

    @rule(site=SITES)
    def leave(self, site: str) -> None:
        if self.running[site]:
            self.running[site] -= 1
            before = dict(self.running)
            self.admission.leave(site)
            self.assert_fair(before)
            self.settle()

    def assert_fair(self, running: dict[str, int]) -> None:
        """Whoever came in was below its share, or nobody was; and of those the first."""
        share = share_of(3, 34)
        queue = [waiter for waiter in self.waiters if not waiter.is_refused]
        entitled = [waiter for waiter in queue if running.get(waiter.site, 0) < share] or queue
        assert [waiter for waiter in queue if waiter.is_admitted] == entitled[:1]

    @rule(choose=st.integers(0, 3))
    def lose_patience(self, choose: int) -> None:
        self.of_waiter(choose, self.admission.give_up)

    @rule(choose=st.integers(0, 3))
    def go_away(self, choose: int) -> None:
        self.of_waiter(choose, self.admission.withdraw)

    def of_waiter(self, choose: int, act: Callable[[Waiter], None]) -> None:
        if choose < len(self.waiters):
            act(self.waiters.pop(choose))
            self.settle()

    def settle(self) -> None:
        self.running.update(waiter.site for waiter in self.waiters if waiter.is_admitted)
        self.waiters = [waiter for waiter in self.waiters if not (waiter.is_admitted or waiter.is_refused)]

    @invariant()
    def the_bounds_hold(self) -> None:
        assert self.admission.running == self.running.total() <= 3
        assert self.admission.queued == len(self.waiters) <= 4
        assert not self.waiters or self.admission.running == 3


TestAnyLoad = AnyLoad.TestCase
TestAnyLoad.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
