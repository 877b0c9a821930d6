"""Timers of related periods fire in the same turn of the loop."""

import asyncio

import pytest

from app.timers import call_at_next


@pytest.mark.parametrize("offset", [0.0, 0.003, 0.0499])
async def test_a_timer_fires_at_the_next_multiple_of_its_period(offset: float) -> None:
    loop = asyncio.get_running_loop()
    await asyncio.sleep(offset)
    fired: asyncio.Future[float] = loop.create_future()
    begun = loop.time()
    timer = call_at_next(0.05, lambda: fired.set_result(loop.time()))
    assert begun < timer.when() <= begun + 0.051
    assert round(timer.when() * 1000) % 50 == 0
    assert await fired >= timer.when() - 0.001


async def test_a_timer_that_is_set_when_it_fires_waits_for_a_whole_period() -> None:
    moments: list[float] = []
    ended = asyncio.Event()

    def tick() -> None:
        moments.append(call_at_next(0.02, tick if len(moments) < 5 else ended.set).when())

    tick()
    await asyncio.wait_for(ended.wait(), 5)
    assert len({round(moment * 1000) for moment in moments}) == len(moments)


async def test_timers_of_multiples_of_a_period_are_due_together() -> None:
    long = call_at_next(0.2, lambda: None).when()
    short = call_at_next(0.05, lambda: None).when()
    assert round((long - short) * 1000) % 50 == 0
