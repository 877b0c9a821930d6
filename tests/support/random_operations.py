"""Random read operations: arguments, aliases, fragments, directives and nesting, drawn from the schema itself."""

from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLObjectType, get_named_type, is_leaf_type
from hypothesis import strategies as st

from app.schema.schema import SCHEMA

DEEPEST = 6
ORDERS = ["ID_ASC", "BOOKING_ID_ASC", "SESSION_ID_ASC", "STATUS_ASC", "NUMBER_OF_ATTENDEES_ASC"]
VARIABLES = {"$yes": "Boolean! = true", "$size": "Int", "$number": "Int! = 1", "$filter": "AttendanceFilter"}
DIRECTIVES = ["", "", "", "", " @include(if: true)", " @skip(if: false)", " @skip(if: $yes)", " @include(if: $yes)"]


@dataclass
class Writer:
    """Draws one operation, and collects its fragments."""

    draw: st.DrawFn
    ids: list[str]
    bookings: list[str]
    sessions: list[str]
    fragments: list[str] = field(default_factory=list)

    def pick(self, choices: list[Any]) -> Any:
        return self.draw(st.sampled_from(choices))

    def write_selection(self, type_: GraphQLObjectType, depth: int) -> str:
        names = [name for name in type_.fields if not name.startswith("_")]
        plain = [name for name in names if is_leaf_type(get_named_type(type_.fields[name].type))]
        usable = names if depth < DEEPEST else plain or ["__typename"]
        chosen = self.draw(st.lists(st.sampled_from([*usable, "__typename"]), min_size=1, max_size=4))
        parts = [self.write_field(type_, name, depth, position) for position, name in enumerate(chosen)]
        return "{ " + " ".join(self.wrap(type_, part) for part in parts) + " }"

    def wrap(self, type_: GraphQLObjectType, part: str) -> str:
        """A field as it is, in an inline fragment, or in a named one."""
        kind = self.pick(["plain", "plain", "plain", "inline", "condition", "named"])
        if kind == "inline":
            return f"...{self.pick(DIRECTIVES)} {{ {part} }}"
        if kind == "condition":
            return f"... on {type_.name}{self.pick(DIRECTIVES)} {{ {part} }}"
        if kind == "named":
            name = f"F{len(self.fragments)}"
            self.fragments.append(f"fragment {name} on {type_.name} {{ {part} }}")
            return f"...{name}{self.pick(DIRECTIVES)}"
        return part

    def write_field(self, type_: GraphQLObjectType, name: str, depth: int, position: int) -> str:
        if name == "__typename":
            return f"t{depth}{position}: __typename"
        alias = f"a{depth}x{position}x{self.draw(st.integers(0, 9999))}: "
        definition = type_.fields[name]
        arguments = self.write_arguments(name, list(definition.args))
        below = get_named_type(definition.type)
        if is_leaf_type(below):
            return f"{alias}{name}{self.pick(DIRECTIVES)}"
        concrete = below if isinstance(below, GraphQLObjectType) else SCHEMA.type_map["Attendance"]
        assert isinstance(concrete, GraphQLObjectType)
        inner = self.write_selection(concrete, depth + 1)
        selection = inner if below is concrete else f"{{ __typename ... on {concrete.name} {inner} }}"
        return f"{alias}{name}{arguments}{self.pick(DIRECTIVES)} {selection}"

    def write_arguments(self, name: str, arguments: list[str]) -> str:
        if arguments == ["id"]:
            return f'(id: "{self.pick(self.ids)}")'
        if arguments == ["ids"]:
            return "(ids: [" + ", ".join(f'"{each}"' for each in self.draw(st.lists(st.sampled_from(self.ids)))) + "])"
        if name != "attendances":
            return ""
        size = self.pick(["first: 3", "last: 2", "first: 0", "first: 101", "first: $size", "first: null", "last: -1"])
        order = ", ".join(self.draw(st.lists(st.sampled_from(ORDERS), max_size=2)))
        given = [size, f"orderBy: [{order}]", self.pick(["", "", *self.list_filters()])]
        if "perspective" in arguments:
            given.append(self.pick(["", f'perspective: {{bookingId: "{self.bookings[0]}"}}']))
        return f"({', '.join(each for each in given if each)})"

    def list_filters(self) -> list[str]:
        return [
            "filter: {status: {ne: ATTENDED}}",
            "filter: {numberOfAttendees: {ge: $number}}",
            f'filter: {{bookingId: {{in: ["{self.bookings[0]}", "{self.bookings[-1]}"]}}}}',
            'filter: {id: {eq: "no guid"}}',
            "filter: $filter",
        ]


@st.composite
def draw_operation(draw: st.DrawFn, ids: list[str], bookings: list[str], sessions: list[str]) -> str:
    """The text of a query with the variables yes, size, number and filter."""
    writer = Writer(draw, ids, bookings, sessions)
    assert SCHEMA.query_type
    roots = writer.write_selection(SCHEMA.query_type, 0)
    text = " ".join([roots, *writer.fragments])
    declared = [f"{name}: {kind}" for name, kind in VARIABLES.items() if name in text]
    return f"query({', '.join(declared)}) {text}" if declared else f"query {text}"
