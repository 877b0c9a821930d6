"""What costs nothing, and which types a fragment is counted for."""

import pytest
from graphql import DirectiveLocation

from app.documents.documents import read_operations
from app.documents.limits import Limits
from app.schema.schema import SCHEMA

PAGE = "attendances(first: 9) { nodes { id } }"


def cost(text: str) -> int:
    [operation] = read_operations(text, Limits(), introspection=True).values()
    return operation.cost({})


def test_what_holds_no_objects_costs_nothing_of_its_own() -> None:
    assert len(DirectiveLocation) > 1
    fields = "name locations again: locations isRepeatable"
    assert cost(f"{{ __schema {{ directives {{ {fields} }} }} }}") == len(SCHEMA.directives)


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        (f"... on _Entity {{ ... on Booking {{ {PAGE} }} }}", 18),
        (f"... on Node {{ ... on _Entity {{ ... on Booking {{ {PAGE} }} }} }}", 2),
        (f"... on Node {{ ... on Attendance {{ booking {{ {PAGE} }} }} }}", 20),
        (f"... on Booking {{ {PAGE} }} ... on Session {{ id }}", 18),
    ],
)
def test_a_fragment_counts_for_the_types_that_it_applies_to(fragment: str, expected: int) -> None:
    assert cost(f"{{ _entities(representations: [1, 2]) {{ {fragment} }} }}") == expected
