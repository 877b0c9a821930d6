"""An operation of a valid document, and all that is known of it before it runs."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from graphql import DocumentNode, OperationDefinitionNode, OperationType

from app.operations.cost import Cost
from app.operations.costing import CostReader, read_defaults
from app.operations.limits import Limits
from app.operations.parsing import parse_again
from app.operations.permissions import compute_permissions
from app.schema.permissions import Permission

LONGEST_NAME = 100
MUTATION = OperationType.MUTATION.value


class Syntax:
    """The parsed document of a valid text. It may be let go, for it is large, and is parsed again when it is needed."""

    def __init__(self, text: str, document: DocumentNode) -> None:
        self._text = text
        self._document: DocumentNode | None = document

    def read(self) -> DocumentNode:
        return self._document or parse_again(self._text)

    def let_go(self) -> None:
        self._document = None


class Label(NamedTuple):
    """An operation for those who watch the service: what it is called, `query` or `mutation`, and what it needs.

    A long name is cut.
    """

    name: str | None
    type: str | None
    permission: str | None


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation of a valid document, what a caller must be allowed to do to run it, and what it costs.

    `most_cost` is the most that it can cost, whatever the variables are; `most_in_values` how long an `in` may be.
    `compiled` keeps what it was compiled to, for as long as the document is kept.
    """

    name: str | None
    label: Label
    syntax: Syntax
    permissions: frozenset[Permission]
    records: Cost
    most_cost: int
    most_in_values: int
    defaults: Mapping[str, Any]
    compiled: dict[Hashable, Any] = field(default_factory=dict, compare=False)

    @property
    def is_mutation(self) -> bool:
        return self.label.type == MUTATION

    def cost(self, variables: Mapping[str, Any]) -> int:
        """How many records the operation can return with these variables, as JSON has them."""
        if not self.records.varying:
            return self.records.fixed
        return self.records.compute({**self.defaults, **variables} if self.defaults else variables, {})


Operations = Mapping[str | None, Operation]


def prepare_operations(syntax: Syntax, parsed: DocumentNode, limits: Limits) -> Operations:
    """All that is known of a valid document's operations before they run."""
    costs = CostReader(parsed)
    definitions = [node for node in parsed.definitions if isinstance(node, OperationDefinitionNode)]
    operations = []
    for node in definitions:
        permissions, cost = compute_permissions(parsed, node), costs.read_operation(node)
        operations.append(
            Operation(
                name=node.name.value if node.name else None,
                label=describe_operation(node, permissions),
                syntax=syntax,
                permissions=permissions,
                records=cost,
                most_cost=cost.most,
                most_in_values=limits.in_values,
                defaults=read_defaults(node),
            )
        )
    return {operation.name: operation for operation in operations}


def describe_operation(node: OperationDefinitionNode, permissions: frozenset[Permission]) -> Label:
    needs = " ".join(sorted(each.value for each in permissions)) or None
    return Label(node.name.value[:LONGEST_NAME] if node.name else None, node.operation.value, needs)
