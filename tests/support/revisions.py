"""The revisions of a site as they are stored, and whoever follows its changes by them."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from app.database.pool import Database

LAST_ID = UUID(int=2**128 - 1)
BEFORE_ALL = (-1, LAST_ID)
COLUMNS = "id, booking_id, session_id, status, number_of_attendees"
COUNTER = "SELECT revision, deletions_pruned_through FROM site_revision WHERE site_id = $1"
RECORDS = f"SELECT {COLUMNS}, revision FROM attendance WHERE site_id = $1"
DELETIONS = "SELECT id, booking_id, session_id, revision, deleted_at FROM attendance_deletion WHERE site_id = $1"
# A page and the revision of the same snapshot.
SNAPSHOT = f"""
SELECT {COLUMNS}, coalesce((SELECT revision FROM site_revision WHERE site_id = $1), 0) AS at
FROM (SELECT) AS always LEFT JOIN attendance ON site_id = $1
"""
CHANGES = f"""
SELECT * FROM (
  (SELECT revision, {COLUMNS} FROM attendance
  WHERE site_id = $1 AND (revision, id) > ($2, $3) ORDER BY revision, id LIMIT $4)
  UNION ALL
  (SELECT revision, id, booking_id, session_id, NULL, NULL FROM attendance_deletion
  WHERE site_id = $1 AND (revision, id) > ($2, $3) ORDER BY revision, id LIMIT $4)
) AS changes ORDER BY revision, id LIMIT $4
"""

Position = tuple[int, UUID]
State = dict[UUID, tuple[object, ...]]


async def read_counter(database: Database, site_id: UUID) -> tuple[int, int]:
    """The revision of a site, and through which one its deletions are pruned; 0 for a site without writes."""
    rows = await database.fetch_rows(COUNTER, [site_id], site_id)
    return (rows[0][0], rows[0][1]) if rows else (0, 0)


async def read_records(database: Database, site_id: UUID) -> dict[UUID, Any]:
    """The records of a site by their ids, with their revisions."""
    return {row["id"]: row for row in await database.fetch_rows(RECORDS, [site_id], site_id)}


async def read_deletions(database: Database, site_id: UUID) -> dict[UUID, Any]:
    """The deletions of a site by the ids of the records."""
    return {row["id"]: row for row in await database.fetch_rows(DELETIONS, [site_id], site_id)}


@dataclass(slots=True)
class Follower:
    """Keeps a copy of a site true by its changes, and notes what contradicts their order."""

    database: Database
    site_id: UUID
    position: Position = BEFORE_ALL
    state: State = field(default_factory=dict)

    async def take_snapshot(self) -> None:
        """Begin with what the site holds now, as whoever has a page does."""
        rows = await self.database.fetch_rows(SNAPSHOT, [self.site_id], self.site_id)
        self.state = {row["id"]: tuple(row)[:5] for row in rows if row["id"] is not None}
        self.position = (rows[0]["at"], LAST_ID)

    async def follow(self, limit: int) -> int:
        """Apply the next changes: how many they were."""
        rows = await self.database.fetch_rows(CHANGES, [self.site_id, *self.position, limit], self.site_id)
        for row in rows:
            position = (row["revision"], row["id"])
            assert position > self.position, "a change at or before the position that was read up to"
            self.position = position
            if row["status"] is None:
                self.state.pop(row["id"], None)
            else:
                self.state[row["id"]] = tuple(row)[1:]
        assert len({row["id"] for row in rows}) == len(rows), "a record stands twice"
        return len(rows)
