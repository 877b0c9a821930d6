"""Reads request bodies, within a size limit for each body and a memory limit for all incomplete ones."""

from dataclasses import dataclass

from starlette.types import Message, Receive

from app.web.load.queueing import Overloaded
from app.web.requests import HTTPError

MAX_BUFFERED_BYTES = 32 * 1024 * 1024


class ClientDisconnected(Exception):
    """The client has disconnected and waits for no response."""


@dataclass(slots=True)
class RequestBodyReader:
    """Reads bodies of at most `max_bytes`.

    `buffered` counts the bytes of incomplete bodies, so that many clients that send large bodies slowly cannot use up
    the memory of a process.
    """

    max_bytes: int
    buffered: int = 0

    async def read_body(self, receive: Receive) -> bytes:
        """The whole body, which usually arrives in one message.

        Raises HTTPError, Overloaded or ClientDisconnected.
        """
        message = await receive()
        if message["type"] == "http.request" and not message.get("more_body", False):
            body: bytes = message.get("body", b"")
            if len(body) <= self.max_bytes:
                return body
        return await self._read_chunks(message, receive)

    async def _read_chunks(self, message: Message, receive: Receive) -> bytes:
        """The body chunk by chunk. The rest of a too large body is read and dropped, so that its client gets a 413."""
        chunks: list[bytes] = []
        size = buffered = 0
        try:
            while message["type"] == "http.request":
                chunk = message.get("body", b"")
                size += len(chunk)
                if size <= self.max_bytes:
                    self._reserve(len(chunk))
                    buffered = size
                    chunks.append(chunk)
                if not message.get("more_body", False):
                    break
                message = await receive()
            else:
                raise ClientDisconnected
        finally:
            self.buffered -= buffered
        if size > self.max_bytes:
            raise HTTPError(413, f"The body is larger than {self.max_bytes} bytes.")
        return b"".join(chunks)

    def _reserve(self, size: int) -> None:
        if self.buffered + size > MAX_BUFFERED_BYTES:
            raise Overloaded
        self.buffered += size
