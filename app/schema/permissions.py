"""The permissions that root fields need, and the scopes that grant them."""

from dataclasses import dataclass
from enum import Enum
from typing import Any

import strawberry
from strawberry.federation.schema_directives import RequiresScopes


class Permission(Enum):
    """What a caller must be allowed to do to run a root field."""

    READ = "read"
    WRITE = "write"


@dataclass(frozen=True, slots=True)
class Scope:
    """A permission scope as tokens name it, and what it grants."""

    id: str
    name: str
    grants: frozenset[Permission]


READS = frozenset({Permission.READ})
READS_AND_WRITES = frozenset({Permission.READ, Permission.WRITE})

SCOPES = (
    Scope("SCOPE.DC-BOOKINGS.READ-BOOKINGS-SENSITIVE", "Read Bookings - Including Participants", READS),
    Scope("SCOPE.DC-BOOKINGS-MEGA.READ-BOOKINGS", "Read Bookings - all read permissions", READS),
    Scope("SCOPE.BOOKINGS.CONFIGURATION", "Manage Bookings Services and Settings", READS),
    Scope("SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS", "Manage Bookings", READS_AND_WRITES),
    Scope("SCOPE.DC-BOOKINGS-MEGA.MANAGE-BOOKINGS", "Manage Bookings - all permissions", READS_AND_WRITES),
)

METADATA_KEY = "permission"


def require_scopes(permission: Permission) -> RequiresScopes:
    """The directive that tells a gateway what the server enforces: any one of the scopes that grant the permission."""
    return RequiresScopes(scopes=[[scope.id] for scope in SCOPES if permission in scope.grants])


def root_field(permission: Permission, description: str, *, gives: Any = None) -> Any:
    """A root field with the permission that it needs. `gives` is its GraphQL type: its resolver returns a plan."""
    return strawberry.field(
        description=description,
        metadata={METADATA_KEY: permission},
        directives=[require_scopes(permission)],
        graphql_type=gives,
    )
