"""Waiting for a slot to run in, no longer than a second."""

import asyncio

from app.web.admission import Admission

QUEUE_SECONDS = 1.0


class Overloaded(Exception):
    """There is more to do than the service can take on now."""


async def wait_for_slot(admission: Admission, site: str) -> None:
    """Take a slot as soon as it is the site's turn. Raises Overloaded when that takes too long."""
    loop = asyncio.get_running_loop()
    woken = loop.create_future()
    waiter = admission.wait(site, lambda: None if woken.done() else woken.set_result(None))
    timer = loop.call_later(QUEUE_SECONDS, admission.give_up, waiter)
    try:
        if not waiter.is_refused:
            await woken
    except asyncio.CancelledError:
        admission.withdraw(waiter)
        raise
    finally:
        timer.cancel()
    if waiter.is_refused:
        raise Overloaded
