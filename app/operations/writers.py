"""Python source of the functions that write what an operation selects, from rows to what JSON is made of.

A writer is what one would write by hand for the selection: literals of dicts, and one comprehension for the records of
a page. Names of a document that stand in it are GraphQL names, which are quoted; nothing else of a request does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from textwrap import indent
from typing import Any

from graphql import FieldNode

from app.operations.coercing import Unusual
from app.plan.properties import GUID_PROPERTIES, Property
from app.schema.names import COLUMNS_OF_FIELDS
from app.schema.scalars import write_time
from app.schema.selection import RECORD, Fields, Selections
from app.schema.types import compute_rate, fit_integer

TYPENAME = "__typename"
INDENTATION = "    "
NAMESPACE: dict[str, Any] = {"write_time": write_time, "fit_integer": fit_integer, "compute_rate": compute_rate}
TIMES = (Property.CREATED_AT, Property.UPDATED_AT)
FLAGS = {"hasNextPage": "page.has_next", "hasPreviousPage": "page.has_previous"}
ENDS = {
    "startCursor": "cursors[0] if cursors else None",
    "endCursor": "cursors[-1] if cursors else None",
}
FIGURES = {
    "total": "total",
    "attended": "attended",
    "notAttended": "not_attended",
    "notSet": "not_set",
    "numberOfAttendees": "attendees",
}


@dataclass(frozen=True, slots=True)
class Below:
    """A connection below records: its field, the property of the record that it belongs to, and its parameter."""

    nodes: Sequence[FieldNode]
    of: Property
    parameter: str


@dataclass
class RecordSource:
    """Writes the source for records, whose columns are given, and notes the connections below them.

    `has_texts` says that GUIDs were read as texts.
    """

    selections: Selections
    columns: Sequence[Property]
    has_texts: bool
    below: list[Below] = field(default_factory=list)

    def write_record(self, fields: Fields) -> str:
        """The expression of one record from `row`."""
        return write_object([(key, self._write_field(nodes)) for key, nodes in fields.items()])

    def _write_field(self, nodes: Sequence[FieldNode]) -> str:
        name = nodes[0].name.value
        if name == TYPENAME:
            return '"Attendance"'
        of = COLUMNS_OF_FIELDS[name]
        value = f"row[{self.columns.index(of)}]"
        text = f"str({value})" if of in GUID_PROPERTIES and not self.has_texts else value
        if name in ("booking", "session"):
            type_name = name.capitalize()
            return self.write_stub(type_name, self.selections.group_by_key(nodes, type_name), of, value, text)
        return f"write_time({value})" if of in TIMES else text

    def write_stub(self, type_name: str, fields: Fields, of: Property, value: str, text: str) -> str:
        """The expression of a booking or a session, of which `value` is the key and `text` how it is written."""
        pairs = []
        for key, nodes in fields.items():
            name = nodes[0].name.value
            if name == TYPENAME:
                pairs.append((key, f'"{type_name}"'))
            elif name == "id":
                pairs.append((key, text))
            else:
                pairs.append((key, f"{self._add_below(nodes, of)}[{value}]"))
        return write_object(pairs)

    def _add_below(self, nodes: Sequence[FieldNode], of: Property) -> str:
        """A parameter for what a connection below has written for each booking or session."""
        noun = "booking" if of is Property.BOOKING_ID else "session"
        parameter = f"attendances_of_{noun}_{len(self.below) + 1}"
        self.below.append(Below(nodes, of, parameter))
        return parameter


def write_connection(fields: Fields, source: RecordSource) -> str:
    """The function for connections of one field: takes their pages, figures and cursors, and what is below records.

    Like all functions here it is written from its parameters on, for it is named where it is known to be a new one.
    """
    body = write_object([(key, write_connection_field(nodes, source)) for key, nodes in fields.items()])
    return write_function(body, "for page, figures, cursors in connections", source)


def write_records(fields: Fields, source: RecordSource) -> str:
    """The function for records: takes their rows, None for each that there is not, and what is below them."""
    return write_function(f"None if row is None else {source.write_record(fields)}", "for row in rows", source)


def write_stubs(type_name: str, fields: Fields, of: Property, source: RecordSource) -> str:
    """The function for bookings or sessions: takes the references to them, and what is below them."""
    body = source.write_stub(type_name, fields, of, "value", "text")
    return write_function(body, "for value, text in references", source)


def write_connection_field(nodes: Sequence[FieldNode], source: RecordSource) -> str:
    name, selections = nodes[0].name.value, source.selections
    if name == TYPENAME:
        return '"AttendanceConnection"'
    if name == "totalCount":
        return 'fit_integer(figures["total"], "totalCount")'
    below = selections.group_by_key(nodes, RECORD if name == "nodes" else None)
    if name == "nodes":
        return f"[\n{shift(source.write_record(below))}\n    for row in page.rows\n]"
    if name == "edges":
        return write_edges(below, source)
    if name == "pageInfo":
        return write_object([(key, write_page_info_field(each)) for key, each in below.items()])
    return write_object([(key, write_summary_field(each)) for key, each in below.items()])


def write_edges(fields: Fields, source: RecordSource) -> str:
    pairs = []
    for key, nodes in fields.items():
        name = nodes[0].name.value
        if name == TYPENAME:
            pairs.append((key, '"AttendanceEdge"'))
        elif name == "cursor":
            pairs.append((key, "cursor"))
        else:
            pairs.append((key, source.write_record(source.selections.group_by_key(nodes, RECORD))))
    has_cursor = any(expression == "cursor" for _, expression in pairs)
    loop = "for row, cursor in zip(page.rows, cursors)" if has_cursor else "for row in page.rows"
    return f"[\n{shift(write_object(pairs))}\n    {loop}\n]"


def write_page_info_field(nodes: Sequence[FieldNode]) -> str:
    name = nodes[0].name.value
    return '"PageInfo"' if name == TYPENAME else (FLAGS | ENDS)[name]


def write_summary_field(nodes: Sequence[FieldNode]) -> str:
    name = nodes[0].name.value
    if name == TYPENAME:
        return '"AttendanceSummary"'
    if name == "attendanceRate":
        return "compute_rate(figures)"
    return f'fit_integer(figures["{FIGURES[name]}"], "summary.{name}")'


def write_function(item: str, loop: str, source: RecordSource) -> str:
    """A function that writes an item for each turn of a loop, over the parameter that the loop ends with."""
    parameters = [loop.split()[-1], *(below.parameter for below in source.below)]
    comment = f"    # A row is: {', '.join(source.columns)}.\n" if source.columns else ""
    expression = f"[\n{shift(item)}\n    {loop}\n]"
    return f"({', '.join(parameters)}):\n{comment}    return {dedent_body(expression)}\n"


def write_object(pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return "{}"
    lines = "".join(f"{shift(f'{quote(key)}: {expression}')},\n" for key, expression in pairs)
    return f"{{\n{lines}}}"


def quote(name: str) -> str:
    """A GraphQL name as a text; the grammar of names leaves nothing to escape, and this holds it to that."""
    if not (name.isascii() and name.isidentifier()):
        raise Unusual("name")
    return f'"{name}"'


def shift(text: str) -> str:
    return indent(text, INDENTATION)


def dedent_body(expression: str) -> str:
    """An expression of several lines as it stands behind a `return`."""
    return shift(expression).removeprefix(INDENTATION)


def load_function(name: str, source: str) -> Any:
    """The function of a source that this module has written."""
    namespace = dict(NAMESPACE)
    exec(compile(source, f"<{name}>", "exec"), namespace)  # noqa: S102 (made of literals and our own names)
    return namespace[name]
