"""The root fields of the schema, each with the smallest valid operation that asks for it."""

from dataclasses import dataclass
from uuid import uuid4

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLList,
    GraphQLNonNull,
    OperationType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

from app.schema.schema import SCHEMA

OPEN_FIELDS = frozenset({"_service"})  # a gateway asks for the schema before it has any caller
SCALARS = {
    "ID": f'"{uuid4()}"',
    "String": '"text"',
    "Int": "1",
    "Float": "1.5",
    "Boolean": "true",
    "DateTime": '"2026-03-04T17:30:00.000000Z"',
    "_Any": f'{{__typename: "Booking", id: "{uuid4()}"}}',
}


@dataclass(frozen=True, slots=True)
class RootField:
    """A field of a root type, and how it is asked for."""

    kind: OperationType
    name: str
    field: GraphQLField
    selection: str

    @property
    def query(self) -> str:
        return f"{self.kind.value} {{ {self.selection} }}"

    def __str__(self) -> str:
        return f"{self.kind.value}.{self.name}"


def list_root_fields() -> list[RootField]:
    """Every field of every root type that the schema has."""
    roots = [(kind, SCHEMA.get_root_type(kind)) for kind in OperationType]
    return [
        RootField(kind, name, field, write_selection(name, field))
        for kind, root in roots
        if root is not None
        for name, field in root.fields.items()
    ]


def list_guarded_fields() -> list[RootField]:
    """The root fields that nobody may ask for without a token: all but the few that are open on purpose."""
    return [root_field for root_field in list_root_fields() if root_field.name not in OPEN_FIELDS]


def write_selection(name: str, field: GraphQLField) -> str:
    required = {key: argument.type for key, argument in field.args.items() if is_required_argument(argument)}
    arguments = ", ".join(f"{key}: {write_value(type_)}" for key, type_ in required.items())
    below = "" if is_leaf_type(get_named_type(field.type)) else " { __typename }"
    return f"{name}({arguments}){below}" if arguments else f"{name}{below}"


def write_value(type_: GraphQLInputType) -> str:
    """A literal that the type takes."""
    if isinstance(type_, GraphQLNonNull):
        return write_value(type_.of_type)
    if isinstance(type_, GraphQLList):
        return f"[{write_value(type_.of_type)}]"
    if isinstance(type_, GraphQLEnumType):
        return str(next(iter(type_.values)))
    if isinstance(type_, GraphQLInputObjectType):
        return write_input(type_)
    return SCALARS[type_.name]


def write_input(type_: GraphQLInputObjectType) -> str:
    """An input object with the fields that it needs; one of them where exactly one may be given."""
    needed = {name for name, field in type_.fields.items() if is_required_input_field(field)}
    names = [next(iter(type_.fields))] if type_.is_one_of else [name for name in type_.fields if name in needed]
    return "{" + ", ".join(f"{name}: {write_value(type_.fields[name].type)}" for name in names) + "}"
