"""Which fields a selection asks for, as GraphQL collects them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLObjectType,
    InlineFragmentNode,
    NamedTypeNode,
    Node,
    SelectionNode,
    SelectionSetNode,
    is_abstract_type,
)

from app.schema.schema import SCHEMA

Fields = dict[str, list[FieldNode]]
Fragments = Mapping[str, FragmentDefinitionNode]


class HasSelections(Protocol):
    """An operation or a field."""

    @property
    def selection_set(self) -> SelectionSetNode | None: ...


def find_fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """A document's fragments by their names."""
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def list_children(node: Node) -> Iterator[Node]:
    """The nodes that a node is made of."""
    for key in node.keys:
        value = getattr(node, key, None)
        if isinstance(value, Node):
            yield value
        elif isinstance(value, tuple | list):
            yield from value


def applies(condition: NamedTypeNode | None, of: GraphQLObjectType) -> bool:
    """Whether a fragment with this type condition applies to objects of a type."""
    if condition is None or condition.name.value == of.name:
        return True
    type_ = SCHEMA.type_map[condition.name.value]
    return is_abstract_type(type_) and SCHEMA.is_sub_type(type_, of)


@dataclass(frozen=True, slots=True)
class Selections:
    """Collects the fields of a document's selections, of those that `is_included` lets pass."""

    fragments: Fragments
    is_included: Callable[[SelectionNode], bool] = lambda _: True

    def collect_fields(self, nodes: Sequence[HasSelections], of: GraphQLObjectType) -> Fields:
        """The fields that nodes select of an object of a type, by their names in the response.

        Follows "CollectFields" and "CollectSubfields" of the GraphQL specification: each fragment is followed once.
        """
        fields: Fields = {}
        visited: set[str] = set()
        for node in nodes:
            for field in self._walk(node.selection_set.selections if node.selection_set else (), of, visited):
                fields.setdefault((field.alias or field.name).value, []).append(field)
        return fields

    def _walk(
        self, selections: Sequence[SelectionNode], of: GraphQLObjectType, visited: set[str]
    ) -> Iterator[FieldNode]:
        for selection in selections:
            if selection.directives and not self.is_included(selection):
                continue
            if isinstance(selection, FieldNode):
                yield selection
                continue
            fragment: SelectionNode | FragmentDefinitionNode = selection
            if isinstance(selection, FragmentSpreadNode):
                if selection.name.value in visited:
                    continue
                visited.add(selection.name.value)
                fragment = self.fragments[selection.name.value]
            assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
            if applies(fragment.type_condition, of):
                yield from self._walk(fragment.selection_set.selections, of, visited)
