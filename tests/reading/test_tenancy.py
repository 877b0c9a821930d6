"""Two sites in one database: what the token of one can reach of the other."""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from tests.support.operations import PAGE, RECORD, TOTALS, list_operations
from tests.support.service import GraphQLClient, Record, RecordingDatabase, SentStatement, store

TABLE = '"attendance"'
SITE_CONDITION = '"site_id" = $1'
SITE_COLUMN = re.compile(r"\bsite_id\b")
TABLE_NAME = re.compile(r"\battendance\b")
OTHERS_GUID = "3f0c1f5e-0000-4000-8000-000000000000"
BOOKINGS = [uuid4() for _ in range(4)]
SESSIONS = [f"session {n}" for n in range(4)]
STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")


def make_records() -> list[Record]:
    """Records of bookings and sessions whose ids every site has, under ids of the site's own."""
    pairs = [(booking, session) for booking in BOOKINGS for session in SESSIONS]
    return [Record(*pair, STATUSES[n % 3], n % 3) for n, pair in enumerate(pairs)]


@dataclass(frozen=True, slots=True)
class Site:
    """A site with its records, its reader, and operations that name its records and cursors."""

    id: UUID
    records: Sequence[Record]
    reader: GraphQLClient
    operations: Sequence[str]
    sent: Sequence[SentStatement]

    def is_shown_in(self, text: str) -> bool:
        return any(str(record.id) in text for record in self.records)


@pytest.fixture(scope="module")
async def sites(database: RecordingDatabase, readers: Callable[[UUID], GraphQLClient]) -> list[Site]:
    """Two sites, alike but for the ids of their records, and what the service sends for each."""
    sites = []
    for _ in range(2):
        site_id, records = uuid4(), make_records()
        await store(database, site_id, records)
        reader = readers(site_id)
        operations = await list_operations(reader, records)
        with database.recording() as sent:
            for operation in operations:
                await reader.data(operation)
        sites.append(Site(site_id, records, reader, operations, tuple(sent)))
    return sites


async def test_with_a_sites_token_nothing_of_another_is_reachable_by_its_ids_and_cursors(sites: list[Site]) -> None:
    own, foreign = sites
    shown = 0
    for operation in foreign.operations:
        assert foreign.is_shown_in((await foreign.reader.post(operation)).text) or TOTALS in operation or FLAGS_ONLY.search(operation)
        answer = await own.reader.post(operation)
        assert "errors" not in answer.json(), answer.text
        assert not foreign.is_shown_in(answer.text), operation
        shown += own.is_shown_in(answer.text)
    assert shown > len(foreign.operations) / 2
