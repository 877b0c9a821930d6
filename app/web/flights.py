"""Requests on their way: each has its deadlines, and one whose client has left is stopped.

Requests are many and mostly short, so none has a timer or a task of its own. Whatever is on its way is looked at twenty
times a second; only then, when it has taken a while, is its client watched.
"""

import asyncio
from collections import Counter
from enum import Enum
from typing import Any

from starlette.types import Receive

from app.web.identity import RequestIdentity

LOOK_SECONDS = 0.05
RECEIVE_SECONDS = 10.0
RUN_SECONDS = 10.0


class End(Enum):
    """Why a request was stopped."""

    NOT_RECEIVED = "not received"
    TIMED_OUT = "timed out"
    CLIENT_GONE = "client gone"
    SHUT_DOWN = "shut down"


class Flight:
    """One request: what it is called, the task that answers it, since which look, and how its client is told of.

    It has a client only once it has been received.
    """

    __slots__ = ("client", "end", "identity", "since", "task", "watcher")

    def __init__(self, identity: RequestIdentity, task: "asyncio.Task[Any] | None", since: int) -> None:
        self.identity = identity
        self.task = task
        self.since = since
        self.client: Receive | None = None
        self.end: End | None = None
        self.watcher: asyncio.Task[None] | None = None


class Flights:
    """All requests on their way, and how many were stopped. Deadlines are kept to within a look or two."""

    def __init__(self, *, receive_seconds: float = RECEIVE_SECONDS, run_seconds: float = RUN_SECONDS) -> None:
        self._most_looks_receiving = receive_seconds / LOOK_SECONDS
        self._most_looks_running = run_seconds / LOOK_SECONDS
        self.is_ending = False
        self.ended: Counter[End] = Counter()
        self._on_their_way: set[Flight] = set()
        self._looks = 0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, identity: RequestIdentity) -> Flight:
        """The flight of the request that the current task answers; it ends with `finish`."""
        flight = Flight(identity, asyncio.current_task(), self._looks)
        self._on_their_way.add(flight)
        if self._timer is None:
            self._look_again()
        return flight

    def mark_received(self, flight: Flight, client: Receive) -> None:
        """From here on the request runs; `client` tells nothing more but that the client has left."""
        flight.client = client
        flight.since = self._looks

    def finish(self, flight: Flight) -> None:
        """The request ends now, and is not stopped any more."""
        self._on_their_way.discard(flight)
        if flight.watcher is not None:
            flight.watcher.cancel()

    def stop(self, flight: Flight, end: End) -> None:
        """Cancel what the request waits for, once."""
        if flight.end is None and flight in self._on_their_way and flight.task is not None:
            flight.end = end
            self.ended[end] += 1
            flight.task.cancel()

    def announce_end(self) -> None:
        """What is on its way goes on; connections are closed after it."""
        self.is_ending = True

    def stop_all(self) -> None:
        """Stop whatever is still on its way: the process has no more time."""
        for flight in list(self._on_their_way):
            self.stop(flight, End.SHUT_DOWN)

    def explain(self, flight: Flight, cancelled: asyncio.CancelledError) -> End:
        """Why a request was cancelled. Raises the cancellation again if somebody else has cancelled it."""
        if flight.end is None:
            raise cancelled
        if flight.task is not None:
            flight.task.uncancel()
        return flight.end

    def _look_again(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._looks += 1
        for flight in list(self._on_their_way):
            looks = self._looks - flight.since
            if flight.client is None:
                if looks > self._most_looks_receiving:
                    self.stop(flight, End.NOT_RECEIVED)
            elif looks > self._most_looks_running:
                self.stop(flight, End.TIMED_OUT)
            elif flight.watcher is None and looks > 1:
                flight.watcher = asyncio.create_task(self._watch(flight, flight.client))
        if self._on_their_way:
            self._look_again()
        else:
            self._timer = None

    async def _watch(self, flight: Flight, client: Receive) -> None:
        while (await client())["type"] != "http.disconnect":
            pass
        self.stop(flight, End.CLIENT_GONE)
