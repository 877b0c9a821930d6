"""The sources of the values of fields without arguments, declared in the line that declares the field's type.

From these declarations the engine derives which columns, flags and figures to read, and the code that writes them.
An expression is Python code that may use the names of the object that the field belongs to:

- a connection has the `rows` of its page, `has_next`, `has_previous`, `changes_cursor`, `figures` and `cursors`
- an edge and a node have `row`, which has the figures of a node that stands for a group of records; an edge also has
  `cursor`
- a payload has `items`, `successes` and `failures`, and the names of its first item
- a batch of changes has `batch`, with its rows, its cursor and whether there are more; a change has `row`
- an item of a payload has `index`, `row`, `deleted_id` and `error`
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import strawberry

from app.plan.properties import Property
from app.plan.summary import Aggregate

SOURCE_KEY = "source"


class PageRead(Enum):
    """The part of a page that a field needs."""

    ROWS = "rows"
    ALL_CURSORS = "all cursors"
    END_CURSORS = "end cursors"
    HAS_NEXT = "has next"
    HAS_PREVIOUS = "has previous"
    REVISION = "revision"


@dataclass(frozen=True, slots=True)
class Column:
    """A property of a record."""

    of: Property


@dataclass(frozen=True, slots=True)
class Reference:
    """An object of another subgraph; its key is a property of the record. It is null if the key is."""

    of: Property


@dataclass(frozen=True, slots=True)
class Key:
    """The key of an object of another subgraph."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure over all matching records, or what a function makes of several; `name` is used in errors."""

    aggregates: tuple[Aggregate, ...]
    name: str = ""
    compute: str | None = None


@dataclass(frozen=True, slots=True)
class Value:
    """The value of an expression; `reads` is the part of the page that it needs."""

    expression: str
    reads: PageRead | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """An object whose fields use the same names as its parent's fields; null unless the condition holds.

    With `has_row_figures`, its figures are those of the row, not those of the connection.
    """

    condition: str | None = None
    has_row_figures: bool = False


@dataclass(frozen=True, slots=True)
class Each:
    """A list with one object for each item of the expression `items`, which is unpacked to `names`.

    `has_cursors` adds the name `cursor` if that field is selected.
    """

    names: str
    items: str
    reads: PageRead | None = None
    has_cursors: bool = False


Source = Column | Reference | Key | Figure | Value | Part | Each


def sourced(source: Source, description: str, **options: Any) -> Any:
    """A field without arguments, with the source of its value; `options` are passed to `strawberry.field`."""
    return strawberry.field(description=description, metadata={SOURCE_KEY: source}, **options)
