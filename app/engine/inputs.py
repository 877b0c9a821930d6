"""The inputs of an operation: its variables, and its fields' arguments, in which literals and variables may mix.

Both are read by functions that are built once, to plain values, or to parts of a plan where their type is one. Follows
"Coercing Variable Values" and "Coercing Field Arguments" of the GraphQL specification.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from graphql import (
    BooleanValueNode,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
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
    value_from_ast_untyped,
)
from graphql.pyutils import Undefined

from app.engine.coercion import Coerce, InputRefused, RefusedPart, find_coercer, refuse
from app.errors import BadUserInput
from app.schema.arguments import FILTER_TYPE, PERSPECTIVE_TYPE, read_filter, read_perspective
from app.schema.schema import SCHEMA

Variables = Mapping[str, Any]
ReadValue = Callable[[Variables], Any]

PLANNERS: Mapping[str, Callable[[Any], Any]] = {PERSPECTIVE_TYPE: read_perspective, FILTER_TYPE: read_filter}


class VariableReader(NamedTuple):
    """One variable of an operation; `default` is Undefined where there is none."""

    name: str
    coerce: Coerce
    default: Any
    is_required: bool


def read_variables(readers: tuple[VariableReader, ...], given: Variables) -> Variables:
    """The variables of an operation, coerced, without those that are absent. Raises InputRefused."""
    values: dict[str, Any] = {}
    for name, coerce, default, is_required in readers:
        if name in given:
            values[name] = coerce(given[name])
        elif default is not Undefined:
            values[name] = default
        elif is_required:
            raise InputRefused
    return values


def build_variable_readers(operation: OperationDefinitionNode) -> tuple[VariableReader, ...]:
    """How an operation's variables are read."""
    readers = []
    for definition in operation.variable_definitions or ():
        type_: Any = type_from_ast(SCHEMA, definition.type)
        default = Undefined
        if definition.default_value is not None:
            default = build_argument_reader(definition.default_value, type_)({})
        readers.append(
            VariableReader(
                definition.variable.name.value,
                find_coercer(type_),
                default,
                isinstance(definition.type, NonNullTypeNode),
            )
        )
    return tuple(readers)


def holds_variable(node: ValueNode) -> bool:
    """Whether a value depends on any variable."""
    if isinstance(node, ListValueNode):
        return any(map(holds_variable, node.values))
    if isinstance(node, ObjectValueNode):
        return any(holds_variable(field.value) for field in node.fields)
    return isinstance(node, VariableNode)


def build_argument_reader(node: ValueNode, type_: Any) -> ReadValue:
    """How an argument, or the default of a variable, is read: to a part of a plan where its type is one.

    A variable was made that part when it was coerced. What cannot be planned is read as RefusedPart.
    """
    read, plan = build_value_reader(node, type_), PLANNERS.get(str(get_nullable_type(type_)))
    if plan is None or isinstance(node, VariableNode):
        return read

    def read_part(variables: Variables) -> Any:
        value = read(variables)
        try:
            return None if value is None else plan(value)
        except BadUserInput as error:
            return RefusedPart(error)

    return read_part


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
    if holds_variable(node):
        return lambda variables: read_untyped(node, variables)
    value = read_leaf(node, type_)
    return lambda _: value


def read_untyped(node: ValueNode, variables: Variables) -> Any:
    """A value of a scalar that takes any, with variables in it. A member whose variable is absent is left out."""
    if isinstance(node, ObjectValueNode):
        members = {field.name.value: read_untyped(field.value, variables) for field in node.fields}
        return {name: value for name, value in members.items() if value is not Undefined}
    if isinstance(node, ListValueNode):
        return [read_untyped(each, variables) for each in node.values]
    return value_from_ast_untyped(node, dict(variables))


def build_list_reader(node: ValueNode, item_type: Any) -> ReadValue:
    """One item that is no list stands for a list of it; an absent variable in a list is null."""
    items = node.values if isinstance(node, ListValueNode) else (node,)
    readers = [build_value_reader(item, item_type) for item in items]
    is_strict = is_non_null_type(item_type)

    def read(variables: Variables) -> list[Any]:
        values = [reader(variables) for reader in readers]
        if Undefined in values:
            return refuse() if is_strict else [None if value is Undefined else value for value in values]
        return values

    return read


def build_object_reader(node: ObjectValueNode, type_: GraphQLInputObjectType) -> ReadValue:
    given = {field.name.value: field.value for field in node.fields}
    readers = [(name, build_value_reader(value, type_.fields[name].type)) for name, value in given.items()]
    needed = {name for name, field in type_.fields.items() if is_non_null_type(field.type)}

    def read(variables: Variables) -> dict[str, Any]:
        values = {name: value for name, reader in readers if (value := reader(variables)) is not Undefined}
        is_whole = is_one(values) if type_.is_one_of else values.keys() >= needed
        return values if is_whole else refuse()

    return read


def is_one(values: Mapping[str, Any]) -> bool:
    return len(values) == 1 and None not in values.values()


def read_leaf(node: Any, type_: Any) -> Any:
    """A leaf in a document, which validation has found to be of its type. An ID may be written as a number."""
    if type_ is GraphQLInt:
        return int(node.value) if isinstance(node, IntValueNode) else refuse()
    if type_ is GraphQLFloat:
        return float(node.value)
    if type_ is GraphQLBoolean:
        return node.value if isinstance(node, BooleanValueNode) else refuse()
    is_text = type_ in (GraphQLID, GraphQLString) or isinstance(type_, GraphQLEnumType)
    return node.value if is_text else value_from_ast_untyped(node)
