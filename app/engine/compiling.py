"""Compiles an operation: once for it and what its conditions include, from selections to functions."""

from collections.abc import Iterable, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    GraphQLField,
    GraphQLObjectType,
    get_named_type,
    get_nullable_type,
    get_operation_ast,
    is_abstract_type,
    is_list_type,
)

from app.documents.operation import Operation
from app.documents.selections import Fields, Selections, find_fragments
from app.engine.conditions import Booleans, is_included
from app.engine.definitions import find_key_property, get_object_type, gives_records
from app.engine.fields import (
    CHANGES,
    RECORD,
    CompiledOperation,
    ConnectionField,
    ConstantField,
    Location,
    ObjectWriter,
    ParentType,
    PayloadField,
    RecordsField,
    RootField,
    Write,
)
from app.engine.introspection import INTROSPECTION_FIELDS, build_introspection
from app.engine.resolvers import build_resolver, plan_fixed
from app.engine.sizes import BYTES_OF_A_FIELD, check_writers, weigh_code, weigh_item, weigh_syntax, weigh_values
from app.engine.writers import (
    BATCHES,
    CONNECTIONS,
    PAYLOADS,
    RECORDS,
    REFERENCES,
    TYPENAME,
    KnownKey,
    NestedSelection,
    SelectionWriter,
    load_function,
    set_columns,
    write_function,
)
from app.plan.page import CursorSelection, list_columns
from app.plan.properties import Property
from app.plan.write import KEY
from app.schema.schema import DEFINITION_KEY, SCHEMA


def compile_operation(operation: Operation, booleans: Booleans) -> CompiledOperation:
    """Compile an operation for these values of the variables in its conditions.

    Raises RequestRefused for one that selects too many connections.
    """
    try:
        return Compiler(operation.syntax.read(), operation.name, booleans).compile()
    finally:
        operation.syntax.release()


class Compiler:
    """Goes through the selections of one operation, and writes the functions for them."""

    def __init__(self, document: DocumentNode, name: str | None, booleans: Booleans) -> None:
        definition = get_operation_ast(document, name)
        assert definition is not None
        self._document = document
        self._definition = definition
        self._selections = Selections(find_fragments(document), lambda node: is_included(node, booleans))
        self._functions: list[str] = []
        self._loaded: dict[str, Write] = {}
        self._size = BYTES_OF_A_FIELD + weigh_values(document)
        self._bytes = self._most_bytes = self._writers = 0

    def compile(self) -> CompiledOperation:
        root: Any = SCHEMA.get_root_type(self._definition.operation)
        selected = self._selections.collect_fields([self._definition], root)
        constants = self._build_constants(root, selected)
        resolved = {key: nodes for key, nodes in selected.items() if key not in {each.key for each in constants}}
        fields = self._compile_roots(root, resolved)
        is_serial = root is SCHEMA.mutation_type
        steps = [(field,) for field in fields] if is_serial else [tuple(fields)] if fields else []
        return CompiledOperation(
            tuple(selected), steps, constants, "\n\n".join(self._functions), self._size, self._most_bytes
        )

    def _build_constants(self, root: GraphQLObjectType, selected: Fields) -> tuple[ConstantField, ...]:
        """The fields that need no plan: the type's name, the subgraph's schema, and introspection."""
        constants = []
        for key, nodes in selected.items():
            name = nodes[0].name.value
            if name == TYPENAME:
                constants.append(ConstantField(key, lambda *_: root.name))
            elif name in INTROSPECTION_FIELDS:
                build = build_introspection(self._document, self._definition, nodes)
                constants.append(ConstantField(key, build))
                self._size += weigh_syntax(self._document)
            elif root.fields[name].extensions[DEFINITION_KEY].base_resolver is None:
                writer = self._build_writer()
                body = writer.write_root(get_object_type(root.fields[name]), nodes)
                write: Any = self._load(key, f"(sdl, variables):\n    return {body}\n")
                constants.append(ConstantField(key, write))
        return tuple(constants)

    def _compile_roots(self, root: GraphQLObjectType, selected: Fields) -> list[RootField]:
        """The fields with plans. All that read records by their keys share a statement, and so its columns."""
        fields: list[Any] = []
        drafts: list[tuple[int, str, list[FieldNode], list[tuple[str, SelectionWriter, str]]]] = []
        for key, nodes in selected.items():
            definition = root.fields[nodes[0].name.value]
            if gives_records(definition):
                drafts.append((len(fields), key, nodes, self._draft_records(definition, nodes)))
                fields.append(None)
            elif root is SCHEMA.mutation_type:
                fields.append(self._compile_payload(key, definition, nodes, PAYLOADS, KEY))
                self._end_root()
            elif get_object_type(definition).name == CHANGES:
                fields.append(self._compile_payload(key, definition, nodes, BATCHES, (Property.ID,)))
                self._end_root()
            else:
                fields.append(self._compile_connection(key, definition, nodes))
                self._end_root()
        selects = [writer.columns for *_, types in drafts for name, writer, _ in types if name == RECORD]
        columns = frozenset({Property.ID}.union(*selects))
        for position, key, nodes, types in drafts:
            fields[position] = self._compile_records(key, root.fields[nodes[0].name.value], nodes, types, columns)
            self._end_root()
        return fields

    def _end_root(self) -> None:
        self._most_bytes, self._bytes = max(self._most_bytes, self._bytes), 0

    def _draft_records(
        self, definition: GraphQLField, nodes: Sequence[FieldNode]
    ) -> list[tuple[str, SelectionWriter, str]]:
        """For each type that a field can give: its name, what its selection reads, and the expression of it."""
        named: Any = get_named_type(definition.type)
        drafts = []
        for type_ in SCHEMA.get_possible_types(named) if is_abstract_type(named) else [named]:
            writer = self._build_writer()
            of = find_key_property(type_)
            known = None if of is None else KnownKey(of, "key", "text")
            drafts.append((type_.name, writer, writer.write_root(type_, nodes, known)))
        return drafts

    def _compile_records(
        self,
        key: str,
        definition: GraphQLField,
        nodes: Sequence[FieldNode],
        drafts: Sequence[tuple[str, SelectionWriter, str]],
        columns: frozenset[Property],
    ) -> RecordsField:
        types = {}
        for name, writer, body in drafts:
            loop = RECORDS if name == RECORD else REFERENCES
            item = f"None if {'row' if name == RECORD else 'key'} is None else {body}"
            self._bytes += weigh_item(item)
            source = write_function(item, loop, writer.nested)
            source = set_columns(source, list_columns(columns) if name == RECORD else (), has_texts=True)
            write = self._load(key if len(drafts) == 1 else f"{key}_{name.lower()}", source)
            types[name] = ObjectWriter(write, self._compile_nested(writer.nested), tuple(writer.fallible))
        resolver = build_resolver(definition, nodes[0])
        is_list = is_list_type(get_nullable_type(definition.type))
        return RecordsField(key, self._locate(nodes[0]), resolver, is_list, columns, types, fixed=plan_fixed(resolver))

    def _compile_payload(
        self, key: str, definition: GraphQLField, nodes: Sequence[FieldNode], loop: str, needed: Iterable[Property]
    ) -> PayloadField:
        """A field that gives an object of its own, which `loop` takes apart; the columns `needed` are always read."""
        writer = self._build_writer()
        body = writer.write_root(get_object_type(definition), nodes)
        self._bytes += weigh_item(body)
        columns = list_columns(writer.columns.union(needed))
        source = set_columns(write_function(body, loop, writer.nested), columns, has_texts=True)
        payload = ObjectWriter(self._load(key, source), self._compile_nested(writer.nested), tuple(writer.fallible))
        resolver = build_resolver(definition, nodes[0])
        return PayloadField(key, self._locate(nodes[0]), resolver, columns, payload, fixed=plan_fixed(resolver))

    def _compile_connection(
        self, key: str, definition: GraphQLField, nodes: Sequence[FieldNode], parent: ParentType | None = None
    ) -> ConnectionField:
        writer = self._build_writer()
        body = writer.write_root(get_object_type(definition), nodes)
        self._bytes += weigh_item(body)
        selection = writer.select_page()
        has_texts = parent is not None and selection.cursors is CursorSelection.NONE
        source = write_function(body, CONNECTIONS, writer.nested)
        write = self._load(key, set_columns(source, selection.row, has_texts=has_texts))
        resolver = build_resolver(definition, nodes[0])
        return ConnectionField(
            key=key,
            location=self._locate(nodes[0]),
            resolver=resolver,
            parent=parent,
            selection=selection,
            aggregates=frozenset(writer.aggregates),
            write=write,
            nested=self._compile_nested(writer.nested),
            fallible=tuple(writer.fallible),
            fixed=None if parent else plan_fixed(resolver, selection),
        )

    def _compile_nested(self, nested: Sequence[NestedSelection]) -> tuple[ConnectionField, ...]:
        return tuple(
            self._compile_connection(
                each.parameter,
                each.definition,
                each.nodes,
                ParentType(SCHEMA.type_map[each.parent.name].extensions[DEFINITION_KEY].origin, each.of),
            )
            for each in nested
        )

    def _build_writer(self) -> SelectionWriter:
        self._writers += 1
        check_writers(self._writers)
        self._size += BYTES_OF_A_FIELD
        return SelectionWriter(self._selections, self._locate)

    def _locate(self, node: FieldNode) -> Location:
        assert node.loc is not None
        return Location(*node.loc.source.get_location(node.loc.start))

    def _load(self, key: str, function: str) -> Write:
        """The function of a source, which is named after the first field that it writes: selections often repeat."""
        write = self._loaded.get(function)
        if write is None:
            name = f"write_{len(self._functions) + 1}_{key.strip('_')}"
            definition = f"def {name}{function}"
            self._size += weigh_code(definition)
            self._functions.append(definition)
            write = self._loaded[function] = load_function(name, definition)
        return write
