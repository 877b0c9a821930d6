"""An operation of a valid document, and all that is known of it before it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphql import (
    DirectiveNode,
    DocumentNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    ValueNode,
    VariableNode,
)

from app.documents.cost import Cost
from app.documents.costing import CostReader, read_defaults
from app.documents.parsing import parse_again
from app.documents.permissions import compute_permissions
from app.documents.selections import list_children
from app.documents.values import ValueReader
from app.schema.permissions import Permission

LONGEST_NAME = 100
# A document of so many characters takes at most some 5 ms to be read and compiled; the worst longer ones take 50.
MOST_SHORT = 500


class Syntax:
    """The parsed document of a valid text. It is large, so it is released once compiled, and parsed again if needed.

    `is_proven` says that a caller with a valid token has run it, or that it is trusted, `is_long` that it may take long
    to be compiled.
    """

    def __init__(self, text: str, document: DocumentNode) -> None:
        self.text = text
        self.tokens: int = document.token_count
        self.is_proven = False
        self.is_long = len(text) > MOST_SHORT
        self._document: DocumentNode | None = document

    def read(self) -> DocumentNode:
        return self._document or parse_again(self.text)

    def release(self) -> None:
        self._document = None


class Label(NamedTuple):
    """An operation for those who watch the service: its name, whether it is a `query` etc., and what it needs.

    A long name is cut.
    """

    name: str | None
    type: str | None
    permission: str | None


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """An operation of a valid document, what a caller must be allowed to do to run it, and what it costs.

    `most_cost` is the most that it can cost, whatever the variables are. `conditions` are the variables that decide
    what it selects: those of its `@skip` and `@include`. `values` are those that it can return, `most_values` at most.
    """

    name: str | None
    label: Label
    is_mutation: bool
    is_subscription: bool
    syntax: Syntax
    permissions: frozenset[Permission]
    records: Cost
    most_cost: int
    values: Cost
    most_values: int
    defaults: Mapping[str, Any]
    conditions: tuple[str, ...]

    def cost(self, variables: Mapping[str, Any]) -> int:
        """How many records the operation can return with these variables, as JSON has them."""
        return self._compute(self.records, variables)

    def count_values(self, variables: Mapping[str, Any]) -> int:
        """How many values the operation can return with these variables, as JSON has them."""
        return self._compute(self.values, variables)

    def _compute(self, cost: Cost, variables: Mapping[str, Any]) -> int:
        if not cost.varying:
            return cost.fixed
        return cost.compute({**self.defaults, **variables} if self.defaults else variables, {})


Operations = Mapping[str | None, Operation]


def prepare_operations(syntax: Syntax, parsed: DocumentNode) -> Operations:
    """All that is known of a valid document's operations before they run."""
    costs, all_values = CostReader(parsed), ValueReader(parsed)
    definitions = [node for node in parsed.definitions if isinstance(node, OperationDefinitionNode)]
    conditions = find_conditions(parsed)
    operations = []
    for node in definitions:
        permissions, cost = compute_permissions(parsed, node), costs.read_operation(node)
        values = all_values.read_operation(node)
        operations.append(
            Operation(
                name=node.name.value if node.name else None,
                label=describe_operation(node, permissions),
                is_mutation=node.operation is OperationType.MUTATION,
                is_subscription=node.operation is OperationType.SUBSCRIPTION,
                syntax=syntax,
                permissions=permissions,
                records=cost,
                most_cost=cost.most,
                values=values,
                most_values=values.most,
                defaults=read_defaults(node),
                conditions=tuple(name for name in list_variables(node) if name in conditions),
            )
        )
    return {operation.name: operation for operation in operations}


def describe_operation(node: OperationDefinitionNode, permissions: frozenset[Permission]) -> Label:
    needs = " ".join(sorted(each.value for each in permissions)) or None
    return Label(node.name.value[:LONGEST_NAME] if node.name else None, node.operation.value, needs)


def list_variables(node: OperationDefinitionNode) -> list[str]:
    """The names of the variables that an operation declares."""
    return [definition.variable.name.value for definition in node.variable_definitions or ()]


def find_conditions(document: DocumentNode) -> set[str]:
    """The names of the variables in all `@skip` and `@include` of a document."""
    names: set[str] = set()
    nodes: list[Node] = [document]
    while nodes:
        node = nodes.pop()
        if isinstance(node, DirectiveNode):
            values = [argument.value for argument in node.arguments or ()]
            names.update(value.name.value for value in values if isinstance(value, VariableNode))
        elif not isinstance(node, ValueNode):
            nodes += list_children(node)
    return names
