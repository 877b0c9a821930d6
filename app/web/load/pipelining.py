"""Requests that clients have sent ahead: one is begun in each round of the event loop, so that others need not wait."""

import asyncio
from collections import deque
from collections.abc import Callable

Begin = Callable[[], None]


class PipelineQueue:
    """Connections that go on with what their clients have sent ahead, one after the other.

    Between two of them, the loop serves everybody else who has sent something.
    """

    def __init__(self) -> None:
        self._waiting: deque[Begin] = deque()
        self._is_scheduled = False

    def add(self, begin: Begin) -> None:
        self._waiting.append(begin)
        self._schedule()

    def _schedule(self) -> None:
        if self._waiting and not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._begin_next)

    def _begin_next(self) -> None:
        self._is_scheduled = False
        begin = self._waiting.popleft()
        self._schedule()
        begin()
