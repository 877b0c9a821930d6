"""Runs a compiled operation: its fields are planned, fetched and written, all of a query at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from graphql import GraphQLError

from app.attendance.reading import AttendanceReader
from app.engine.branches import NestedBranch, RootBranch
from app.engine.failures import Failures, FieldFailure, drop_failed
from app.engine.fetching import fetch_level, fetch_root, fetch_roots
from app.engine.fields import RECORD, CompiledOperation, ConnectionField, Location, RecordsField
from app.engine.inputs import Variables
from app.engine.introspection import IntrospectionRefused
from app.engine.large_responses import LargeResponses
from app.engine.pieces import PieceWriter, needs_pieces
from app.plan.changes import ChangesPlan
from app.plan.records import EntitiesPlan


@dataclass(slots=True)
class Result:
    """What an operation gives: its data, None where a failure leaves none, and its failures in their order.

    `roots` are the fields that were run last.
    """

    data: dict[str, Any] | None
    failures: Sequence[FieldFailure]
    roots: Sequence[RootBranch] = ()


async def run_operation(
    compiled: CompiledOperation,
    inputs: Variables,
    reader: AttendanceReader | None,
    sdl: str,
    given: Variables,
    *,
    large: LargeResponses | None = None,
    plan: ChangesPlan | None = None,
) -> Result:
    """Plan, fetch and write the fields of an operation, those of a mutation one after the other.

    What may be large, unless its rows show that it is not, is written in pieces, up to a bound, and fails beyond it.
    Such writing is within `large`, so that the pieces of one response at a time take memory; None stands for what is
    not large. `plan` stands for the one that the field of a subscription plans itself.
    """
    branches: Sequence[RootBranch] = ()
    written: dict[str, Any] = {}
    pieces: PieceWriter | None = None
    failures = write_constants(compiled, written, sdl, given) if compiled.constants else None
    if failures is not None and failures.is_fatal:
        return Result(None, failures.noted)
    for fields in compiled.steps:
        assert reader is not None
        branches = [RootBranch(field, inputs, plan) for field in fields]
        failures = await fetch_step(branches, inputs, reader, failures)
        if failures is not None and failures.is_fatal:
            return Result(None, failures.noted)
        if large is not None and needs_pieces(compiled, branches):
            pieces = pieces or PieceWriter(large)
            beyond = await pieces.write_roots(branches, written, has_failures=failures is not None)
            if beyond is not None:
                return Result(None, [*(failures.noted if failures else ()), beyond])
            continue
        for branch in branches:
            written[branch.field.key] = write_root(branch, has_failures=failures is not None)
    if len(written) > 1:
        written = {key: written[key] for key in compiled.keys}
    return Result(written, failures.noted if failures else (), branches)


def write_constants(
    compiled: CompiledOperation, written: dict[str, Any], sdl: str, given: Variables
) -> Failures | None:
    """Write the fields that need no plan. Their failures, which are fatal where they leave no data."""
    failures: Failures | None = None
    for constant in compiled.constants:
        try:
            written[constant.key] = constant.build(sdl, given)
        except IntrospectionRefused as refused:
            failures = failures or Failures()
            failures.noted += map(locate_failure, refused.errors)
            if refused.data is None:
                failures.is_fatal = True
                return failures
            written |= refused.data
    return failures


def locate_failure(error: GraphQLError) -> FieldFailure:
    """An error of introspection as the failure of a field."""
    assert error.path is not None
    assert error.locations is not None
    return FieldFailure(error, tuple(error.path), Location(*error.locations[0]))


async def fetch_step(
    branches: Sequence[RootBranch], inputs: Variables, reader: AttendanceReader, failures: Failures | None
) -> Failures | None:
    """Fetch root fields, and what lies below them. Nothing is sent where planning has left no data.

    Returns the failures so far, None where there are none.
    """
    planned = branches
    for branch in branches:
        if branch.has_failed:
            failures = failures or Failures()
            failures.settle_plans(branches)
            if failures.is_fatal:
                return failures
            planned = [each for each in branches if not each.is_null]
            break
    if len(planned) == 1:
        await fetch_root(planned[0], reader)
    else:
        await fetch_roots(planned, reader)
    for branch in planned:
        if branch.groups or branch.has_failed:
            return await fetch_below(planned, inputs, reader, failures)
    return failures


async def fetch_below(
    branches: Sequence[RootBranch], inputs: Variables, reader: AttendanceReader, failures: Failures | None
) -> Failures | None:
    """Fetch what lies below root fields, level by level, and settle what has failed at each."""
    level = [nested for branch in branches for group in branch.groups.values() for nested in group]
    fetched: Sequence[NestedBranch] = ()
    has_failed = any([branch.has_failed for branch in branches])
    while True:
        for nested in level:
            nested.plan(inputs)
            has_failed |= bool(nested.failures)
        for nested in fetched:
            has_failed |= nested.has_overflow or bool(nested.failures)
        if has_failed:
            failures = failures or Failures()
            failures.settle(branches)
            if failures.is_fatal:
                return failures
        if not level:
            return failures
        fetched, level = level, await fetch_level(level, reader)


def write_root(branch: RootBranch, *, has_failures: bool) -> Any:
    """The value of a root field."""
    field = branch.field
    if branch.is_null:
        return None
    if has_failures:
        for group in branch.groups.values():
            drop_failed(group)
    if isinstance(field, ConnectionField):
        nested = write_nested(branch.groups[""]) if branch.groups else ()
        return field.write((branch.frames,), *nested)[0]
    if isinstance(field, RecordsField):
        return write_records(branch, field)
    return field.payload.write([branch.frames], *write_nested(branch.groups.get("", ())))[0]


def write_records(branch: RootBranch, field: RecordsField) -> Any:
    plan = branch.plan
    if not isinstance(plan, EntitiesPlan):
        written = field.types[RECORD].write(branch.items, *write_nested(branch.groups.get(RECORD, ())))
        return written if field.is_list else written[0]
    if len(plan.groups) == 1 and not plan.errors and None not in branch.items:
        (only,) = plan.groups
        return field.types[only].write(branch.items, *write_nested(branch.groups[only]))
    by_type: dict[str | None, list[Any]] = {name: [] for name in plan.groups}
    for name, item in zip(plan.types, branch.items, strict=True):
        if name is not None:
            by_type[name].append(item if item is not None or name == RECORD else (None, None))
    entities: dict[str | None, Any] = {
        name: field.types[name].write(items, *write_nested(branch.groups.get(name, ())))
        for name, items in by_type.items()
        if name is not None
    }
    if len(entities) == 1 and not plan.errors:
        return next(iter(entities.values()))
    turns = {name: iter(each) for name, each in entities.items()}
    return [None if name is None else next(turns[name]) for name in plan.types]


def write_nested(branches: Iterable[NestedBranch]) -> list[dict[Any, Any]]:
    """What the connections of branches have written, by the bookings or sessions that they belong to."""
    return [
        dict(
            zip(
                branch.frames,
                branch.field.write(branch.frames.values(), *write_nested(branch.nested)),
                strict=True,
            )
        )
        for branch in branches
    ]
