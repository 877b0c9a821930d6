"""In-flight requests: enforces their deadlines, and stops those whose clients have disconnected.

Most requests are short, so none has a timer or a task of its own. One timer checks all in-flight requests twenty times
a second. A request that lasts longer than a tick gets a task that waits for its client to disconnect.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass
from enum import Enum
from typing import Any

from starlette.types import Receive

from app.timers import call_at_next

TICK_SECONDS = 0.05
RECEIVE_SECONDS = 10.0
RUN_SECONDS = 10.0


class StopReason(Enum):
    """Why a request was stopped."""

    NOT_RECEIVED = "not received"
    TIMED_OUT = "timed out"
    CLIENT_GONE = "client gone"
    SHUT_DOWN = "shut down"


@dataclass(slots=True, eq=False)
class InFlightRequest:
    """The task that handles a request, the tick at which its current phase began, and its client's `receive`.

    `receive` is None until the body has been read. `slot_site` is the site whose slot the request holds, if any.
    """

    task: "asyncio.Task[Any] | None"
    started_at: int
    receive: Receive | None = None
    slot_site: str | None = None
    stop_reason: StopReason | None = None
    disconnect_listener: "asyncio.Task[None] | None" = None


class InFlightRequests:
    """All in-flight requests, and how many were stopped. Deadlines are accurate to one or two ticks."""

    def __init__(self, *, receive_seconds: float = RECEIVE_SECONDS, run_seconds: float = RUN_SECONDS) -> None:
        self._max_receive_ticks = receive_seconds / TICK_SECONDS
        self._max_run_ticks = run_seconds / TICK_SECONDS
        self.is_shutting_down = False
        self.stopped: Counter[StopReason] = Counter()
        self._requests: set[InFlightRequest] = set()
        self._ticks = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> InFlightRequest:
        """Register the request that the current task handles. Call `finish` at its end."""
        request = InFlightRequest(asyncio.current_task(), self._ticks)
        self._requests.add(request)
        if self._timer is None:
            self._schedule_tick()
        return request

    def mark_received(self, request: InFlightRequest, receive: Receive) -> None:
        """Start the run deadline. From now on `receive` can only report that the client has disconnected."""
        request.receive = receive
        request.started_at = self._ticks

    def finish(self, request: InFlightRequest) -> None:
        """Unregister a request. It cannot be stopped any more."""
        self._requests.discard(request)
        if request.disconnect_listener is not None:
            request.disconnect_listener.cancel()

    def stop(self, request: InFlightRequest, reason: StopReason) -> None:
        """Cancel the task of an in-flight request, once."""
        if request.stop_reason is None and request in self._requests and request.task is not None:
            request.stop_reason = reason
            self.stopped[reason] += 1
            request.task.cancel()

    def begin_shutdown(self) -> None:
        """Let in-flight requests finish. Each connection closes after its response."""
        self.is_shutting_down = True

    def stop_all(self) -> None:
        """Stop all in-flight requests, because the process must exit."""
        for request in list(self._requests):
            self.stop(request, StopReason.SHUT_DOWN)

    def take_stop_reason(self, request: InFlightRequest, cancelled: asyncio.CancelledError) -> StopReason:
        """Why `stop` cancelled the request. Raises `cancelled` again if something else has cancelled it."""
        if request.stop_reason is None:
            raise cancelled
        if request.task is not None:
            request.task.uncancel()
        return request.stop_reason

    def _schedule_tick(self) -> None:
        self._timer = call_at_next(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._ticks += 1
        for request in list(self._requests):
            ticks = self._ticks - request.started_at
            if request.receive is None:
                if ticks > self._max_receive_ticks:
                    self.stop(request, StopReason.NOT_RECEIVED)
            elif ticks > self._max_run_ticks:
                self.stop(request, StopReason.TIMED_OUT)
            elif request.disconnect_listener is None and ticks > 1:
                listening = self._stop_on_disconnect(request, request.receive)
                request.disconnect_listener = asyncio.create_task(listening)
        if self._requests:
            self._schedule_tick()
        else:
            self._timer = None

    async def _stop_on_disconnect(self, request: InFlightRequest, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self.stop(request, StopReason.CLIENT_GONE)
