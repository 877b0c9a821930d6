"""Requests to an ASGI application as a server makes them, whose clients may stop sending, wait, or leave."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.types import ASGIApp, Message

from tests.support.media_types import GRAPHQL_RESPONSE, JSON


@dataclass(eq=False)
class Client:
    """One request: `parts` of its body are sent, the rest of it never is; `leaves` ends the connection."""

    parts: Sequence[bytes]
    is_complete: bool = True
    token: str | None = None
    more_headers: Sequence[tuple[bytes, bytes]] = ()
    received: int = 0
    leaves: asyncio.Event = field(default_factory=asyncio.Event)
    answer: list[Message] = field(default_factory=list)

    async def send_to(self, application: ASGIApp) -> None:
        headers = [(b"accept", GRAPHQL_RESPONSE.encode()), (b"content-type", JSON.encode()), *self.more_headers]
        if self.token is not None:
            headers.append((b"authorization", b"Bearer " + self.token.encode()))
        scope = {"type": "http", "method": "POST", "path": "/graphql", "query_string": b"", "headers": headers}
        await application(scope, self.give, self.take)

    async def give(self) -> Message:
        """What the server tells the application: the next part of the body, or that the client has left."""
        if self.received < len(self.parts):
            self.received += 1
            is_last = self.is_complete and self.received == len(self.parts)
            return {"type": "http.request", "body": self.parts[self.received - 1], "more_body": not is_last}
        await self.leaves.wait()
        return {"type": "http.disconnect"}

    async def take(self, message: Message) -> None:
        self.answer.append(message)

    @property
    def status(self) -> int | None:
        return self.answer[0]["status"] if self.answer else None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.answer[0]["headers"])

    @property
    def content(self) -> Any:
        return orjson.loads(self.answer[1]["body"])


def ask(query: str, token: str | None = None, **variables: Any) -> Client:
    """A client that sends a whole request."""
    return Client([orjson.dumps({"query": query, "variables": variables})], token=token)
