"""What a caller selected below a field, so that only that is read."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLResolveInfo,
    GraphQLSchema,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionNode,
    SelectionSetNode,
    get_directive_values,
    is_abstract_type,
)

from app.plan.page import CursorsWanted, PageWants
from app.plan.properties import Property
from app.plan.summary import Aggregate
from app.schema.names import COLUMNS_OF_FIELDS

Fields = dict[str, list[FieldNode]]

RECORD = "Attendance"
END_CURSORS = frozenset({"startCursor", "endCursor"})
AGGREGATES_OF_FIELDS = {
    "total": {Aggregate.TOTAL},
    "attended": {Aggregate.ATTENDED},
    "notAttended": {Aggregate.NOT_ATTENDED},
    "notSet": {Aggregate.NOT_SET},
    "numberOfAttendees": {Aggregate.ATTENDEES},
    "attendanceRate": {Aggregate.ATTENDED, Aggregate.NOT_ATTENDED},
}


class ResolveInfo(strawberry.Info[Any, Any]):
    """What a resolver knows of the running operation, down to its selection."""

    @property
    def raw(self) -> GraphQLResolveInfo[Any]:
        return self._raw_info


class HasSelections(Protocol):
    """An operation or a field."""

    @property
    def selection_set(self) -> SelectionSetNode | None: ...


@dataclass(frozen=True, slots=True)
class Selections:
    """How to look into selections: with the fragments of their document, and a test of what is included."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]
    is_included: Callable[[SelectionNode], bool]

    def group_by_name(self, nodes: Sequence[HasSelections], of: str | None = None) -> Fields:
        """The fields selected below nodes, by their names, whatever their aliases.

        `of` is the concrete type to look at where several are possible; elsewhere every validated fragment applies.
        """
        return self._group(nodes, of, lambda field: field.name.value)

    def group_by_key(self, nodes: Sequence[HasSelections], of: str | None = None) -> Fields:
        """The same by the names that the response has: aliases, where there are any ("CollectFields")."""
        return self._group(nodes, of, lambda field: (field.alias or field.name).value)

    def _group(self, nodes: Sequence[HasSelections], of: str | None, name: Callable[[FieldNode], str]) -> Fields:
        fields: Fields = {}
        visited: set[str] = set()
        for node in nodes:
            for field in self._walk(node.selection_set.selections if node.selection_set else (), of, visited):
                fields.setdefault(name(field), []).append(field)
        return fields

    def _walk(self, selections: Sequence[SelectionNode], of: str | None, visited: set[str]) -> Iterator[FieldNode]:
        """The fields of selections, each fragment looked into once. Follows "CollectFields"."""
        for selection in selections:
            if not self.is_included(selection):
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
            if of is None or self._applies_to(fragment, of):
                yield from self._walk(fragment.selection_set.selections, of, visited)

    def _applies_to(self, fragment: FragmentDefinitionNode | InlineFragmentNode, of: str) -> bool:
        """Whether a fragment's type condition includes a concrete type."""
        condition = fragment.type_condition.name.value if fragment.type_condition else of
        condition_type = self.schema.type_map[condition]
        return condition == of or (
            is_abstract_type(condition_type) and self.schema.is_sub_type(condition_type, self.schema.type_map[of])
        )


def selections_of(info: GraphQLResolveInfo[Any]) -> Selections:
    """The selections of the operation that runs."""

    def is_included(selection: SelectionNode) -> bool:
        """Follows "@skip" and "@include" of the GraphQL specification."""
        if not selection.directives:
            return True
        skip = get_directive_values(GraphQLSkipDirective, selection, info.variable_values)
        include = get_directive_values(GraphQLIncludeDirective, selection, info.variable_values)
        return not (skip and skip["if"]) and not (include and not include["if"])

    return Selections(info.schema, info.fragments, is_included)


def select_page(selections: Selections, connection: Fields) -> PageWants:
    """What is wanted of a connection's page."""
    edges = selections.group_by_name(connection.get("edges", ()))
    page_info = selections.group_by_name(connection.get("pageInfo", ()))
    records = selections.group_by_name([*edges.get("node", ()), *connection.get("nodes", ())], RECORD)
    cursors = select_cursors(edges, page_info)
    return PageWants(
        rows=cursors is not CursorsWanted.NONE or not connection.keys().isdisjoint({"edges", "nodes"}),
        cursors=cursors,
        columns=select_columns(records),
        has_next="hasNextPage" in page_info,
        has_previous="hasPreviousPage" in page_info,
    )


def select_cursors(edges: Fields, page_info: Fields) -> CursorsWanted:
    if "cursor" in edges:
        return CursorsWanted.ALL
    return CursorsWanted.NONE if page_info.keys().isdisjoint(END_CURSORS) else CursorsWanted.ENDS


def select_columns(record: Fields) -> frozenset[Property]:
    """The properties that the selected fields of a record are made of."""
    return frozenset(COLUMNS_OF_FIELDS[name] for name in record if name in COLUMNS_OF_FIELDS)


def select_aggregates(selections: Selections, connection: Fields) -> frozenset[Aggregate]:
    """The figures that `totalCount` and the selected fields of `summary` are made of."""
    summary = selections.group_by_name(connection.get("summary", ()))
    aggregates = {Aggregate.TOTAL} if "totalCount" in connection else set()
    for name in summary:
        aggregates |= AGGREGATES_OF_FIELDS.get(name, set())
    return frozenset(aggregates)
