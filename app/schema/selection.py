"""What a caller selected below a connection, so that only that is read."""

from collections.abc import Iterator, Sequence
from typing import Any

import strawberry
from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLIncludeDirective,
    GraphQLResolveInfo,
    GraphQLSkipDirective,
    InlineFragmentNode,
    SelectionNode,
    get_directive_values,
    is_abstract_type,
)

from app.plan.page import PageWants
from app.plan.properties import Property
from app.plan.summary import Aggregate
from app.schema.names import COLUMNS_OF_FIELDS

FieldsByName = dict[str, list[FieldNode]]

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


def select_subfields(info: GraphQLResolveInfo[Any], nodes: Sequence[FieldNode], of: str | None = None) -> FieldsByName:
    """The fields selected below fields, by their names, whatever their aliases.

    `of` is the concrete type to look at where several are possible; elsewhere every validated fragment applies.
    """
    fields: FieldsByName = {}
    for node in nodes:
        for field in walk_selections(info, node.selection_set.selections if node.selection_set else (), of):
            fields.setdefault(field.name.value, []).append(field)
    return fields


def walk_selections(
    info: GraphQLResolveInfo[Any], selections: Sequence[SelectionNode], of: str | None
) -> Iterator[FieldNode]:
    for selection in selections:
        if not is_included(info, selection):
            continue
        if isinstance(selection, FieldNode):
            yield selection
            continue
        fragment = info.fragments[selection.name.value] if isinstance(selection, FragmentSpreadNode) else selection
        assert isinstance(fragment, FragmentDefinitionNode | InlineFragmentNode)
        if of is None or applies_to(info, fragment, of):
            yield from walk_selections(info, fragment.selection_set.selections, of)


def applies_to(info: GraphQLResolveInfo[Any], fragment: FragmentDefinitionNode | InlineFragmentNode, of: str) -> bool:
    """Whether a fragment's type condition includes a concrete type."""
    condition = fragment.type_condition.name.value if fragment.type_condition else of
    condition_type = info.schema.type_map[condition]
    return condition == of or (
        is_abstract_type(condition_type) and info.schema.is_sub_type(condition_type, info.schema.type_map[of])
    )


def is_included(info: GraphQLResolveInfo[Any], selection: SelectionNode) -> bool:
    """Follows "@skip" and "@include" of the GraphQL specification."""
    if not selection.directives:
        return True
    skip = get_directive_values(GraphQLSkipDirective, selection, info.variable_values)
    include = get_directive_values(GraphQLIncludeDirective, selection, info.variable_values)
    return not (skip and skip["if"]) and not (include and not include["if"])


def select_page(info: GraphQLResolveInfo[Any], connection: FieldsByName) -> PageWants:
    """What is wanted of a connection's page."""
    edges = select_subfields(info, connection.get("edges", ()))
    page_info = select_subfields(info, connection.get("pageInfo", ()))
    records = select_subfields(info, [*edges.get("node", ()), *connection.get("nodes", ())])
    return PageWants(
        rows=not connection.keys().isdisjoint({"edges", "nodes"})
        or not page_info.keys().isdisjoint({"startCursor", "endCursor"}),
        columns=select_columns(records),
        has_next="hasNextPage" in page_info,
        has_previous="hasPreviousPage" in page_info,
    )


def select_columns(record: FieldsByName) -> frozenset[Property]:
    """The properties that the selected fields of a record are made of."""
    return frozenset(COLUMNS_OF_FIELDS[name] for name in record if name in COLUMNS_OF_FIELDS)


def select_aggregates(info: GraphQLResolveInfo[Any], connection: FieldsByName) -> frozenset[Aggregate]:
    """The figures that `totalCount` and the selected fields of `summary` are made of."""
    summary = select_subfields(info, connection.get("summary", ()))
    aggregates = {Aggregate.TOTAL} if "totalCount" in connection else set()
    for name in summary:
        aggregates |= AGGREGATES_OF_FIELDS.get(name, set())
    return frozenset(aggregates)
