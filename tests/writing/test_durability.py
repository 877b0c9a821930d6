"""Postgres dies again and again under writing: what was acknowledged is there, and nothing is there by half."""

import asyncio
import os
import random
import signal
from itertools import cycle
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from tests.support.ledger import RECORDS_A_BOOKING, Ledger, State
from tests.support.mutations import BULK_DELETE, BULK_SET, Item, make_input
from tests.support.private_service import open_service
from tests.support.service import GraphQLClient, RecordingDatabase

KILLS = 10
WRITERS = 8
# In seconds, after Postgres has recovered: the embedded server's supervisor gives up after five quick crashes in a row.
UPTIMES = (0.3, 2.2)
RECOVERY_SECONDS = 20.0
POSTMASTER = r"SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)::integer"
STORED = "SELECT booking_id, number_of_attendees FROM attendance WHERE site_id = $1"


class Writer:
    """Writes bookings as a whole: new ones, its own first one again and again, and deletes new ones now and then."""

    def __init__(self, client: GraphQLClient, ledger: Ledger, seed: int) -> None:
        self.client = client
        self.ledger = ledger
        self.chance = random.Random(seed)
        self.number = seed
        self.register = uuid4()
        self.ids: dict[UUID, list[str]] = {}

    async def write(self, stopped: asyncio.Event) -> None:
        while not stopped.is_set():
            if self.ids and self.chance.random() < 0.2:
                booking, ids = self.ids.popitem()
                await self.change(booking, None, BULK_DELETE, ids=ids)
                continue
            booking = self.register if self.chance.random() < 0.4 else uuid4()
            self.number += WRITERS
            items = [
                make_input(bookingId=str(booking), sessionId=f"session {n}", numberOfAttendees=self.number)
                for n in range(RECORDS_A_BOOKING)
            ]
            results = await self.change(booking, self.number, BULK_SET, input=items)
            if results and booking != self.register:
                self.ids[booking] = [result["attendance"]["id"] for result in results]

    async def change(self, booking: UUID, state: State, document: str, **variables: Any) -> list[Item]:
        """Bring a booking into a state, and write down what became of it; no results where that is unknown."""
        answer = await self.client.post(document, variables)
        content = answer.json()
        if answer.status_code == 503:
            assert [error["extensions"]["code"] for error in content["errors"]] == ["SERVICE_UNAVAILABLE"]
            self.ledger.leave_open(booking, state)
            await asyncio.sleep(0.02)
            return []
        assert answer.status_code == 200, answer.text
        assert "errors" not in content, answer.text
        (payload,) = content["data"].values()
        assert payload["totalSuccesses"] == RECORDS_A_BOOKING, payload
        self.ledger.acknowledge(booking, state)
        results: list[Item] = payload["results"]
        return results


async def find_postmaster(url: str) -> int:
    """The process that is to be killed, as soon as it takes connections."""
    async with asyncio.timeout(RECOVERY_SECONDS):
        while True:
            try:
                connection = await asyncpg.connect(url)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
                continue
            try:
                pid: int = await connection.fetchval(POSTMASTER)
            finally:
                await connection.close()
            return pid


async def kill_again_and_again(url: str, ledger: Ledger) -> set[int]:
    """Shut Postgres down at once, as often as `KILLS` says, each time after more calls were acknowledged."""
    killed: set[int] = set()
    for uptime, _ in zip(cycle(UPTIMES), range(KILLS), strict=False):
        pid = await find_postmaster(url)
        acknowledged = ledger.outcomes["acknowledged"]
        await asyncio.sleep(uptime)
        async with asyncio.timeout(RECOVERY_SECONDS):
            while ledger.outcomes["acknowledged"] == acknowledged:  # noqa: ASYNC110 (it may have happened before)
                await asyncio.sleep(0.01)
        os.kill(pid, signal.SIGQUIT)
        killed.add(pid)
    return killed


async def test_what_was_acknowledged_is_there_and_nothing_is_there_by_half_after_ten_crashes(
    mortal_url: str, site_id: UUID
) -> None:
    database = RecordingDatabase(mortal_url, pool_size=WRITERS)
    ledger, stopped = Ledger(), asyncio.Event()
    async with open_service(database) as client_of:
        async with asyncio.TaskGroup() as writing:
            for seed in range(WRITERS):
                writing.create_task(Writer(client_of(site_id), ledger, seed).write(stopped))
            killed = await kill_again_and_again(mortal_url, ledger)
            await find_postmaster(mortal_url)
            stopped.set()
        stored = await database.fetch_rows(STORED, [site_id], site_id)
    assert len(killed) == KILLS
    assert ledger.find_faults([(row["booking_id"], row["number_of_attendees"]) for row in stored]) == []
