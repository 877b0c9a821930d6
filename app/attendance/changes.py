"""A batch of changes, built from the rows of its statement."""

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

from app.database.pool import Row
from app.plan.changes import ChangesPlan, ChangesPosition, plan_changes_cursors
from app.plan.properties import Property
from app.sql.catalogue import REVISION_NAME
from app.sql.changes import IS_DELETED, PRUNED, SITE_REVISION

ID = Property.ID.value


class ChangeBatch(NamedTuple):
    """The rows of some changes, the cursor behind them and its position, and whether there are more changes.

    `site_revision` is that of the site when they were read.
    """

    rows: Sequence[Row]
    cursor: str
    has_more: bool
    position: ChangesPosition
    site_revision: int

    @property
    def records(self) -> list[Row | None]:
        """The record of each change, None for a deletion."""
        return [None if row[IS_DELETED] else row for row in self.rows]


def build_batch(plan: ChangesPlan, rows: Sequence[Row]) -> ChangeBatch:
    """The batch of a plan's rows. Raises CursorExpired if deletions after the plan's position are no longer kept."""
    first = rows[0]
    plan.check_position(first[SITE_REVISION], first[PRUNED])
    found = rows if plan.row_limit > 0 and first[ID] is not None else []
    has_more = len(found) > plan.size
    kept = found[: plan.size] if has_more else found
    last = (kept[-1][REVISION_NAME], UUID(kept[-1][ID])) if has_more and kept else None
    position = plan.move_behind(last, first[SITE_REVISION], has_more=has_more)
    cursor = plan_changes_cursors(plan.perspective).encode(position)
    return ChangeBatch(kept, cursor, has_more, position, first[SITE_REVISION])
