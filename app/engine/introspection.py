"""What an operation asks of the schema itself, which graphql-core executes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    SelectionSetNode,
    execute_sync,
)

from app.engine.inputs import Variables
from app.schema.schema import SCHEMA

INTROSPECTION_FIELDS = frozenset({"__schema", "__type"})

Build = Callable[[str, Variables], Any]


class IntrospectionRefused(Exception):
    """A field of introspection some of whose arguments are refused: what is left of its value, and the errors.

    `data` is None where the field itself may not be null.
    """

    def __init__(self, data: Mapping[str, Any] | None, errors: Sequence[GraphQLError]) -> None:
        super().__init__(errors)
        self.data = data
        self.errors = errors


def build_introspection(
    document: DocumentNode, operation: OperationDefinitionNode, nodes: Sequence[FieldNode]
) -> Build:
    """A function from the variables as they were given to the value of one introspection field.

    It raises IntrospectionRefused, for a variable may be null where its default is not. Follows "Introspection" of the
    GraphQL specification.
    """
    alone = OperationDefinitionNode(
        operation=operation.operation,
        variable_definitions=operation.variable_definitions,
        directives=(),
        selection_set=SelectionSetNode(selections=tuple(nodes)),
    )
    fragments = [each for each in document.definitions if isinstance(each, FragmentDefinitionNode)]
    asked = DocumentNode(definitions=(alone, *fragments))

    def build(_sdl: str, variables: Variables) -> Any:
        result = execute_sync(SCHEMA, asked, variable_values=dict(variables))
        assert isinstance(result, ExecutionResult)
        if result.errors:
            raise IntrospectionRefused(result.data, result.errors)
        assert result.data is not None
        (value,) = result.data.values()
        return value

    return build
