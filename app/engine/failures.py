"""Where failures stand in a response: each at its path, and null in the nearest place that may be null."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app.attendance.reading import Frame
from app.engine.branches import NestedBranch, RootBranch
from app.engine.fields import (
    RECORD,
    ConnectionField,
    Fallible,
    FallibleFigure,
    FallibleList,
    FallibleObject,
    Location,
    ObjectWriter,
    Path,
    PayloadField,
    RecordsField,
)
from app.errors import BadUserInput, OperationTooComplex
from app.plan.properties import LARGEST_INTEGER
from app.plan.records import EntitiesPlan

MOST_ERRORS = 1000


class FieldFailure(NamedTuple):
    """Why a field has no value, where it stands in the response, and where in the document.

    `null` is the path of the nearest object of a row above it that may be null; None if there is none.
    """

    cause: Exception
    path: Path
    location: Location
    null: Path | None = None


class Failures:
    """The failures of an operation in the order in which they occur: level by level, then as the document has them.

    A failure that leaves no data is fatal. It comes last of its level, where it waits for what was fetched beside it.
    """

    def __init__(self) -> None:
        self.noted: list[FieldFailure] = []
        self.is_fatal = False
        self._fatal: FieldFailure | None = None

    def settle_plans(self, roots: Sequence[RootBranch]) -> None:
        """Note the failures of root fields that cannot be planned; nothing behind a fatal one is looked at."""
        for root in roots:
            if root.failure is not None and self._fatal is None:
                self._settle_root(root)
        self._end()

    def settle(self, roots: Sequence[RootBranch]) -> None:
        """Note each failure of a level that has a place in the response, and put null there.

        Follows "Handling Execution Errors" of the GraphQL specification.
        """
        for root in roots:
            if not (root.is_null or self.is_fatal):
                self._settle_root(root)
        self._end()

    def _end(self) -> None:
        if self._fatal is not None and not self.is_fatal:
            self.noted.append(self._fatal)
            self.is_fatal = True

    def _settle_root(self, root: RootBranch) -> None:
        field = root.field
        if root.failure is not None:
            root.is_null = True
            is_nullable = isinstance(field, RecordsField) and not field.is_list
            self._note(FieldFailure(root.failure, (field.key,), field.location), is_fatal=not is_nullable)
        elif isinstance(field, ConnectionField) and root.frames is not None:
            nested = root.groups.get("", [])
            self._settle_found(root, find_failures(field.fallible, root.frames, nested, (field.key,)))
        elif isinstance(field, RecordsField) and root.items:
            self._settle_records(root, field)
        elif isinstance(field, PayloadField) and root.items:
            self._settle_found(root, find_payload_failures(root, field.payload))

    def _settle_found(self, root: RootBranch, found: Iterator[FieldFailure]) -> None:
        """Note the failures below a root field: the first one of each object that is null, up to one that is fatal."""
        nulls = root.nulls = root.nulls or set()
        for failure in found:
            if self.is_fatal:
                return
            if failure.null is None:
                self._note(failure, is_fatal=True)
                return
            if failure.null not in nulls:
                nulls.add(failure.null)
                self._note(failure, is_fatal=False)

    def _settle_records(self, root: RootBranch, field: RecordsField) -> None:
        types = root.plan.types if isinstance(root.plan, EntitiesPlan) else [RECORD] * len(root.items)
        for position, (name, item) in enumerate(zip(types, root.items, strict=True)):
            if item is None or self.is_fatal:
                continue
            path: Path = (field.key, position) if field.is_list else (field.key,)
            found = FieldFailure(item, path, field.location) if isinstance(item, Exception) else None
            if found is None and name is not None and root.groups.get(name):
                key = None if name == RECORD else item[0]
                nested = find_row_failures(field.types[name].fallible, item, key, root.groups[name], path)
                found = next(nested, None)
            if found is not None:
                root.items[position] = None
                self._note(found, is_fatal=False)

    def _note(self, failure: FieldFailure, *, is_fatal: bool) -> None:
        """A response that has very many errors ends in one more, which leaves nothing of its data."""
        if len(self.noted) >= MOST_ERRORS:
            message = f"More than {MOST_ERRORS} fields have failed; this was the last one."
            self.noted.append(failure._replace(cause=OperationTooComplex(message, limit="errors")))
            self.is_fatal = True
        elif is_fatal:
            self._fatal = self._fatal or failure
        else:
            self.noted.append(failure)


def find_failures(
    fallible: Fallible, frame: Frame, nested: Sequence[NestedBranch], path: Path
) -> Iterator[FieldFailure]:
    """The failures in and below one connection, in the order of the document."""
    rows, *_, figures, _ = frame
    for each in fallible:
        if isinstance(each, FallibleFigure):
            yield from find_overflow(each, figures, path)
        elif isinstance(each, FallibleList):
            for position, row in enumerate(rows):
                yield from find_row_failures(each.items, row, None, nested, (*path, *each.path, position))


def find_payload_failures(root: RootBranch, payload: ObjectWriter) -> Iterator[FieldFailure]:
    """The failures below the records of a payload. A payload without a list has one record."""
    nested, path = root.groups.get("", []), (root.field.key,)
    for each in payload.fallible:
        if not isinstance(each, FallibleList):
            yield from find_row_failures([each], root.items[0], None, nested, path)
            continue
        for position, row in enumerate(root.items):
            if row is not None:
                yield from find_row_failures(each.items, row, None, nested, (*path, *each.path, position))


def find_row_failures(
    fallible: Sequence[Any], row: Any, key: Any, nested: Sequence[NestedBranch], path: Path
) -> Iterator[FieldFailure]:
    """The failures of and below one row, or below one booking or session, whose key is given."""
    for each in fallible:
        if isinstance(each, FallibleFigure):
            yield from find_overflow(each, row, path)
        elif isinstance(each, FallibleObject):
            for failure in find_row_failures(each.below, row, key, nested, path):
                yield failure._replace(null=(*path, *each.path))
        else:
            branch = nested[each.position]
            assert branch.field.parent is not None
            parent = row[branch.field.parent.of] if key is None else key
            place = (*path, *each.path)
            if parent in branch.failures:
                yield FieldFailure(branch.failures[parent], place, branch.field.location)
            elif parent in branch.frames:
                yield from find_failures(branch.field.fallible, branch.frames[parent], branch.nested, place)


def find_overflow(fallible: FallibleFigure, figures: Mapping[Any, int], path: Path) -> Iterator[FieldFailure]:
    """The failure of a figure that is more than an Int can hold."""
    if figures[fallible.aggregate] > LARGEST_INTEGER:
        message = f"`{fallible.name}` is beyond what Int can hold; narrow the query by a filter."
        error = BadUserInput(message, argument=fallible.name)
        yield FieldFailure(error, (*path, *fallible.path), fallible.location)


def drop_failed(branches: Sequence[NestedBranch]) -> None:
    """Take out of branches what cannot be written: connections in or below which anything has failed."""
    for branch in branches:
        drop_failed(branch.nested)
        kept: Mapping[Any, Frame] = {
            parent: frame
            for parent, frame in branch.frames.items()
            if next(find_failures(branch.field.fallible, frame, branch.nested, ()), None) is None
            and not lacks_any(frame, branch.nested)
        }
        branch.frames = dict(kept)


def lacks_any(frame: Frame, nested: Sequence[NestedBranch]) -> bool:
    """Whether a record of a connection has nothing written for what is nested below it."""
    return any(
        row[branch.field.parent.of] not in branch.frames  # type: ignore[union-attr]
        for branch in nested
        for row in frame[0]
    )
