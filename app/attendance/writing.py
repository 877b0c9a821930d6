"""Sets and deletes attendance records: renders a plan and runs it; the database retries it if that is safe."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

from uuid_utils import uuid7

from app.attendance.joined_sets import MOST_ITEMS_TO_JOIN, JoinedSets
from app.attendance.reading import AttendanceReader
from app.attendance.statistics import QueryStatistics
from app.database.pool import Database, Row
from app.errors import AttendanceNotFound, ServiceError
from app.plan.properties import Property
from app.plan.write import KEY, BulkDeletePlan, BulkSetPlan, DeletePlan, SetPlan, WriteColumns
from app.settings import DEFAULTS
from app.sql.fragment import Statement
from app.sql.writes import SITE_REVISION, render_delete, render_set

DELETIONS_KEPT = timedelta(days=DEFAULTS["deletions_kept_days"])
NOT_FOUND = "The site has no attendance record with this id."

WritePlan = SetPlan | BulkSetPlan | DeletePlan | BulkDeletePlan


class ItemResult(NamedTuple):
    """The outcome of one item of a call: the record as it is stored now, the id that was deleted, or an error."""

    position: int
    row: Row | None
    deleted_id: str | None
    error: ServiceError | None


# As cheap as creating a tuple: a bulk call needs a hundred results.
make_result: Callable[[Iterable[Any]], ItemResult] = partial(tuple.__new__, ItemResult)


class WriteResult(NamedTuple):
    """The outcome of a call: a result for each item, in their order, and how many items succeeded and failed."""

    items: Sequence[ItemResult]
    successes: int
    failures: int


class AttendanceWriter(AttendanceReader):
    """Writes the attendance of one site, and reads what it has written. A call is one statement, so one transaction.

    Sets of several callers may share a statement: `joined_sets` are those of all writers of the process. `announce` is
    called with the site after each statement.
    """

    __slots__ = ("_announce", "_deletions_kept", "_joined_sets", "_write_database")

    def __init__(
        self,
        database: Database,
        site_id: UUID,
        statistics: QueryStatistics,
        *,
        deletions_kept: timedelta = DELETIONS_KEPT,
        announce: Callable[[UUID], None] = lambda _: None,
        joined_sets: JoinedSets | None = None,
    ) -> None:
        super().__init__(database, site_id, statistics)
        self._joined_sets = joined_sets or JoinedSets()
        self._write_database = database
        self._deletions_kept = deletions_kept
        self._announce = announce

    async def write(self, plan: WritePlan, columns: tuple[Property, ...]) -> WriteResult:
        """Run a plan; rows of records have these columns, GUIDs as texts.

        The columns must include `KEY`. Raises AttendanceNotFound when a single record to delete does not exist.
        """
        if isinstance(plan, SetPlan):
            rows = await self._set(plan.writes, columns)
            return WriteResult([ItemResult(0, rows[0], None, None)], 1, 0)
        if isinstance(plan, BulkSetPlan):
            rows = await self._set(plan.writes, columns) if plan.positions else []
            items = list(map(make_result, zip(plan.positions, rows, repeat(None), repeat(None))))
            return collect_results(items, plan.errors)
        deleted = await self._delete(plan.ids) if plan.ids else set()
        if isinstance(plan, DeletePlan):
            if not deleted:
                raise AttendanceNotFound(NOT_FOUND, argument="id")
            return WriteResult([ItemResult(0, None, plan.ids[0], None)], 1, 0)
        missing = {
            index: AttendanceNotFound(NOT_FOUND, argument=f"ids.{index}")
            for index, each in zip(plan.positions, plan.ids, strict=True)
            if each not in deleted
        }
        done = zip(plan.positions, plan.ids, strict=True)
        items = [ItemResult(index, None, each, None) for index, each in done if each in deleted]
        return collect_results(items, {**plan.errors, **missing})

    async def _set(self, writes: WriteColumns, columns: tuple[Property, ...]) -> list[Row]:
        """Create or update a record for each write; return the rows in the order of the writes, whose keys differ."""
        self._statistics.statements += 1
        if len(writes.booking_ids) > MOST_ITEMS_TO_JOIN:
            rows = await self._send_set(writes, columns)
        else:
            rows = await self._joined_sets.run(self._site_id, writes, columns, self._send_set)
        self._note_rows(rows)
        return rows

    async def _send_set(self, writes: WriteColumns, columns: tuple[Property, ...]) -> list[Row]:
        """Send one statement for writes of any callers; return the rows in the order of the writes.

        A repeated set changes nothing, so it is idempotent and is retried if its answer is lost.
        """
        ids = [str(uuid7()) for _ in writes.booking_ids]
        distributed = self._write_database.is_distributed
        statement = render_set(self._site_id, writes, ids, datetime.now(UTC), columns, distributed=distributed)
        rows = await self._send(statement, is_idempotent=True)
        if len(rows) == 1:
            return rows
        booking, session = map(columns.index, KEY)
        stored = {(row[booking], row[session]): row for row in rows}
        return list(map(stored.__getitem__, zip(writes.booking_ids, writes.session_ids, strict=True)))

    async def _delete(self, ids: Sequence[str]) -> set[str]:
        """Delete the records with these ids; return the ids of those that existed."""
        now = datetime.now(UTC)
        distributed, kept_since = self._write_database.is_distributed, now - self._deletions_kept
        statement = render_delete(self._site_id, ids, now, kept_since, distributed=distributed)
        self._statistics.statements += 1
        rows = await self._send(statement, is_idempotent=False)
        deleted = [row for row in rows if row[0] is not None]
        self._note_rows(deleted)
        return {row[0] for row in deleted}

    async def _send(self, statement: Statement, *, is_idempotent: bool) -> list[Row]:
        """Send a statement. All rows that it returns have its revision, which later reads of this process see.

        Nothing to delete may be the outcome of a delete whose answer was lost.
        """
        rows = await self._write_database.write_rows(
            statement.text, statement.arguments, self._site_id, is_idempotent=is_idempotent
        )
        self._announce(self._site_id)
        if rows:
            self._write_database.note_write(self._site_id, rows[0][SITE_REVISION])
        return rows

    def _note_rows(self, rows: Sequence[Row]) -> None:
        """Count the rows of a call, and note the revision of its statement."""
        self._statistics.rows += len(rows)
        if rows:
            self._statistics.revision = rows[0][SITE_REVISION]


def collect_results(items: list[ItemResult], errors: Mapping[int, ServiceError]) -> WriteResult:
    """The results of all items in their order; `errors` are those of items that failed, by position."""
    successes = len(items)
    if errors:
        items += [ItemResult(index, None, None, error) for index, error in errors.items()]
        items.sort(key=itemgetter(0))
    return WriteResult(items, successes, len(errors))
