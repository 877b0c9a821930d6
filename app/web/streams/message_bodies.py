"""A message of a WebSocket as the body of a request."""

import asyncio

from starlette.types import Message


class MessageBody:
    """Gives the body to what calls `receive`, as ASGI has it, and the end of the request when its client has left."""

    __slots__ = ("_body", "_gone")

    def __init__(self, body: bytes) -> None:
        self._body: bytes | None = body
        self._gone = asyncio.Event()

    def leave(self) -> None:
        self._gone.set()

    async def receive(self) -> Message:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body}
        await self._gone.wait()
        return {"type": "http.disconnect"}
