"""Recording attendance and deleting records: a plan is rendered, run, and retried where that is safe."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from uuid_utils.compat import uuid7

from app.attendance.tally import Tally
from app.database.pool import Database, Row
from app.plan.properties import Property
from app.plan.write import AttendanceWrite
from app.sql.fragment import Statement
from app.sql.writes import render_delete, render_set


class AttendanceWriter:
    """Writes the attendance of one site; every method is one statement, and so one transaction."""

    def __init__(self, database: Database, site_id: UUID, tally: Tally | None = None) -> None:
        self._database = database
        self._site_id = site_id
        self._tally = tally or Tally()

    async def set_attendance(self, writes: Sequence[AttendanceWrite]) -> list[Row]:
        """Create or update a record for each write, no two of which have one key; the rows in the writes' order.

        To set what is set already changes nothing, so a lost answer is no reason not to try again.
        """
        statement = render_set(self._site_id, writes, [uuid7() for _ in writes], datetime.now(UTC))
        rows = await self._write(statement, is_idempotent=True)
        stored = {(row[Property.BOOKING_ID], row[Property.SESSION_ID]): row for row in rows}
        return [stored[write.key] for write in writes]

    async def delete_attendance(self, ids: Sequence[UUID]) -> set[UUID]:
        """Delete the records with these ids; the ids of those that were there."""
        statement = render_delete(self._site_id, ids)
        rows = await self._write(statement, is_idempotent=False)
        return {row[Property.ID] for row in rows}

    async def _write(self, statement: Statement, *, is_idempotent: bool) -> list[Row]:
        self._tally.statements += 1
        rows = await self._database.write_rows(
            statement.text, statement.arguments, self._site_id, is_idempotent=is_idempotent
        )
        self._tally.rows += len(rows)
        return rows
