"""Heartbeats: keep quiet streams alive in proxies, and let the system notice clients that are gone.

One timer serves all streams of a process. It goes round a ring of groups, so that ten thousand streams do not write at
the same moment.
"""

import asyncio
from collections.abc import Iterator
from typing import Protocol

from starlette.types import Message, Send

HEARTBEAT_SECONDS = 15.0
TICK_SECONDS = 0.25


class Member(Protocol):
    """What has a heartbeat."""

    def beat(self) -> None:
        """Send a heartbeat, unless the client has not read what was sent before."""

    def abort(self) -> None:
        """Close the connection without waiting for the client."""


class Heartbeats:
    """The streams of this process. Each has a heartbeat every `seconds`; the timer runs while there are any."""

    def __init__(self, seconds: float = HEARTBEAT_SECONDS) -> None:
        self._groups: list[set[Member]] = [set() for _ in range(round(seconds / TICK_SECONDS))]
        self._position = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._groups))

    def __iter__(self) -> Iterator[Member]:
        return (member for group in self._groups for member in tuple(group))

    def add(self, member: Member) -> set[Member]:
        """Add a member to the smallest group, and return the group: the member leaves by being removed from it."""
        group = min(self._groups, key=len)
        group.add(member)
        if self._timer is None:
            self._schedule_tick()
        return group

    def abort_all(self) -> None:
        for member in self:
            member.abort()

    def _schedule_tick(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._position = (self._position + 1) % len(self._groups)
        for member in tuple(self._groups[self._position]):
            member.beat()
        if len(self):
            self._schedule_tick()
        else:
            self._timer = None


def send_at_once(send: Send, message: Message) -> bool:
    """Send a message if that takes no waiting. Returns whether it was sent: a client that reads gets the next one."""
    sending = send(message)
    try:
        sending.send(None)  # type: ignore[attr-defined]
    except StopIteration:
        return True
    sending.close()  # type: ignore[attr-defined]
    return False
