"""What each scope grants, what a caller is told who lacks one, and what a gateway is told of it."""

from uuid import UUID

import pytest
from graphql import OperationDefinitionNode, parse

from app.documents.permissions import Caller, compute_permissions, grant_permissions, require_permissions
from app.errors import Forbidden
from app.schema.permissions import METADATA_KEY, SCOPES, Permission, require_scopes, root_field

READ, WRITE = frozenset({Permission.READ}), frozenset({Permission.WRITE})
BOTH = READ | WRITE
READING = [
    "SCOPE.DC-BOOKINGS.READ-BOOKINGS-SENSITIVE",
    "SCOPE.DC-BOOKINGS-MEGA.READ-BOOKINGS",
    "SCOPE.BOOKINGS.CONFIGURATION",
]
WRITING = ["SCOPE.DC-BOOKINGS.MANAGE-BOOKINGS", "SCOPE.DC-BOOKINGS-MEGA.MANAGE-BOOKINGS"]
SITE = UUID(int=1)


def test_each_scope_grants_what_is_documented_and_nothing_else_grants_anything() -> None:
    assert {scope.id: scope.grants for scope in SCOPES} == {
        **dict.fromkeys(READING, READ),
        **dict.fromkeys(WRITING, BOTH),
    }
    for scope in READING:
        assert grant_permissions(frozenset({scope})) == READ
    for scope in WRITING:
        assert grant_permissions(frozenset({scope, "unknown"})) == BOTH
    assert grant_permissions(frozenset({READING[0], WRITING[0]})) == BOTH
    for scope in ("", "unknown", READING[0].lower(), READING[0] + " "):
        assert grant_permissions(frozenset({scope})) == frozenset()
    assert grant_permissions(frozenset()) == frozenset()


@pytest.mark.parametrize(("held", "needed"), [(BOTH, BOTH), (BOTH, READ), (READ, READ), (READ, frozenset())])
def test_who_holds_what_is_needed_passes(held: frozenset[Permission], needed: frozenset[Permission]) -> None:
    require_permissions(Caller(SITE, held), needed)


@pytest.mark.parametrize(
    ("held", "needed", "missing", "scopes"),
    [
        (READ, WRITE, "write", WRITING),
        (READ, BOTH, "write", WRITING),
        (frozenset(), READ, "read", READING + WRITING),
        (frozenset(), BOTH, "read", READING + WRITING),
        (WRITE, BOTH, "read", READING + WRITING),
    ],
)
def test_who_lacks_it_is_told_which_scopes_would_do(
    held: frozenset[Permission], needed: frozenset[Permission], missing: str, scopes: list[str]
) -> None:
    with pytest.raises(Forbidden) as caught:
        require_permissions(Caller(SITE, held), needed)
    expected = f"The token may not {missing} attendance: it needs one of the scopes {', '.join(scopes)}."
    assert caught.value.message == expected


READS, WRITES = 'attendance(id: "x") { id }', 'deleteAttendance(id: "x") { deletedId }'


@pytest.mark.parametrize(
    ("text", "needed"),
    [
        ("{ __typename }", frozenset()),
        ('{ __schema { description } __type(name: "x") { name } }', frozenset()),
        ("{ _service { sdl } }", frozenset()),
        (f"{{ {READS} }}", READ),
        (f"{{ __typename {READS} }}", READ),
        (f"{{ _service {{ sdl }} x: {READS} }}", READ),
        (f"{{ ... {{ {READS} }} }}", READ),
        (f"{{ ... on Query @skip(if: true) {{ {READS} }} }}", READ),
        (f"{{ ...F }} fragment F on Query {{ ...G ...F }} fragment G on Query {{ {READS} }}", READ),
        (f"{{ ... {{ ...F }} }} fragment F on Query {{ {READS} }}", READ),
        (f"{{ ...F ...F }} fragment F on Query {{ __typename }} fragment G on Query {{ {READS} }}", frozenset()),
        ("{ _entities(representations: []) { __typename } }", READ),
        (f"mutation {{ {WRITES} }}", WRITE),
        (f"mutation {{ ...F }} fragment F on Mutation {{ {WRITES} }}", WRITE),
        ("mutation { __typename }", frozenset()),
    ],
)
def test_an_operation_needs_what_its_root_fields_need(text: str, needed: frozenset[Permission]) -> None:
    document = parse(text)
    [operation] = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    assert compute_permissions(document, operation) == needed


def test_each_operation_of_a_document_needs_its_own() -> None:
    document = parse(f"query A {{ __typename }} query B {{ {READS} }} mutation C {{ {WRITES} }}")
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    assert [compute_permissions(document, each) for each in operations] == [frozenset(), READ, WRITE]


def test_a_gateway_is_told_the_scopes_that_grant_a_permission() -> None:
    assert require_scopes(Permission.WRITE).scopes == [[scope] for scope in WRITING]
    assert require_scopes(Permission.READ).scopes == [[scope] for scope in READING + WRITING]


def test_a_root_field_declares_its_permission_and_tells_of_it() -> None:
    @root_field(Permission.WRITE, "What it is for.")
    def field(self: object) -> int: ...

    assert field.description == "What it is for."
    assert field.metadata == {METADATA_KEY: Permission.WRITE}
    assert [directive.scopes for directive in field.directives] == [[[scope] for scope in WRITING]]


def test_a_root_field_has_the_type_that_its_resolver_awaits() -> None:
    assert root_field(Permission.READ, "What it is for.", gives=int).type is int
