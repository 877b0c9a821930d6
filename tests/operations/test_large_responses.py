"""Large responses are written one at a time, and rest when they are large indeed."""

import asyncio

from app.engine.large_responses import TIMES_TO_REST, LargeResponses

WRITING_SECONDS = 0.02


async def test_the_next_one_begins_two_turns_of_the_loop_later() -> None:
    large, turns, begun = LargeResponses(), 0, []

    async def write() -> None:
        async with large:
            begun.append(turns)

    async with large:
        waiting = asyncio.create_task(write())
        await asyncio.sleep(0)
    while not waiting.done():
        turns += 1
        await asyncio.sleep(0)
    assert begun[0] >= 2


async def test_one_at_a_time() -> None:
    large, writing = LargeResponses(), 0

    async def write() -> None:
        nonlocal writing
        async with large:
            writing += 1
            await asyncio.sleep(0.001)
            assert writing == 1
            writing -= 1

    await asyncio.gather(*(write() for _ in range(5)))


async def test_after_a_large_one_the_next_one_waits_twice_as_long_as_it_took() -> None:
    large, loop = LargeResponses(), asyncio.get_running_loop()
    async with large:
        await asyncio.sleep(WRITING_SECONDS)
        large.rest()
    ended = loop.time()
    async with large:
        pass
    assert loop.time() - ended >= TIMES_TO_REST * WRITING_SECONDS * 0.9


async def test_after_others_the_next_one_waits_for_nothing() -> None:
    large, loop = LargeResponses(), asyncio.get_running_loop()
    began = loop.time()
    for _ in range(100):
        async with large:
            pass
    assert loop.time() - began < 100 * WRITING_SECONDS
