"""Waits for a slot, for at most a second, and keeps the slot of a mutation until it has ended."""

import asyncio
from typing import Any

from app.errors import ServiceUnavailable
from app.web.load.admission import Admission

QUEUE_SECONDS = 1.0


class Overloaded(ServiceUnavailable):
    """The service has more requests than it can accept."""

    def __init__(self) -> None:
        super().__init__("The service has too much to do at the moment; try again shortly.")


async def wait_for_slot(admission: Admission, site: str) -> None:
    """Acquire a slot as soon as admission control grants one. Raises Overloaded when that takes too long."""
    loop = asyncio.get_running_loop()
    woken = loop.create_future()
    waiter = admission.enqueue(site, lambda: None if woken.done() else woken.set_result(None))
    timer = loop.call_later(QUEUE_SECONDS, admission.time_out, waiter)
    try:
        if not waiter.is_rejected:
            await woken
    except asyncio.CancelledError:
        admission.cancel(waiter)
        raise
    finally:
        timer.cancel()
    if waiter.is_rejected:
        raise Overloaded


def release_after(write: "asyncio.Task[Any]", admission: Admission, site: str) -> None:
    """Release the slot of a mutation when it has ended, which may be after its request."""
    if write.done():
        admission.release(site)
    else:
        write.add_done_callback(lambda _: admission.release(site))
