"""Writers of one site, who set, delete and import the same few records at once, whatever becomes of the service."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from random import Random
from typing import Any
from uuid import UUID, uuid4

import httpx2

from app.attendance.transfer.site import store_rows
from app.database.pool import Database
from app.database.transfer import ImportRow
from app.errors import ServiceError
from tests.support.changes import DELETE
from tests.support.mutations import BULK_SET, SET
from tests.support.service import GraphQLClient

BOOKINGS = [str(UUID(int=n)) for n in range(1, 6)]
SESSIONS = [f"session {n}" for n in range(6)]
STATUSES = ["ATTENDED", "NOT_ATTENDED", "NOT_SET"]
KEYS = [(booking, session) for booking in BOOKINGS for session in SESSIONS]
Item = dict[str, Any]


@dataclass
class LiveWriters:
    """What the writers of a site know together: the ids of records, and numbers that no other set has."""

    api: GraphQLClient
    database: Database
    site_id: UUID
    known: dict[str, tuple[str, str]] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    done: int = 0

    async def write(self, chance: Random, until: float) -> None:
        ways: list[Callable[[Random], Any]] = [self.set, self.set_many, self.set_many, self.delete, self.import_rows]
        while time.monotonic() < until:
            try:
                await chance.choice(ways)(chance)
                self.done += 1
            except (httpx2.TransportError, ServiceError):
                await asyncio.sleep(0.05)  # A worker or Postgres is away.
            await asyncio.sleep(chance.random() * 0.02)

    def make_items(self, chance: Random, most: int) -> list[Item]:
        keys = chance.sample(KEYS, chance.randint(1, most))
        numbers = [None if chance.random() < 0.1 else next(self.numbers) for _ in keys]
        return [
            {"bookingId": booking, "sessionId": session, "status": chance.choice(STATUSES), "numberOfAttendees": number}
            for (booking, session), number in zip(keys, numbers, strict=True)
        ]

    async def set(self, chance: Random) -> None:
        """Set a record, now and then twice: the second time changes nothing."""
        [item] = self.make_items(chance, 1)
        for _ in range(chance.choice([1, 1, 1, 2])):
            self.learn(await self.api.run(SET, input=item))

    async def set_many(self, chance: Random) -> None:
        self.learn(await self.api.run(BULK_SET, input=self.make_items(chance, 12)))

    async def delete(self, chance: Random) -> None:
        ids = chance.sample(sorted(self.known), min(len(self.known), chance.randint(1, 6)))
        if ids:
            await self.api.run(DELETE, ids=ids)

    async def import_rows(self, chance: Random) -> None:
        """Import new records, and some with the ids that they have or had."""
        now = datetime.now(UTC)
        old = {self.known[id_]: id_ for id_ in chance.sample(sorted(self.known), min(len(self.known), 3))}
        ids = dict.fromkeys(chance.sample(KEYS, 3), None) | old
        rows = [
            ImportRow(id_ or str(uuid4()), *key, chance.choice(STATUSES), next(self.numbers), now, now)
            for key, id_ in ids.items()
        ]
        await store_rows(self.database, self.site_id, rows)

    def learn(self, response: Any) -> None:
        """Remember the ids of records that a response has."""
        for payload in (response.get("data") or {}).values():
            results = payload.get("results", [payload])
            for record in filter(None, (result["attendance"] for result in results)):
                self.known[record["id"]] = record["bookingId"], record["sessionId"]
