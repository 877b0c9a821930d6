"""What an operation needs, computed from its root fields before it runs, and whether a caller may run it."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
)

from app.errors import Forbidden
from app.operations.fragments import find_fragments
from app.schema.permissions import SCOPES, Permission
from app.schema.schema import SCHEMA, permission_of

GRANTS = {scope.id: scope.grants for scope in SCOPES}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the site that the token is for, and what its scopes grant."""

    site_id: UUID
    permissions: frozenset[Permission]


def grant_permissions(scopes: frozenset[str]) -> frozenset[Permission]:
    """What a token's scopes grant together; unknown scopes grant nothing."""
    return frozenset[Permission]().union(*(GRANTS.get(scope, frozenset()) for scope in scopes))


def require_permissions(caller: Caller, needed: frozenset[Permission]) -> None:
    """Raise Forbidden, naming the scopes that would do, unless the caller may do all that is needed."""
    if needed <= caller.permissions:
        return
    for permission in sorted(needed - caller.permissions, key=lambda missing: missing.value):
        scopes = ", ".join(scope.id for scope in SCOPES if permission in scope.grants)
        raise Forbidden(f"The token may not {permission.value} attendance: it needs one of the scopes {scopes}.")


def compute_permissions(document: DocumentNode, operation: OperationDefinitionNode) -> frozenset[Permission]:
    """What the operation needs, whatever its variables skip or include; `__typename` and introspection need nothing."""
    root = SCHEMA.get_root_type(operation.operation)
    assert root is not None
    selected = walk_root_fields(operation.selection_set, find_fragments(document), set())
    names = {field.name.value for field in selected}
    declared = {permission_of(root.fields[name]) for name in names if not name.startswith("__")}
    return frozenset(permission for permission in declared if permission is not None)


def walk_root_fields(
    selections: SelectionSetNode, fragments: dict[str, FragmentDefinitionNode], visited: set[str]
) -> Iterator[FieldNode]:
    """The root fields of an operation, each fragment looked into once."""
    for selection in selections.selections:
        if isinstance(selection, FieldNode):
            yield selection
        elif isinstance(selection, InlineFragmentNode):
            yield from walk_root_fields(selection.selection_set, fragments, visited)
        elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in visited:
            visited.add(selection.name.value)
            yield from walk_root_fields(fragments[selection.name.value].selection_set, fragments, visited)
