"""Taking in bodies: each up to a size, and all that are still on their way up to another."""

from dataclasses import dataclass

from starlette.types import Message, Receive

from app.web.queueing import Overloaded
from app.web.requests import HTTPRefusal

MOST_HELD_BYTES = 64 * 1024 * 1024


class ClientGone(Exception):
    """The client has left, and waits for no answer."""


@dataclass(slots=True)
class Intake:
    """Takes in bodies of `most_bytes` at most.

    `held` counts the bytes of bodies that are not complete yet: many clients who send large ones slowly cannot take
    all of a process's memory.
    """

    most_bytes: int
    held: int = 0

    async def read_body(self, receive: Receive) -> bytes:
        """The whole body, which mostly is there in one piece. Raises HTTPRefusal, Overloaded or ClientGone."""
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            if len(body) <= self.most_bytes:
                return body
        return await self._read_pieces(message, receive)

    async def _read_pieces(self, message: Message, receive: Receive) -> bytes:
        """A body piece by piece. Of one that is too large the rest is read unkept, so that its client is told."""
        pieces: list[bytes] = []
        size = kept = 0
        try:
            while message["type"] == "http.request":
                piece = message.get("body", b"")
                size += len(piece)
                if size <= self.most_bytes:
                    self._hold(len(piece))
                    kept = size
                    pieces.append(piece)
                if not message.get("more_body", False):
                    break
                message = await receive()
            else:
                raise ClientGone
        finally:
            self.held -= kept
        if size > self.most_bytes:
            raise HTTPRefusal(413, f"The body is larger than {self.most_bytes} bytes.")
        return b"".join(pieces)

    def _hold(self, size: int) -> None:
        if self.held + size > MOST_HELD_BYTES:
            raise Overloaded
        self.held += size
