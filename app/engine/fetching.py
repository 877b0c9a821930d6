"""Fetches what the fields of one step have planned: the root fields at once, then what lies below, level by level."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any, NamedTuple

from app.attendance.changes import ChangeBatch
from app.attendance.reading import AttendanceReader, Frame
from app.attendance.writing import AttendanceWriter, WriteResult
from app.database.pool import Row
from app.engine.branches import NestedBranch, RootBranch, open_branches
from app.engine.fields import RECORD, ConnectionField, PayloadField, RecordsField
from app.errors import OperationTimeout, ServiceUnavailable
from app.plan.changes import ChangesPlan
from app.plan.page import ConnectionPlan, PageSelection
from app.plan.properties import LARGEST_INTEGER, Property, Value
from app.plan.records import EntitiesPlan
from app.plan.summary import NO_SUMMARY, Aggregate, SummaryPlan

# Each field sends two statements at most.
MOST_UNBOUNDED = 2


async def fetch_roots(branches: Sequence[RootBranch], reader: AttendanceReader) -> None:
    """Fetch several root fields at once; what reads records by their keys shares a statement. Failures are noted.

    A database that is not available stops what is read beside it. A failure of the input does not, even if it leaves no
    data, so that the same failures are told whichever comes first.
    """
    records = [branch for branch in branches if isinstance(branch.field, RecordsField)]
    others = [branch for branch in branches if not isinstance(branch.field, RecordsField)]
    if len(branches) > MOST_UNBOUNDED:
        reader.bound_statements()
    try:
        async with asyncio.TaskGroup() as tasks:
            for branch in others:
                tasks.create_task(fetch_needed(branch, reader))
            if records:
                tasks.create_task(fetch_records(records, reader))
    except* FetchStopped:
        pass


class FetchStopped(Exception):
    """The database was not available for a field without which there is no data."""


async def fetch_needed(branch: RootBranch, reader: AttendanceReader) -> None:
    await fetch_root(branch, reader)
    if isinstance(branch.failure, (ServiceUnavailable, OperationTimeout)):
        raise FetchStopped


async def fetch_root(branch: RootBranch, reader: AttendanceReader) -> None:
    """Fetch a root field, and open the branches below it. Its failure is noted."""
    field = branch.field
    try:
        if isinstance(field, ConnectionField):
            place_page(branch, field, await reader.read_connection(branch.plan, field.aggregates))
        elif isinstance(field, RecordsField):
            await fetch_records([branch], reader)
        elif isinstance(branch.plan, ChangesPlan):
            batch = await reader.read_changes(branch.plan, field.columns)
            place_payload(branch, field, batch, batch.records)
        else:
            assert isinstance(reader, AttendanceWriter)
            result = await reader.write(branch.plan, field.columns)
            place_payload(branch, field, result, [item.row for item in result.items])
    except Exception as failure:
        branch.fail(failure)


def place_page(branch: RootBranch, field: ConnectionField, frame: Frame) -> None:
    """What a connection is written from, whether it has figures beyond Int, and the branches below it."""
    branch.frames = frame
    rows, *_, figures, _ = frame
    row_figures = field.selection.row_figures
    if figures:
        branch.has_failed = max(figures.values()) > LARGEST_INTEGER
    if row_figures:
        figures_of_rows = chain(*[map(itemgetter(each.value), rows) for each in row_figures])
        branch.has_failed |= max(figures_of_rows, default=0) > LARGEST_INTEGER
    if field.nested:
        branch.groups = {"": open_branches(field.nested, rows)}


def place_payload(
    branch: RootBranch, field: PayloadField, result: WriteResult | ChangeBatch, rows: list[Row | None]
) -> None:
    """What an object of its own is written from; `rows` are the records of its items, of which some have none."""
    branch.frames, branch.items = result, rows
    if field.payload.nested:
        branch.groups = {"": open_branches(field.payload.nested, without_none(rows))}


async def fetch_records(branches: Sequence[RootBranch], reader: AttendanceReader) -> None:
    """The records and entities of all fields that read them by their keys, the records by one statement."""
    ids = list(dict.fromkeys([each for branch in branches for each in list_ids(branch.plan)]))
    records: dict[str, Row] = {}
    if ids:
        field: Any = branches[0].field
        try:
            records = await reader.read_records(ids, field.columns)
        except Exception as failure:
            for branch in branches:
                if list_ids(branch.plan):
                    branch.fail(failure)
    for branch in branches:
        if branch.failure is None:
            place_records(branch, records)


def list_ids(plan: Any) -> Sequence[str]:
    if isinstance(plan, EntitiesPlan):
        return plan.groups[RECORD].keys if RECORD in plan.groups else ()
    ids: Sequence[str] = plan.ids
    return ids


def place_records(branch: RootBranch, records: dict[str, Row]) -> None:
    """The items of a field: rows of records, references to other entities, and errors of malformed ones."""
    field, plan = branch.field, branch.plan
    assert isinstance(field, RecordsField)
    if not isinstance(plan, EntitiesPlan):
        branch.items = [records.get(each) for each in plan.ids]
        nested = field.types[RECORD].nested
        branch.groups = {RECORD: open_branches(nested, without_none(branch.items))} if nested else {}
        return
    branch.has_failed = bool(plan.errors)
    groups: dict[str, list[NestedBranch]] = {}
    items: dict[str, Any] = {}
    for name, (keys, texts) in plan.groups.items():
        writer = field.types[name]
        if name == RECORD:
            rows = [records.get(each) for each in keys]
            items[name] = iter(rows)
            groups[name] = open_branches(writer.nested, without_none(rows))
        else:
            items[name] = iter(zip(keys, texts, strict=True))
            parents = list(dict.fromkeys(keys))
            groups[name] = [NestedBranch(each, parents) for each in writer.nested]
    branch.groups = groups
    if len(items) == 1 and not plan.errors:
        branch.items = list(*items.values())
        return
    branch.items = [
        plan.errors[position] if name is None else next(items[name]) for position, name in enumerate(plan.types)
    ]


def without_none(rows: Iterable[Any]) -> list[Row]:
    return [row for row in rows if row is not None]


async def fetch_level(branches: Sequence[NestedBranch], reader: AttendanceReader) -> list[NestedBranch]:
    """Fetch the branches of a level: what asks for the same thing by one statement. The branches of the next level."""
    groups: dict[Question, list[NestedBranch]] = {}
    for branch in branches:
        for plan in branch.plans:
            question = Question(branch.field.parent.of, plan, branch.field.selection, branch.field.aggregates)  # type: ignore[union-attr]
            groups.setdefault(question, []).append(branch)
    reads = [fetch_nested(question, askers, reader) for question, askers in groups.items()]
    if len(reads) > MOST_UNBOUNDED:
        reader.bound_statements()
    if len(reads) == 1:
        await reads[0]
    else:
        await asyncio.gather(*reads)
    below = []
    for branch in branches:
        if branch.field.nested:
            branch.nested = open_branches(branch.field.nested, branch.rows)
            below += branch.nested
    return below


class Question(NamedTuple):
    """What branches may ask for together: the same page and figures for bookings, or for sessions."""

    of: Property
    plan: ConnectionPlan
    selection: PageSelection
    aggregates: frozenset[Aggregate]


async def fetch_nested(question: Question, branches: Sequence[NestedBranch], reader: AttendanceReader) -> None:
    """Read the same connection of the parents of all branches that ask for it."""
    of, plan, selection, aggregates = question
    parents = branches[0].plans[plan]
    if len(branches) > 1:
        parents = list(dict.fromkeys([parent for branch in branches for parent in branch.plans[plan]]))
    page_plan = plan.select(selection)
    summary = SummaryPlan(None, plan.filter, aggregates) if aggregates else NO_SUMMARY
    try:
        read = await reader.read_connections(of, parents, page_plan, summary)
    except Exception as failure:
        for branch in branches:
            branch.failures |= dict.fromkeys(branch.plans[plan], failure)
        return
    has_overflow = bool(aggregates) and any([max(figures.values()) > LARGEST_INTEGER for *_, figures, _ in read])
    frames: dict[Value, Frame] = dict(zip(parents, read, strict=True))
    for branch in branches:
        branch.has_overflow |= has_overflow
        own = frames
        if len(branch.plans[plan]) < len(parents):
            own = {parent: frames[parent] for parent in branch.plans[plan]}
        branch.frames = {**branch.frames, **own} if branch.frames else own
        if branch.field.nested:
            branch.rows += [row for frame in own.values() for row in frame[0]]
