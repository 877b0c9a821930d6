"""What compiled operations read by ids: records and entities, all of an operation's by one statement."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from app.attendance.reading import AttendanceReader
from app.database.pool import Row
from app.operations.arguments import ArgumentReader
from app.operations.coercing import Variables
from app.operations.reads import ConnectionRead, Constant, PlannedConnection, Write, Written, gather, read_below
from app.plan.properties import Property, Value, check_guid
from app.schema.arguments import read_ids
from app.schema.entities import ATTENDANCE, References, check_count, read_references

Records = Mapping[str, Row]
NONE: tuple[Sequence[str], Sequence[str]] = ((), ())


@dataclass(frozen=True, slots=True)
class RecordField:
    """A field that gives one record by its id, or a list of them by their ids."""

    key: str
    arguments: ArgumentReader
    is_list: bool
    below: tuple[ConnectionRead | Constant, ...]
    write: Write

    @property
    def is_constant(self) -> bool:
        return self.arguments.is_constant and all(each.is_constant for each in self.below)

    def plan(self, variables: Variables) -> "PlannedRecord":
        given = self.arguments.read(variables)
        ids = read_ids(given["ids"]) if self.is_list else [check_guid(given["id"], "id")]
        return PlannedRecord(self, ids, plan_all(self.below, variables))


class PlannedRecord(NamedTuple):
    field: RecordField
    ids: Sequence[str]
    below: tuple[PlannedConnection, ...]

    async def answer(self, records: Records, reader: AttendanceReader) -> Written:
        rows = [records.get(each) for each in self.ids]
        below = await read_below(self.below, [row for row in rows if row is not None], reader) if self.below else ()
        written = self.field.write(rows, *below)
        return written if self.field.is_list else written[0]


@dataclass(frozen=True, slots=True)
class EntityType:
    """How entities of one type are written, and the connections below them."""

    below: tuple[ConnectionRead | Constant, ...]
    write: Write


@dataclass(frozen=True, slots=True)
class EntitiesField:
    """The `_entities` field: `types` holds each of the union's types by its name."""

    key: str
    arguments: ArgumentReader
    types: Mapping[str, EntityType]

    @property
    def is_constant(self) -> bool:
        return False

    def plan(self, variables: Variables) -> "PlannedEntities":
        """Raises BadUserInput when any representation is malformed: the reference path gives each its own error."""
        representations = self.arguments.read(variables)["representations"]
        check_count(representations)
        references = read_references(representations)
        ids, _ = references.groups.get(ATTENDANCE, NONE)
        below = {name: plan_all(self.types[name].below, variables) for name in references.groups}
        return PlannedEntities(self, references, ids, below)


class PlannedEntities(NamedTuple):
    field: EntitiesField
    references: References
    ids: Sequence[str]
    below: Mapping[str, tuple[PlannedConnection, ...]]

    async def answer(self, records: Records, reader: AttendanceReader) -> Written:
        names, groups = self.references
        loaded = await gather([self._load(name, *group, records, reader) for name, group in groups.items()])
        if len(loaded) == 1:
            return loaded[0]
        written = dict(zip(groups, map(iter, loaded), strict=True))
        return [next(written[name]) for name in names]

    async def _load(
        self, name: str, keys: Sequence[str], texts: Sequence[str], records: Records, reader: AttendanceReader
    ) -> Written:
        """Read what is below the entities of a type, and write them in the order of their references."""
        write = self.field.types[name].write
        if name == ATTENDANCE:
            rows = [records.get(key) for key in keys]
            below = await read_below(self.below[name], [row for row in rows if row is not None], reader)
            return write(rows, *below)
        parents: list[Value] = list(dict.fromkeys(keys))
        below = await gather([planned.answer_parents(parents, reader) for planned in self.below[name]])
        return write(zip(keys, texts, strict=True), *below)


@dataclass(frozen=True, slots=True)
class RecordsRead:
    """All fields of an operation that read records by their ids, and the columns that they need together."""

    fields: tuple[RecordField | EntitiesField, ...]
    columns: frozenset[Property]

    @property
    def is_constant(self) -> bool:
        return all(each.is_constant for each in self.fields)

    def plan(self, variables: Variables) -> "PlannedRecords":
        return PlannedRecords(self, [each.plan(variables) for each in self.fields])


class PlannedRecords(NamedTuple):
    read: RecordsRead
    fields: Sequence[PlannedRecord | PlannedEntities]

    def list_ids(self) -> list[str]:
        """The ids of all records that are to be read, each once."""
        return list(dict.fromkeys([each for planned in self.fields for each in planned.ids]))

    async def answer(self, reader: AttendanceReader) -> dict[str, Written]:
        """The fields, written, by their keys."""
        ids = self.list_ids()
        records = await reader.read_records(ids, self.read.columns) if ids else {}
        written = await gather([planned.answer(records, reader) for planned in self.fields])
        return {planned.field.key: each for planned, each in zip(self.fields, written, strict=True)}


def plan_all(below: Sequence[ConnectionRead | Constant], variables: Variables) -> tuple[PlannedConnection, ...]:
    return tuple([each.plan(variables) for each in below])
