"""Writes what may be large in pieces of JSON: other requests run between them, and together they have a bound.

What is below a record is JSON already when the record is written, so its size is known before it is copied.
"""

import asyncio
from collections.abc import Iterable, Sequence
from time import perf_counter
from typing import Any

import orjson

from app.engine.branches import NestedBranch, RootBranch
from app.engine.failures import FieldFailure, drop_failed
from app.engine.fields import RECORD, CompiledOperation, ConnectionField, RecordsField, RootField, Write
from app.engine.large_responses import LargeResponses
from app.engine.measuring import Sizes, count_records, measure_rows
from app.errors import OperationTooComplex
from app.plan.records import EntitiesPlan

MAX_BYTES = 16_000_000
# From this on, by the longest values that it can have, a response is written in pieces, alone.
LARGE_BYTES = 4_000_000
ITEMS_A_PIECE = 100
SECONDS_A_TURN = 0.002
TOO_LARGE = (
    f"The response has more than {MAX_BYTES:,} bytes; select fewer fields or smaller pages. What a mutation has "
    "written is stored."
)

Nested = list[dict[Any, Any]]


class PieceWriter:
    """Writes the root fields of one operation. `_bytes` are those of the root fields that have been written."""

    def __init__(self, large: LargeResponses) -> None:
        self._large = large
        self._bytes = 0
        self._turn_began = perf_counter()

    async def write_roots(
        self, branches: Sequence[RootBranch], written: dict[str, Any], *, has_failures: bool
    ) -> FieldFailure | None:
        """Write fields into `written`, as JSON. The failure of the one with which the response is too large."""
        async with self._large:
            for branch in branches:
                try:
                    written[branch.field.key] = await self._write_root(branch, has_failures=has_failures)
                except OperationTooComplex as beyond:
                    self._large.rest()
                    return FieldFailure(beyond, (branch.field.key,), branch.field.location)
            if self._bytes > LARGE_BYTES:
                self._large.rest()
        return None

    async def _write_root(self, branch: RootBranch, *, has_failures: bool) -> Any:
        field = branch.field
        if branch.is_null:
            return None
        if has_failures:
            for group in branch.groups.values():
                drop_failed(group)
        if isinstance(field, RecordsField):
            return await self._write_records(branch, field)
        nested, sizes = await self._write_nested(branch.groups.get("", ()))
        if isinstance(field, ConnectionField):
            below = measure_rows(branch.frames[0], branch.groups.get("", ()), sizes)
            write, item = field.write, branch.frames
        else:
            rows = [row for row in branch.items if row is not None]
            below = measure_rows(rows, branch.groups.get("", ()), sizes)
            write, item = field.payload.write, branch.frames
        check_bytes(self._bytes + below)
        (value,), (size,) = await self._write_items(write, [item], nested, [1])
        self._bytes += size
        check_bytes(self._bytes)
        return value

    async def _write_records(self, branch: RootBranch, field: RecordsField) -> Any:
        plan = branch.plan
        if not isinstance(plan, EntitiesPlan):
            written = await self._write_objects(branch, field, RECORD, branch.items)
            return written if field.is_list else written[0]
        by_type: dict[str, list[Any]] = {name: [] for name in plan.groups}
        for name, item in zip(plan.types, branch.items, strict=True):
            if name is not None:
                by_type[name].append(item if item is not None or name == RECORD else (None, None))
        turns = {name: iter(await self._write_objects(branch, field, name, each)) for name, each in by_type.items()}
        return [None if name is None else next(turns[name]) for name in plan.types]

    async def _write_objects(self, branch: RootBranch, field: RecordsField, name: str, items: Sequence[Any]) -> Any:
        """The objects of one type, each as JSON."""
        groups = branch.groups.get(name, ())
        nested, sizes = await self._write_nested(groups)
        if name == RECORD:
            below = measure_rows([item for item in items if item is not None], groups, sizes)
        else:
            below = sum(each.get(key, 0) for each in sizes for key, _ in items)
        check_bytes(self._bytes + below)
        written, written_sizes = await self._write_items(field.types[name].write, items, nested, [1] * len(items))
        self._bytes += sum(written_sizes)
        return written

    async def _write_nested(self, branches: Iterable[NestedBranch]) -> tuple[Nested, list[Sizes]]:
        """What connections have written, as JSON, and its sizes, by the bookings or sessions that they belong to."""
        nested: Nested = []
        sizes: list[Sizes] = []
        for branch in branches:
            below, sizes_below = await self._write_nested(branch.nested)
            frames = list(branch.frames.values())
            for frame in frames if sizes_below else ():
                check_bytes(measure_rows(frame[0], branch.nested, sizes_below))
            weights = [max(len(frame[0]), 1) for frame in frames]
            written, written_sizes = await self._write_items(branch.field.write, frames, below, weights)
            nested.append(dict(zip(branch.frames, written, strict=True)))
            sizes.append(dict(zip(branch.frames, written_sizes, strict=True)))
        return nested, sizes

    async def _write_items(
        self, write: Write, items: Sequence[Any], nested: Nested, weights: Sequence[int]
    ) -> tuple[list[Any], list[int]]:
        """The items as JSON, and their sizes, in pieces of some weight. All of them are part of the response."""
        written: list[Any] = []
        sizes: list[int] = []
        begin = total = weight = 0
        for end, each in enumerate(weights, start=1):
            weight += each
            if weight < ITEMS_A_PIECE and end < len(items):
                continue
            for value in write(items[begin:end], *nested):
                content = orjson.dumps(value)
                written.append(orjson.Fragment(content))
                sizes.append(len(content))
                total += len(content)
                check_bytes(total)
            begin, weight = end, 0
            await self._end_turn()
        return written, sizes

    async def _end_turn(self) -> None:
        """Let other requests run, if it has been this one's turn for long."""
        if perf_counter() - self._turn_began > SECONDS_A_TURN:
            await asyncio.sleep(0)
            self._turn_began = perf_counter()


def needs_pieces(compiled: CompiledOperation, branches: Sequence[RootBranch]) -> bool:
    """Whether the rows of root fields let their data have so many bytes, by the longest values."""
    counts = [count_records(branch) for branch in branches]
    return None in counts or sum(filter(None, counts)) * compiled.record_bytes > LARGE_BYTES


def fail_large(field: RootField) -> FieldFailure:
    """The failure of a response that is found to be too large when it is whole."""
    return FieldFailure(OperationTooComplex(TOO_LARGE, limit="bytes"), (field.key,), field.location)


def check_bytes(count: int) -> None:
    """Raise OperationTooComplex for a response that is too large."""
    if count > MAX_BYTES:
        raise OperationTooComplex(TOO_LARGE, limit="bytes")
