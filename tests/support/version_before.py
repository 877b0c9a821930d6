"""The statements of the version before revisions, as it sends them while the new version replaces it."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from uuid_utils.compat import uuid7

from app.database.pool import Database

SET = """INSERT INTO "attendance" AS stored ("site_id", "id", "booking_id", "session_id", "status", "number_of_attendees", "created_at", "updated_at")
SELECT $1::uuid, item.id, item.booking_id, item.session_id, item.status, item.number_of_attendees, $2, $2
FROM unnest($3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::integer[])
  AS item (id, booking_id, session_id, status, number_of_attendees)
ORDER BY item.booking_id, item.session_id COLLATE "C"
ON CONFLICT (site_id, booking_id, session_id) DO UPDATE
SET status = excluded.status,
  number_of_attendees = CASE
    WHEN excluded.id = ANY($8::uuid[]) THEN stored.number_of_attendees
    ELSE excluded.number_of_attendees
  END,
  updated_at = CASE
    WHEN (stored.status, stored.number_of_attendees) = (excluded.status, CASE
    WHEN excluded.id = ANY($8::uuid[]) THEN stored.number_of_attendees
    ELSE excluded.number_of_attendees
  END)
    THEN stored.updated_at
    ELSE greatest(stored.updated_at, excluded.updated_at)
  END
RETURNING "id"::text AS "id", "booking_id"::text AS "booking_id", "session_id", "status", "number_of_attendees", "created_at", "updated_at\""""  # noqa: E501
DELETE = """WITH locked AS (
  SELECT "id"
  FROM "attendance"
  WHERE "site_id" = $1
    AND "id" = ANY($2::uuid[])
  ORDER BY "booking_id", "session_id"
  FOR UPDATE
)
DELETE FROM "attendance"
WHERE "site_id" = $1
  AND "id" IN (SELECT id FROM locked)
RETURNING "id"::text AS "id\""""
PAGE = """SELECT "id", "booking_id", "session_id", "status", "number_of_attendees", "created_at", "updated_at"
FROM "attendance"
WHERE "site_id" = $1
ORDER BY "id"
LIMIT 51"""


class VersionBefore:
    """One site as the version before reads and writes it."""

    def __init__(self, database: Database, site_id: UUID) -> None:
        self.database, self.site_id = database, site_id

    async def set(self, items: Sequence[tuple[str, str]], status: str, number: int = 1) -> list[Any]:
        """Set one status and number for these bookings and sessions: the rows that are stored."""
        booking_ids, session_ids = ([item[position] for item in items] for position in (0, 1))
        ids = [uuid7() for _ in items]
        lists = (ids, booking_ids, session_ids, [status] * len(items), [number] * len(items), [])
        arguments = (self.site_id, datetime.now(UTC), *lists)
        return await self.database.write_rows(SET, arguments, self.site_id, is_idempotent=True)

    async def delete(self, ids: Sequence[str]) -> list[Any]:
        return await self.database.write_rows(DELETE, (self.site_id, ids), self.site_id, is_idempotent=False)

    async def read(self) -> list[Any]:
        return await self.database.read_rows(PAGE, (self.site_id,), self.site_id)
