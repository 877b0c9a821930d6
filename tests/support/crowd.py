"""Writers who all write the same few records at once, and what they were told."""

import random
import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from tests.support.histories import Call, Effect
from tests.support.mutations import BULK_DELETE, BULK_SET, Item, key_of, make_input
from tests.support.service import GraphQLClient

DELETES = 0.2
SIZES = (1, 3, 10, 20, 30)


@dataclass(slots=True)
class Crowd:
    """The writers of one site: the keys they share, their acknowledged calls, and the last id known of each key."""

    client: GraphQLClient
    keys: list[tuple[str, str]]
    calls: list[Call] = field(default_factory=list)
    ids: dict[tuple[UUID, str], str] = field(default_factory=dict)
    number: int = 0

    async def write(self, seed: int, until: float) -> None:
        """One writer: call after call of shuffled keys, mostly bulk sets, and bulk deletes of what was set."""
        chance = random.Random(seed)
        while time.monotonic() < until:
            size = chance.choice(SIZES)
            known = list(self.ids.items())
            if known and chance.random() < DELETES:
                await self.delete(dict(chance.sample(known, min(size, len(known)))))
            else:
                await self.set(chance.sample(self.keys, size), chance.choice(("ATTENDED", "NOT_ATTENDED")))

    async def set(self, keys: list[tuple[str, str]], status: str) -> None:
        self.number += 1
        number = self.number
        items = [
            make_input(bookingId=booking, sessionId=session, status=status, numberOfAttendees=number)
            for booking, session in keys
        ]
        started = time.monotonic()
        records = [result["attendance"] for result in await self.call(BULK_SET, input=items)]
        assert [{name: record[name] for name in items[0]} for record in records] == items
        self.ids |= {key_of(record): record["id"] for record in records}
        effects = [Effect(key_of(record), record["id"], number) for record in records]
        self.calls.append(Call(started, time.monotonic(), effects))

    async def delete(self, known: dict[tuple[UUID, str], str]) -> None:
        started = time.monotonic()
        results = await self.call(BULK_DELETE, ids=list(known.values()))
        deleted = {result["deletedId"] for result in results}
        effects = [Effect(key, each, None) for key, each in known.items() if each in deleted]
        self.calls.append(Call(started, time.monotonic(), effects))

    async def call(self, document: str, **variables: Any) -> list[Item]:
        """The results of a call, in which no item failed but deletes of what is gone."""
        answer = await self.client.post(document, variables)
        assert answer.status_code == 200, answer.text
        assert "errors" not in answer.json(), answer.text
        (payload,) = answer.json()["data"].values()
        results: list[Item] = payload["results"]
        assert {result["error"]["code"] for result in results if result["error"]} <= {"ATTENDANCE_NOT_FOUND"}
        return results
