"""Counts what is written below root fields, from the rows that were fetched: those of a parent each time it appears."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from app.database.pool import Row
from app.engine.branches import NestedBranch, RootBranch
from app.engine.fields import RECORD, ConnectionField, RecordsField
from app.plan.records import EntitiesPlan

Sizes = Mapping[Any, int]


def count_records(branch: RootBranch) -> int | None:
    """How many records are written for a root field at most; a connection without records counts as one.

    None for a field whose rows do not tell.
    """
    field, plan, groups = branch.field, branch.plan, branch.groups
    if branch.is_null:
        return 1
    if isinstance(field, ConnectionField):
        rows = branch.frames[0]
        return max(len(rows), 1) + count_below(rows, groups.get("", ()))
    if not isinstance(field, RecordsField):
        return None
    count = max(len(branch.items), 1)
    if not isinstance(plan, EntitiesPlan):
        return count + count_below([item for item in branch.items if item is not None], groups.get(RECORD, ()))
    for name, nested in groups.items():
        if name == RECORD:
            items = zip(plan.types, branch.items, strict=True)
            count += count_below([item for of, item in items if of == RECORD and item is not None], nested)
        else:
            keys = plan.groups[name].keys
            count += sum([sizes.get(key, 0) for sizes in map(count_of_parents, nested) for key in keys])
    return count


def count_below(rows: Sequence[Row], nested: Sequence[NestedBranch]) -> int:
    return measure_rows(rows, nested, [count_of_parents(each) for each in nested])


def count_of_parents(branch: NestedBranch) -> Sizes:
    """How many records are written below each parent."""
    nested = branch.nested
    if not nested:
        return {parent: len(frame[0]) or 1 for parent, frame in branch.frames.items()}
    below = [count_of_parents(each) for each in nested]
    pages = [(parent, frame[0]) for parent, frame in branch.frames.items()]
    return {parent: (len(rows) or 1) + measure_rows(rows, nested, below) for parent, rows in pages}


def measure_rows(rows: Sequence[Row], branches: Iterable[NestedBranch], sizes: Sequence[Sizes]) -> int:
    """How much is written below records; a connection counts as often as there are records that it is below."""
    total = 0
    for branch, known in zip(branches, sizes, strict=True):
        of: Any = branch.field.parent.of  # type: ignore[union-attr]
        total += sum([known.get(row[of], 0) for row in rows])
    return total
