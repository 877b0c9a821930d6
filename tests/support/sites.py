"""Sites that are alike but for the ids of their records, as neighbours in one database."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

import httpx2

from tests.support.operations import list_operations
from tests.support.service import READ_SCOPE, GraphQLClient, Record, RecordingDatabase, SentStatement, make_token, store

BOOKINGS = [uuid4() for _ in range(4)]
SESSIONS = [f"session {n}" for n in range(4)]
STATUSES = ("ATTENDED", "NOT_ATTENDED", "NOT_SET")


@dataclass(frozen=True, slots=True)
class Site:
    """A site, its reader, operations that name its records and cursors, and the statements that they sent."""

    id: UUID
    records: Sequence[Record]
    reader: GraphQLClient
    operations: Sequence[str]
    sent: Sequence[SentStatement]

    def is_shown_in(self, text: str) -> bool:
        return any(str(record.id) in text for record in self.records)


def make_records() -> list[Record]:
    """Records of bookings and sessions whose ids every site has, under ids of the site's own."""
    pairs = [(booking, session) for booking in BOOKINGS for session in SESSIONS]
    return [Record(*pair, STATUSES[n % 3], n % 3) for n, pair in enumerate(pairs)]


async def settle(database: RecordingDatabase, http: httpx2.AsyncClient) -> Site:
    """A new site whose operations have been sent once."""
    site_id, records = uuid4(), make_records()
    await store(database, site_id, records)
    reader = GraphQLClient(http, make_token(site_id, READ_SCOPE))
    operations = await list_operations(reader, records)
    with database.recording() as sent:
        for operation in operations:
            await reader.data(operation)
    return Site(site_id, records, reader, operations, tuple(sent))
