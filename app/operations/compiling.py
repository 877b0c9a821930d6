"""Compiles an operation that only reads: once for it and what its conditions include, from selections to functions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from graphql import (
    BooleanValueNode,
    DirectiveNode,
    FieldNode,
    SelectionNode,
    VariableNode,
    get_operation_ast,
)

from app.operations.arguments import ArgumentReader, build_argument_reader
from app.operations.coercing import Unusual, Variables
from app.operations.fragments import find_fragments
from app.operations.operation import Operation
from app.operations.reads import ConnectionRead, Constant, PlannedConnection, gather, plan_constant
from app.operations.record_reads import EntitiesField, EntityType, PlannedRecords, RecordField, RecordsRead
from app.operations.sharing import SharingReader
from app.operations.writers import (
    TYPENAME,
    RecordSource,
    load_function,
    write_connection,
    write_records,
    write_stubs,
)
from app.plan.page import CursorsWanted, list_columns
from app.plan.properties import Property
from app.schema.connecting import select_connection
from app.schema.entities import ATTENDANCE, BOOKING, SESSION
from app.schema.schema import SCHEMA
from app.schema.selection import Selections, select_columns

Read = ConnectionRead | RecordsRead
Planned = PlannedConnection | PlannedRecords
Booleans = Mapping[str, bool]

CONNECTION_FIELD, ENTITIES_FIELD, LIST_FIELD, SERVICE_FIELD = "attendances", "_entities", "nodes", "_service"
# Stands for the schema's text, which each service may show another way.
SDL = object()
RECORD_FIELDS = frozenset({"attendance", "node", LIST_FIELD, ENTITIES_FIELD})
# Functions take about six times as much memory as their source; a place where one writes, as much as so much source.
MOST_SOURCE = 16_384
SOURCE_OF_A_PLACE = 300
STUB_PROPERTIES = {BOOKING: Property.BOOKING_ID, SESSION: Property.SESSION_ID}


@dataclass(frozen=True, slots=True)
class CompiledOperation:
    """An operation as functions: what it reads, and the source of what writes it.

    `keys` are those of the response in their order, with what is known of each beforehand, but for the SDL. `size` is
    what it takes in memory, in characters of source. `shares` says whether several fields read connections below
    records, which may then be read together.
    """

    keys: Mapping[str, Any]
    reads: tuple[Read | Constant, ...]
    source: str
    size: int
    shares: bool

    def plan(self, variables: Variables) -> list[Planned]:
        """Plan everything that the operation reads. Raises what bad input raises."""
        return [read.plan(variables) for read in self.reads]

    async def answer(self, plans: Sequence[Planned], reader: SharingReader, sdl: str) -> bytes:
        """The response: what is planned is read at once, and written. `sdl` is the schema's text, for `_service`."""
        if self.shares:
            reader.share()
        found: dict[str, Any] = {}
        if len(plans) == 1:
            found = await plans[0].answer(reader)
        elif plans:
            for written in await gather([planned.answer(reader) for planned in plans]):
                found.update(written)
        data = {key: found.get(key, known) for key, known in self.keys.items()}
        return orjson.dumps({"data": data}, default=partial(show_sdl, sdl))


def compile_operation(operation: Operation, booleans: Booleans) -> CompiledOperation:
    """Compile a query for these values of the variables in its conditions.

    Raises Unusual, saying what about the query is left to the reference path.
    """
    return Compiler(operation, booleans).compile()


class Compiler:
    """Goes through the selections of one operation, and writes the functions for them."""

    def __init__(self, operation: Operation, booleans: Booleans) -> None:
        document = operation.syntax.read()
        definition = get_operation_ast(document, operation.name)
        assert definition is not None
        self._most_in_values = operation.most_in_values
        self._selections = Selections(SCHEMA, find_fragments(document), lambda node: is_included(node, booleans))
        self._definition = definition
        self._functions: list[str] = []
        self._loaded: dict[str, Any] = {}
        self._size = 0
        self._below = 0

    def compile(self) -> CompiledOperation:
        roots = self._selections.group_by_key([self._definition])
        names = {key: nodes[0].name.value for key, nodes in roots.items()}
        if unknown := set(names.values()) - RECORD_FIELDS - {CONNECTION_FIELD, SERVICE_FIELD, TYPENAME}:
            raise Unusual("introspection" if all(name.startswith("_") for name in unknown) else "field")
        reads: list[Read] = [
            self._compile_connection(key, roots[key]) for key, name in names.items() if name == CONNECTION_FIELD
        ]
        records = {key: nodes for key, nodes in roots.items() if names[key] in RECORD_FIELDS}
        if records:
            reads.append(self._compile_records(records))
        keys: dict[str, Any] = {key: "Query" if name == TYPENAME else None for key, name in names.items()}
        keys |= {key: self._describe_service(roots[key]) for key, name in names.items() if name == SERVICE_FIELD}
        planned, source = tuple(map(plan_constant, reads)), "\n\n".join(self._functions)
        return CompiledOperation(keys, planned, source, self._size, self._below > 1)

    def _describe_service(self, nodes: Sequence[FieldNode]) -> dict[str, Any]:
        fields = self._selections.group_by_key(nodes)
        return {key: "_Service" if each[0].name.value == TYPENAME else SDL for key, each in fields.items()}

    def _compile_connection(self, key: str, nodes: Sequence[FieldNode], of: Property | None = None) -> ConnectionRead:
        fields = self._selections.group_by_key(nodes)
        wants = select_connection(self._selections, nodes)
        has_texts = of is not None and wants.page.cursors is CursorsWanted.NONE
        source = RecordSource(self._selections, list_columns(wants.page.columns), has_texts)
        write = self._load(key, write_connection(fields, source))
        below = self._compile_below(source)
        return ConnectionRead(
            key=key,
            of=of,
            arguments=self._read_arguments("Query" if of is None else BOOKING, nodes[0]),
            wants=wants,
            below=below,
            write=write,
        )

    def _compile_below(self, source: RecordSource) -> tuple[ConnectionRead | Constant, ...]:
        self._below += len(source.below)
        below = [self._compile_connection(each.parameter, each.nodes, each.of) for each in source.below]
        return tuple(map(plan_constant, below))

    def _compile_records(self, records: Mapping[str, Sequence[FieldNode]]) -> RecordsRead:
        """All fields that read records by their ids; their one statement has the columns of all."""
        groups = [select_columns(self._selections.group_by_name(nodes, ATTENDANCE)) for nodes in records.values()]
        columns = frozenset({Property.ID}).union(*groups)
        fields = tuple(self._compile_record_field(key, nodes, columns) for key, nodes in records.items())
        return RecordsRead(fields, columns)

    def _compile_record_field(
        self, key: str, nodes: Sequence[FieldNode], columns: frozenset[Property]
    ) -> RecordField | EntitiesField:
        name = nodes[0].name.value
        arguments = self._read_arguments("Query", nodes[0])
        record = self._compile_record(key, nodes, columns)
        if name != ENTITIES_FIELD:
            return RecordField(key, arguments, name == LIST_FIELD, record.below, record.write)
        stubs = {each: self._compile_stub(key, nodes, each) for each in STUB_PROPERTIES}
        return EntitiesField(key, arguments, {ATTENDANCE: record, **stubs})

    def _compile_record(self, key: str, nodes: Sequence[FieldNode], columns: frozenset[Property]) -> EntityType:
        source = RecordSource(self._selections, list_columns(columns), has_texts=True)
        write = self._load(key, write_records(self._selections.group_by_key(nodes, ATTENDANCE), source))
        return EntityType(self._compile_below(source), write)

    def _compile_stub(self, key: str, nodes: Sequence[FieldNode], type_name: str) -> EntityType:
        """The bookings or sessions that representations stand for."""
        source = RecordSource(self._selections, (), has_texts=True)
        fields = self._selections.group_by_key(nodes, type_name)
        stubs = write_stubs(type_name, fields, STUB_PROPERTIES[type_name], source)
        write = self._load(f"{key}_{type_name.lower()}", stubs)
        return EntityType(self._compile_below(source), write)

    def _read_arguments(self, type_name: str, node: FieldNode) -> ArgumentReader:
        type_: Any = SCHEMA.type_map[type_name]
        return build_argument_reader(type_.fields[node.name.value], node, self._most_in_values)

    def _load(self, key: str, function: str) -> Any:
        """The function of a source, which is named after the first field that it writes: selections often repeat."""
        write = self._loaded.get(function)
        self._size += SOURCE_OF_A_PLACE + (len(function) if write is None else 0)
        if self._size > MOST_SOURCE:
            raise Unusual("too large")
        if write is None:
            name = f"write_{len(self._functions) + 1}_{key.strip('_')}"
            definition = f"def {name}{function}"
            self._functions.append(definition)
            write = self._loaded[function] = load_function(name, definition)
        return write


def show_sdl(sdl: str, value: object) -> str:
    """The schema's text in the place that is kept for it. Raises TypeError for whatever else JSON does not know."""
    if value is not SDL:
        raise TypeError(type(value).__name__)
    return sdl


def is_included(node: SelectionNode, booleans: Booleans) -> bool:
    """Follows "@skip" and "@include" of the GraphQL specification."""
    conditions = {each.name.value: read_condition(each, booleans) for each in node.directives or ()}
    return conditions.get("skip") is not True and conditions.get("include") is not False


def read_condition(directive: DirectiveNode, booleans: Booleans) -> bool:
    (argument,) = directive.arguments or ()
    if isinstance(argument.value, VariableNode):
        return booleans[argument.value.name.value]
    return isinstance(argument.value, BooleanValueNode) and argument.value.value
