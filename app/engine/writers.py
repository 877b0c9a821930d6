"""Python source of the functions that write what an operation selects, from rows to what JSON is made of.

A writer is what one would write by hand for the selection: literals of dicts, and one comprehension for the records of
a page. It is made from the sources that the schema's fields declare. Names of a document that stand in it are GraphQL
names, which are quoted; nothing else of a request does.
"""

from collections.abc import Callable, Sequence
from textwrap import indent
from typing import Any, NamedTuple

from graphql import FieldNode, GraphQLField, GraphQLObjectType, get_named_type, is_non_null_type

from app.documents.selections import Selections
from app.engine.fields import FallibleFigure, FallibleList, FallibleNested, FallibleObject, Location, Path
from app.plan.page import CursorSelection, PageSelection
from app.plan.properties import GUID_PROPERTIES, Property
from app.plan.summary import Aggregate
from app.schema.scalars import write_time
from app.schema.schema import DEFINITION_KEY
from app.schema.sources import SOURCE_KEY, Column, Each, Figure, Key, PageRead, Part, Reference, Source, Value

TYPENAME = "__typename"
INDENTATION = "    "
TIME = "DateTime"

CONNECTIONS = "for rows, has_next, has_previous, changes_cursor, figures, cursors in connections"
RECORDS = "for row in rows"
REFERENCES = "for key, text in references"
BATCHES = "for batch in batches"
PAYLOADS = "for items, successes, failures in results for index, row, deleted_id, error in items[:1]"


def compute_rate(attended: int, not_attended: int) -> float | None:
    """How many of the records that say whether anybody came are attended; None where none says so."""
    recorded = attended + not_attended
    return attended / recorded if recorded else None


NAMESPACE: dict[str, Any] = {"write_time": write_time, "compute_rate": compute_rate}


class KnownKey(NamedTuple):
    """The key of a booking or a session: its property, and the expressions of its value and its text."""

    of: Property
    value: str
    text: str


class Scope(NamedTuple):
    """Where an object is written: its path, what may fail there, the key of a booking or session, whose figures it has.

    Those are the row's, if it stands for a group of records, else the connection's.
    """

    path: Path
    fallible: list[Any]
    key: KnownKey | None = None
    has_row_figures: bool = False


class NestedSelection(NamedTuple):
    """A connection below a booking or a session: its field, and the parameter that holds what it has written."""

    definition: GraphQLField
    nodes: Sequence[FieldNode]
    parent: GraphQLObjectType
    of: Property
    parameter: str


class SelectionWriter:
    """Writes the source for one selection, and collects what it reads: columns, figures, and parts of pages.

    A column is written as its name in brackets until all columns, and so their positions, are known.
    """

    def __init__(self, selections: Selections, locate: Callable[[FieldNode], Location]) -> None:
        self._selections = selections
        self._locate = locate
        self.columns: set[Property] = set()
        self.aggregates: set[Aggregate] = set()
        self.row_figures: set[Aggregate] = set()
        self.reads: set[PageRead] = set()
        self.nested: list[NestedSelection] = []
        self.fallible: list[Any] = []

    def write_root(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], key: KnownKey | None = None) -> str:
        """The expression of an object of the selection's own type."""
        return self._write_object(type_, nodes, Scope((), self.fallible, key))

    def select_page(self) -> PageSelection:
        """What the selection reads of a page."""
        cursors = (
            CursorSelection.ALL
            if PageRead.ALL_CURSORS in self.reads
            else CursorSelection.ENDS
            if PageRead.END_CURSORS in self.reads
            else CursorSelection.NONE
        )
        return PageSelection(
            rows=PageRead.ROWS in self.reads or cursors is not CursorSelection.NONE,
            cursors=cursors,
            columns=frozenset(self.columns),
            has_next=PageRead.HAS_NEXT in self.reads,
            has_previous=PageRead.HAS_PREVIOUS in self.reads,
            revision=PageRead.REVISION in self.reads,
            row_figures=frozenset(self.row_figures),
        )

    def _write_object(self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], scope: Scope) -> str:
        fields = self._selections.collect_fields(nodes, type_)
        return write_dict([(key, self._write_field(type_, key, each, scope)) for key, each in fields.items()])

    def _write_field(self, type_: GraphQLObjectType, key: str, nodes: Sequence[FieldNode], scope: Scope) -> str:
        name = nodes[0].name.value
        if name == TYPENAME:
            return quote(type_.name)
        definition = type_.fields[name]
        scope = scope._replace(path=(*scope.path, key))
        if definition.extensions[DEFINITION_KEY].base_resolver is not None:
            return self._write_nested(definition, nodes, type_, scope)
        source = definition.extensions[DEFINITION_KEY].metadata[SOURCE_KEY]
        return self._write_source(source, definition, nodes, scope)

    def _write_source(self, source: Source, definition: GraphQLField, nodes: Sequence[FieldNode], scope: Scope) -> str:
        named: Any = get_named_type(definition.type)
        match source:
            case Column(of):
                return self._write_column(of, named.name)
            case Reference(of):
                self.columns.add(of)
                scope = scope._replace(key=KnownKey(of, f"<{of}>", f"<text {of}>"))
                if is_non_null_type(definition.type):
                    return self._write_object(named, nodes, scope)
                return self._write_nullable(named, nodes, scope, f"<{of}> is not None")
            case Key():
                assert scope.key is not None
                return scope.key.text
            case Figure():
                return self._write_figure(source, nodes, scope)
            case Value(expression, reads):
                self.reads |= {reads} if reads else set()
                return expression
            case Part(condition, has_row_figures):
                scope = scope._replace(has_row_figures=scope.has_row_figures or has_row_figures)
                if condition is None:
                    return self._write_object(named, nodes, scope)
                return self._write_nullable(named, nodes, scope, condition)
            case Each():
                return self._write_each(source, named, nodes, scope)

    def _write_nullable(
        self, type_: GraphQLObjectType, nodes: Sequence[FieldNode], scope: Scope, condition: str
    ) -> str:
        """An object that is null unless the condition holds and nothing below it has failed."""
        before, fallible = len(self.nested), list[Any]()
        written = self._write_object(type_, nodes, scope._replace(fallible=fallible))
        if fallible:
            scope.fallible.append(FallibleObject(scope.path, tuple(fallible)))
        needed = [f"<{each.of}> in {each.parameter}" for each in self.nested[before:]]
        return f"{written} if {' and '.join([condition, *needed])} else None"

    def _write_column(self, of: Property, type_name: str) -> str:
        self.columns.add(of)
        if of in GUID_PROPERTIES:
            return f"<text {of}>"
        return f"write_time(<{of}>)" if type_name == TIME else f"<{of}>"

    def _write_figure(self, source: Figure, nodes: Sequence[FieldNode], scope: Scope) -> str:
        (self.row_figures if scope.has_row_figures else self.aggregates).update(source.aggregates)
        values = [f"<{each}>" if scope.has_row_figures else f'figures["{each}"]' for each in source.aggregates]
        if source.compute is not None:
            return f"{source.compute}({', '.join(values)})"
        (aggregate,) = source.aggregates
        scope.fallible.append(FallibleFigure(scope.path, aggregate, source.name, self._locate(nodes[0])))
        return values[0]

    def _write_each(self, source: Each, type_: GraphQLObjectType, nodes: Sequence[FieldNode], scope: Scope) -> str:
        self.reads |= {source.reads} if source.reads else set()
        fallible: list[Any] = []
        cursors_before = PageRead.ALL_CURSORS in self.reads
        self.reads.discard(PageRead.ALL_CURSORS)
        item = self._write_object(type_, nodes, Scope((), fallible))
        if fallible:
            scope.fallible.append(FallibleList(scope.path, tuple(fallible)))
        loop = f"for {source.names} in {source.items}"
        if source.has_cursors and PageRead.ALL_CURSORS in self.reads:
            loop = f"for {source.names}, cursor in zip({source.items}, cursors)"
        self.reads |= {PageRead.ALL_CURSORS} if cursors_before else set()
        return f"[\n{shift(item)}\n    {loop}\n]"

    def _write_nested(
        self, definition: GraphQLField, nodes: Sequence[FieldNode], parent: GraphQLObjectType, scope: Scope
    ) -> str:
        """A look-up in what a nested connection has written for each booking or session."""
        assert scope.key is not None
        parameter = f"{nodes[0].name.value}_of_{parent.name.lower()}_{len(self.nested) + 1}"
        scope.fallible.append(FallibleNested(scope.path, len(self.nested)))
        self.nested.append(NestedSelection(definition, nodes, parent, scope.key.of, parameter))
        return f"{parameter}[{scope.key.value}]"


def write_function(item: str, loop: str, nested: Sequence[NestedSelection]) -> str:
    """The source, from its parameters on, of a function that writes an item for each turn of a loop."""
    parameters = [loop.split(" in ")[1].split()[0], *(each.parameter for each in nested)]
    expression = f"[\n{shift(item)}\n    {loop}\n]"
    return f"({', '.join(parameters)}):\n    return {shift(expression).removeprefix(INDENTATION)}\n"


def set_columns(source: str, columns: Sequence[Property | Aggregate], *, has_texts: bool) -> str:
    """The source with the positions of its columns and figures. `has_texts` says that rows hold GUIDs as texts."""
    for position, of in enumerate(columns):
        value = f"row[{position}]"
        text = f"str({value})" if of in GUID_PROPERTIES and not has_texts else value
        source = source.replace(f"<{of}>", value).replace(f"<text {of}>", text)
    comment = f"    # A row is: {', '.join(columns)}.\n" if columns else ""
    return source.replace("):\n", f"):\n{comment}", 1)


def write_dict(pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return "{}"
    lines = "".join(f"{shift(f'{quote(key)}: {expression}')},\n" for key, expression in pairs)
    return f"{{\n{lines}}}"


def quote(name: str) -> str:
    """A GraphQL name as a text; the grammar of names leaves nothing to escape, and this holds it to that."""
    if not (name.isascii() and name.isidentifier()):
        raise ValueError(f"not a GraphQL name: {name!r}")
    return f'"{name}"'


def shift(text: str) -> str:
    return indent(text, INDENTATION)


def load_function(name: str, source: str) -> Any:
    """The function of a source that this module has written."""
    namespace = dict(NAMESPACE)
    exec(compile(source, f"<{name}>", "exec"), namespace)  # noqa: S102 (made of literals and our own names)
    return namespace[name]
