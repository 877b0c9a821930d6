"""What an operation needs, computed from its root fields before it runs, and whether a caller may run it."""

from dataclasses import dataclass, field
from uuid import UUID

from graphql import DocumentNode, OperationDefinitionNode

from app.documents.selections import Selections, find_fragments
from app.errors import Forbidden
from app.schema.permissions import SCOPES, Permission
from app.schema.schema import SCHEMA, permission_of

GRANTS = {scope.id: scope.grants for scope in SCOPES}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the site that the token is for, what its scopes grant, and when it expires, as Unix time."""

    site_id: UUID
    permissions: frozenset[Permission]
    expires_at: float | None = field(default=None, compare=False)


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
    fields = Selections(find_fragments(document)).collect_fields([operation], root)
    names = {node.name.value for nodes in fields.values() for node in nodes}
    declared = {permission_of(root.fields[name]) for name in names if not name.startswith("__")}
    return frozenset(permission for permission in declared if permission is not None)
