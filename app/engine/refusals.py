"""Why GraphQL does not allow an input: what graphql-core says of what this service's own coercion has refused."""

from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLObjectType,
    Node,
    VariableValues,
    get_argument_values,
    get_named_type,
    get_operation_ast,
    get_variable_values,
    is_abstract_type,
    located_error,
)

from app.documents.errors import FormattedError, RequestRefused, format_request_error, refuse
from app.documents.locations import ArgumentFinder
from app.documents.operation import Operation
from app.documents.selections import Selections, find_fragments, list_children
from app.engine.conditions import is_included
from app.errors import BadUserInput
from app.schema.schema import SCHEMA

MOST_VARIABLE_ERRORS = 5

Variables = Mapping[str, Any]


def explain_variables(operation: Operation, given: Variables, *, hide_suggestions: bool) -> RequestRefused:
    """What is wrong with the variables of a request.

    Without suggestions, errors do not say what the schema has instead.
    """
    document = operation.syntax.read()
    definition = get_operation_ast(document, operation.name)
    assert definition is not None
    definitions = definition.variable_definitions or ()
    values = get_variable_values(SCHEMA, definitions, dict(given), MOST_VARIABLE_ERRORS, hide_suggestions)
    errors = values if isinstance(values, list) else find_null_conditions(document, values)
    if not errors:
        return refuse(BadUserInput("The variables cannot be used."))
    arguments = ArgumentFinder(document)
    return RequestRefused([format_request_error(BadUserInput.code, error, arguments) for error in errors])


def find_null_conditions(document: DocumentNode, values: VariableValues) -> list[GraphQLError]:
    """The error of the first `@skip` or `@include` whose variable is null, which only its default is not."""
    nodes: list[Node] = [document]
    while nodes:
        node = nodes.pop(0)
        if not isinstance(node, DirectiveNode):
            nodes += list_children(node)
            continue
        definition = SCHEMA.get_directive(node.name.value)
        assert definition is not None
        try:
            get_argument_values(definition, node, values, hide_suggestions=True)
        except GraphQLError as error:
            return [error]
    return []


def explain_argument(operation: Operation, given: Variables, path: Sequence[str | int]) -> FormattedError:
    """What is wrong with the arguments of the field at a path of the response."""
    document = operation.syntax.read()
    definition = get_operation_ast(document, operation.name)
    assert definition is not None
    values = get_variable_values(SCHEMA, definition.variable_definitions or (), dict(given))
    assert not isinstance(values, list)
    selections = Selections(find_fragments(document), lambda node: is_included(node, values.coerced))
    type_: Any = SCHEMA.get_root_type(definition.operation)
    nodes: Any = [definition]
    field: Any = None
    for key in [each for each in path if isinstance(each, str)]:
        assert type_ is not None
        type_, nodes = find_field(selections, type_, nodes, key)
        field = type_.fields[nodes[0].name.value]
        type_ = get_named_type(field.type)
    try:
        get_argument_values(field, nodes[0], values, hide_suggestions=True)
    except GraphQLError as error:
        located = located_error(error, nodes[:1], list(path))
        return format_request_error(BadUserInput.code, located, ArgumentFinder(document))
    return format_request_error(
        BadUserInput.code, located_error(BadUserInput("The arguments cannot be used."), nodes[:1], list(path))
    )


def find_field(selections: Selections, type_: Any, nodes: Any, key: str) -> tuple[GraphQLObjectType, Any]:
    """The type that has a field of the response, of those that an object may have, and the field's nodes."""
    for each in SCHEMA.get_possible_types(type_) if is_abstract_type(type_) else [type_]:
        fields = selections.collect_fields(nodes, each)
        if key in fields:
            return each, fields[key]
    raise LookupError(key)
