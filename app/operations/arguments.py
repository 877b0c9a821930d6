"""What an operation is given: its variables, and its fields' arguments, in which literals and variables may mix.

Both are read by functions that are built once, to plain values, or to parts of a plan where their type says which; what
is unusual is left to the reference path. Follows "Coercing Variable Values" and "Coercing Field Arguments" of the
GraphQL specification.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import (
    BooleanValueNode,
    FieldNode,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLString,
    IntValueNode,
    ListValueNode,
    NonNullTypeNode,
    NullValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    ValueNode,
    VariableNode,
    get_nullable_type,
    is_list_type,
    is_non_null_type,
    type_from_ast,
)
from graphql.pyutils import Undefined

from app.operations.coercing import INPUT, Coerce, Unusual, Variables, find_coercer, refuse
from app.schema.arguments import find_reader
from app.schema.schema import SCHEMA

ReadValue = Callable[[Variables], Any]


class VariableReader(NamedTuple):
    """One variable of an operation; `default` is Undefined where there is none."""

    name: str
    coerce: Coerce
    default: Any
    is_required: bool


@dataclass(frozen=True, slots=True)
class ArgumentReader:
    """The arguments of a field by their names: those that are variables, which may be null, and all others.

    `read` needs the variables unless all arguments are constant.
    """

    variables: Sequence[tuple[str, str]]
    readers: Sequence[tuple[str, ReadValue]]
    is_constant: bool

    def read(self, variables: Variables) -> dict[str, Any]:
        """The arguments that are given. Raises Unusual for a null where none may be, and what bad input raises."""
        values = {name: variables[variable] for name, variable in self.variables if variable in variables}
        for name, read in self.readers:
            value = read(variables)
            if value is not Undefined:
                values[name] = value
        return values


def read_variables(readers: Sequence[VariableReader], given: Variables) -> dict[str, Any]:
    """The variables of an operation, without those that are absent. Raises Unusual, and what bad input raises."""
    values: dict[str, Any] = {}
    for name, coerce, default, is_required in readers:
        if name in given:
            values[name] = coerce(given[name])
        elif default is not Undefined:
            values[name] = default
        elif is_required:
            raise Unusual(INPUT)
    return values


def build_variable_readers(operation: OperationDefinitionNode, most_in_values: int) -> tuple[VariableReader, ...]:
    """How an operation's variables are read. Raises Unusual for a default value that is, and what bad input raises."""
    readers = []
    for definition in operation.variable_definitions or ():
        type_: Any = type_from_ast(SCHEMA, definition.type)
        default = Undefined
        if definition.default_value is not None:
            default = build_part_reader(definition.default_value, type_, most_in_values)({})
        coerce, is_required = find_coercer(type_, most_in_values), isinstance(definition.type, NonNullTypeNode)
        readers.append(VariableReader(definition.variable.name.value, coerce, default, is_required))
    return tuple(readers)


def build_argument_reader(field: GraphQLField, node: FieldNode, most_in_values: int) -> ArgumentReader:
    """How a field's arguments are read; one that is absent has its default in the plan."""
    values = {each.name.value: each.value for each in node.arguments or ()}
    types = {name: field.args[name].type for name in values}
    variables = {
        name: value.name.value
        for name, value in values.items()
        if isinstance(value, VariableNode) and not is_non_null_type(types[name])
    }
    readers = [
        (name, build_part_reader(value, types[name], most_in_values))
        for name, value in values.items()
        if name not in variables
    ]
    return ArgumentReader(tuple(variables.items()), readers, not any(map(holds_variable, values.values())))


def holds_variable(node: ValueNode) -> bool:
    if isinstance(node, ListValueNode):
        return any(map(holds_variable, node.values))
    if isinstance(node, ObjectValueNode):
        return any(holds_variable(field.value) for field in node.fields)
    return isinstance(node, VariableNode)


def build_part_reader(node: ValueNode, type_: GraphQLInputType, most_in_values: int) -> ReadValue:
    """How an argument, or the default of a variable, is read: to a part of a plan where its type is one.

    A variable was made that part when it was coerced. Raises what bad input raises, where the value is constant.
    """
    read, plan = build_value_reader(node, type_), find_reader(str(get_nullable_type(type_)), most_in_values)
    if plan is None or isinstance(node, VariableNode):
        return read
    if holds_variable(node):
        return lambda variables: plan(read(variables))
    value = read({})
    part = None if value is None else plan(value)
    return lambda _: part


def build_value_reader(node: ValueNode, type_: Any) -> ReadValue:
    """How a value in a document is read, of which variables may be a part. Follows "Input Coercion"."""
    if isinstance(node, VariableNode):
        name, is_strict = node.name.value, is_non_null_type(type_)
        return lambda variables: refuse() if (value := variables.get(name, Undefined)) is None and is_strict else value
    if is_non_null_type(type_):
        read_present = build_value_reader(node, type_.of_type)
        return lambda variables: refuse() if (value := read_present(variables)) is None else value
    if isinstance(node, NullValueNode):
        return lambda _: None
    if is_list_type(type_):
        return build_list_reader(node, type_.of_type)
    if isinstance(type_, GraphQLInputObjectType) and isinstance(node, ObjectValueNode):
        return build_object_reader(node, type_)
    value = read_leaf(node, type_)
    return lambda _: value


def build_list_reader(node: ValueNode, item_type: Any) -> ReadValue:
    """One item that is no list stands for a list of it; an absent variable in a list is null."""
    items = node.values if isinstance(node, ListValueNode) else (node,)
    readers = [build_value_reader(item, item_type) for item in items]

    def read(variables: Variables) -> list[Any]:
        values = [reader(variables) for reader in readers]
        return [None if value is Undefined else value for value in values]

    return read


def build_object_reader(node: ObjectValueNode, type_: GraphQLInputObjectType) -> ReadValue:
    given = {field.name.value: field.value for field in node.fields}
    readers = [(name, build_value_reader(value, type_.fields[name].type)) for name, value in given.items()]

    def read(variables: Variables) -> dict[str, Any]:
        values = {name: value for name, reader in readers if (value := reader(variables)) is not Undefined}
        return values if not type_.is_one_of or is_one(values) else refuse()

    return read


def is_one(values: Mapping[str, Any]) -> bool:
    return len(values) == 1 and None not in values.values()


def read_leaf(node: Any, type_: Any) -> Any:
    """A leaf in a document, which validation has found to be of its type. An ID may be written as a number."""
    if type_ is GraphQLInt:
        return int(node.value) if isinstance(node, IntValueNode) else refuse()
    if type_ is GraphQLBoolean:
        return node.value if isinstance(node, BooleanValueNode) else refuse()
    is_text = type_ in (GraphQLID, GraphQLString) or isinstance(type_, GraphQLEnumType)
    return node.value if is_text else refuse()
