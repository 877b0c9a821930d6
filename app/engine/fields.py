"""The fields of a compiled operation: how each is planned, what is read for it, and what writes its value."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql.pyutils import Undefined

from app.engine.coercion import RefusedPart
from app.engine.inputs import ReadValue, Variables
from app.plan.page import PageSelection
from app.plan.properties import Property
from app.plan.summary import Aggregate

Write = Callable[..., list[Any]]
Path = tuple[str | int, ...]

RECORD, CHANGES = "Attendance", "AttendanceChanges"
CURSOR_ARGUMENTS = frozenset({"after", "before"})


class Location(NamedTuple):
    """Where a field stands in its document, counted from 1."""

    line: int
    column: int


class Argument(NamedTuple):
    """An argument that depends on variables: by its name in Python, a variable that it is, or how it is read."""

    name: str
    variable: str
    read: ReadValue | None


@dataclass(frozen=True, slots=True, eq=False)
class Resolver:
    """A field's resolver, and how its arguments are read: those that are constant, and all others.

    `given` are the names of the arguments that are given; `is_constant` says that none depends on variables.
    """

    function: Callable[..., Any]
    constants: Mapping[str, Any]
    arguments: tuple[Argument, ...]
    given: frozenset[str]
    is_constant: bool

    @property
    def has_cursors(self) -> bool:
        """Whether a cursor is given, which belongs to one parent's connection alone."""
        return not self.given.isdisjoint(CURSOR_ARGUMENTS)

    def plan(self, parent: object, variables: Variables) -> Any:
        """The resolver's plan. Raises InputRefused, and what the resolver raises for bad input."""
        given = dict(self.constants)
        for name, variable, read in self.arguments:
            value = variables.get(variable, Undefined) if read is None else read(variables)
            if type(value) is RefusedPart:
                raise value.error.with_traceback(None)
            if value is not Undefined:
                given[name] = value
        return self.function(parent, **given)


class FallibleFigure(NamedTuple):
    """A figure that may be more than an Int can hold; `path` leads to it from its connection, or from its row."""

    path: Path
    aggregate: Aggregate
    name: str
    location: Location


class FallibleNested(NamedTuple):
    """A nested connection, by its position among those of its field; `path` leads to it from its record."""

    path: Path
    position: int


class FallibleObject(NamedTuple):
    """What may fail below an object that may be null; `path` leads to it from its row."""

    path: Path
    below: tuple[FallibleFigure | FallibleNested, ...]


class FallibleList(NamedTuple):
    """What may fail below each item of a list."""

    path: Path
    items: tuple[FallibleFigure | FallibleNested | FallibleObject, ...]


Fallible = tuple[FallibleFigure | FallibleNested | FallibleObject | FallibleList, ...]


class ParentType(NamedTuple):
    """The type of the objects that a nested connection belongs to, and the property of records that is their key."""

    build: Callable[..., Any]
    of: Property


@dataclass(frozen=True, slots=True, eq=False)
class ConnectionField:
    """A connection at the root, or below the bookings or sessions of records.

    `write` takes the connections, each as the reader gives it, and what each of `nested` has written.
    `fixed` is the plan, or why there is none, where it depends on no variable and no parent.
    """

    key: str
    location: Location
    resolver: Resolver
    parent: ParentType | None
    selection: PageSelection
    aggregates: frozenset[Aggregate]
    write: Write
    nested: tuple["ConnectionField", ...]
    fallible: Fallible
    fixed: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class ObjectWriter:
    """What writes objects of one type, from rows or references, and the connections below them."""

    write: Write
    nested: tuple[ConnectionField, ...]
    fallible: Fallible


@dataclass(frozen=True, slots=True, eq=False)
class RecordsField:
    """A root field that gives objects by their keys: one, or a list of them, each of which may be null.

    `types` has a writer for each type that they may have.
    """

    key: str
    location: Location
    resolver: Resolver
    is_list: bool
    columns: frozenset[Property]
    types: Mapping[str, ObjectWriter]
    fixed: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class PayloadField:
    """A root field that gives one object of its own: what it has written, or a batch of changes.

    `columns` are those of the records in it.
    """

    key: str
    location: Location
    resolver: Resolver
    columns: tuple[Property, ...]
    payload: ObjectWriter
    fixed: Any = None


@dataclass(frozen=True, slots=True, eq=False)
class ConstantField:
    """A root field that needs no plan: `build` makes its value from the schema's text and the given variables."""

    key: str
    build: Callable[[str, Variables], Any]


RootField = ConnectionField | RecordsField | PayloadField


@dataclass(frozen=True, slots=True, eq=False)
class CompiledOperation:
    """An operation as functions: the fields to run, all of a query at once, those of a mutation in turn.

    `keys` are those of the response in their order. `size` is about what it takes in memory, in bytes; `source` is
    the code that writes. `record_bytes` is the most that one record, with what is written beside it, can have.
    """

    keys: tuple[str, ...]
    steps: Sequence[tuple[RootField, ...]]
    constants: tuple[ConstantField, ...]
    source: str
    size: int
    record_bytes: int
