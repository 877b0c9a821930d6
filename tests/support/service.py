"""The service as tests meet it: over HTTP, in this process, with what it sends to Postgres written down."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import httpx2
import jwt

from app.database.pool import Database, Row
from app.database.revisions import READ_REVISION
from app.schema.permissions import SCOPES
from tests.support.clusters import distributed_urls, unsecured_urls
from tests.support.given_servers import find_replica_url, find_service_url, statement_counts, wait_for_replay

SECRET = "a secret of the tests, long enough for HS256"
READ_SCOPE = "SCOPE.DC-BOOKINGS.READ-BOOKINGS-SENSITIVE"
WRITE_SCOPE = "SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS"
ALL_SCOPES = tuple(scope.id for scope in SCOPES)
COLUMNS = ("id", "booking_id", "session_id", "status", "number_of_attendees")
STORE = f"""
INSERT INTO attendance (site_id, {", ".join(COLUMNS)})
SELECT $1, * FROM unnest($2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::int[])
"""


@dataclass(frozen=True, slots=True)
class SentStatement:
    text: str
    arguments: tuple[object, ...]
    site_id: UUID


class RecordingDatabase(Database):
    """A database that remembers each statement sent for an operation. It has the replicas that the tests are given."""

    def __init__(self, url: str, *, pool_size: int = 5, row_security: bool = True) -> None:
        super().__init__(
            find_service_url(url),
            pool_size=pool_size,
            row_security=row_security and url not in unsecured_urls,
            replica_url=find_replica_url(url),
            distributed=url in distributed_urls,
        )
        self.sent: list[SentStatement] = []
        for replica in self.replicas.servers if self.replicas else ():
            replica.fetch_rows = partial(self._fetch_from_replica, replica.fetch_rows)  # type: ignore[method-assign]

    async def fetch_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        self.sent.append(SentStatement(text, tuple(arguments), site_id))
        if self.replicas is not None:
            statement_counts["primary"] += 1
        return await super().fetch_rows(text, arguments, site_id)

    async def _fetch_from_replica(
        self, fetch: Callable[..., Awaitable[list[Row]]], text: str, arguments: Sequence[object], site_id: UUID
    ) -> list[Row]:
        if text != READ_REVISION:
            self.sent.append(SentStatement(text, tuple(arguments), site_id))
            statement_counts["replicas"] += 1
        return await fetch(text, arguments, site_id)

    @asynccontextmanager
    async def connection(self, site_id: UUID) -> AsyncIterator[Any]:
        async with super().connection(site_id) as connection:
            yield connection
        await wait_for_replay(self)

    @contextmanager
    def recording(self) -> Iterator[list[SentStatement]]:
        """The statements sent inside the block."""
        self.sent = []
        yield self.sent


@dataclass(frozen=True, slots=True)
class Record:
    """A record as tests make and expect it."""

    booking_id: UUID = field(default_factory=uuid4)
    session_id: str = "session"
    status: str = "ATTENDED"
    number_of_attendees: int = 1
    id: UUID = field(default_factory=uuid4)


async def store(database: Database, site_id: UUID, records: Sequence[Record]) -> None:
    """Write records as the service's own role, which row security binds: in one statement, whose time is limited."""
    columns = [[getattr(record, column) for record in records] for column in COLUMNS]
    async with database.connection(site_id) as connection:
        await connection.execute(STORE, site_id, *columns)


def make_token(
    site_id: UUID | str, /, *scopes: str, secret: str = SECRET, algorithm: str = "HS256", **claims: Any
) -> str:
    """A token for a site; `claims` overrides what it says, and None leaves a claim out."""
    content = {"site_id": str(site_id), "scope": " ".join(scopes), "exp": int(time.time()) + 3600, **claims}
    return jwt.encode({name: value for name, value in content.items() if value is not None}, secret, algorithm)


def without_id(headers: httpx2.Headers) -> dict[str, str]:
    """The headers of an answer but for the one that tells requests apart."""
    return {name: value for name, value in headers.items() if name != "x-request-id"}


class GraphQLClient:
    """Sends operations to the service as one caller."""

    def __init__(self, http: httpx2.AsyncClient, token: str | None) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def post(self, query: str, variables: dict[str, Any] | None = None, **headers: str) -> httpx2.Response:
        content = {"query": query, "variables": variables}
        return await self.http.post("/graphql", json=content, headers={**self.headers, **headers})

    async def run(self, query: str, **variables: Any) -> dict[str, Any]:
        """The whole answer."""
        answer: dict[str, Any] = (await self.post(query, variables)).json()
        return answer

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.run(query, **variables)
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def error(self, query: str, **variables: Any) -> dict[str, Any]:
        """The one error of an answer."""
        answer = await self.run(query, **variables)
        assert len(answer["errors"]) == 1, answer
        error: dict[str, Any] = answer["errors"][0]
        return error
