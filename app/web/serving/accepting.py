"""Accepts connections from sockets that workers share, so that each worker gets as many."""

import asyncio
from collections.abc import Awaitable, Callable
from fcntl import LOCK_EX, LOCK_NB, lockf
from socket import socket

BACKLOG = 2_048
MAX_WAIT_MILLISECONDS = 10


class Acceptor:
    """Accepts connections from a listening socket, at most one in each turn of the loop.

    The kernel wakes all workers for a connection, and the fastest one gets it. So that others get their share, a worker
    that has more connections than another one first waits for a millisecond for each one more, but not for long.
    """

    def __init__(
        self, listener: socket, connect: Callable[[socket], Awaitable[object]], count_ahead: Callable[[int], float]
    ) -> None:
        self._listener = listener
        self._connect = connect
        self._count_ahead = count_ahead
        self._loop = asyncio.get_running_loop()
        self._connecting: set[asyncio.Future[object]] = set()
        listener.listen(BACKLOG)
        listener.settimeout(0)
        self._loop.add_reader(listener, self._take_turn)

    def close(self) -> None:
        """Accept what is pending, because it may carry requests already, and then nothing any more."""
        self._loop.remove_reader(self._listener)
        while self._accept():
            pass
        self._listener.close()

    def _take_turn(self) -> None:
        ahead = self._count_ahead(len(self._connecting))
        if ahead or not self._accept():
            self._loop.remove_reader(self._listener)
            self._loop.call_later(min(ahead or 1, MAX_WAIT_MILLISECONDS) / 1000, self._accept_late)

    def _accept_late(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.add_reader(self._listener, self._take_turn)
            self._accept()

    def _accept(self) -> bool:
        """Whether there was a connection. There is none if another worker was faster, or too many files are open."""
        try:
            accepted, _ = self._listener.accept()
        except OSError:
            return False
        accepted.settimeout(0)
        connecting = asyncio.ensure_future(self._connect(accepted))
        self._connecting.add(connecting)
        connecting.add_done_callback(self._connecting.discard)
        return True


def hold_lead(listener: socket) -> bool:
    """Whether this process is the one that speaks for all processes that share a socket, until it ends."""
    try:
        lockf(listener, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    return True
