"""Timers that fire together: a process that is woken for each alone takes some 50 microseconds more for each."""

import asyncio
from collections.abc import Callable


def call_at_next(seconds: float, call: Callable[[], object]) -> asyncio.TimerHandle:
    """Call a function at the next multiple of a period, by the clock of the loop: within the period, not after it."""
    loop = asyncio.get_running_loop()
    period = round(seconds * 1000)
    turns = round(loop.time() * 1000) // period + 1
    return loop.call_at(turns * period / 1000, call)
