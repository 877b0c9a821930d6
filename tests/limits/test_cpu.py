"""What a document costs before it runs, compiled too: the worst ones known, and random ones built from their parts.

CPU time is compared with what it takes to parse a document of 968 tokens, so that it means the same on any machine.
Where that takes 2.8 ms, 18 times as much is 50 ms.
"""

from collections.abc import Callable
from contextlib import suppress

import pytest
from graphql import parse
from hypothesis import given, settings
from hypothesis import strategies as st

from app.documents.documents import Documents
from app.documents.errors import RequestRefused
from app.documents.limits import Limits
from app.engine.coercion import InputRefused
from app.engine.compiled_operations import CompiledOperations
from tests.support.cpu import Comparison
from tests.support.service import GraphQLClient
from tests.support.worst_documents import CONFLICTS, LONGEST, WORST_DOCUMENTS, below_nodes

MOST = 18
MOST_AGAIN = 0.25
REFERENCE = below_nodes(CONFLICTS)


def find(documents: Documents, compiled: CompiledOperations, text: str) -> None:
    """Do all that the service does with a document before it looks at the request's variables."""
    with suppress(RequestRefused):
        operation = documents.find(text, None)
        with suppress(InputRefused):
            compiled.prepare(operation, dict.fromkeys(operation.conditions, True))


def read_anew(text: str, *, introspection: bool = True) -> None:
    find(Documents(size=10, limits=Limits(), introspection=introspection), CompiledOperations(10), text)


def assert_costs_at_most(most: float, work: Callable[[], object]) -> None:
    costs = Comparison(most)
    while costs.undecided():
        with costs.reference():
            parse(REFERENCE)
        with costs.work():
            work()
    assert costs.ratio < most


@pytest.mark.parametrize("name", WORST_DOCUMENTS)
def test_the_worst_documents_take_little_time_whether_they_are_refused_or_not(name: str) -> None:
    assert_costs_at_most(MOST, lambda: read_anew(WORST_DOCUMENTS[name]))
    assert_costs_at_most(MOST, lambda: read_anew(WORST_DOCUMENTS[name], introspection=False))


@pytest.mark.parametrize("name", WORST_DOCUMENTS)
def test_a_document_takes_next_to_no_time_when_it_comes_again(name: str) -> None:
    documents, compiled = Documents(size=10, limits=Limits(), introspection=True), CompiledOperations(10)
    text = WORST_DOCUMENTS[name]
    find(documents, compiled, text)
    assert_costs_at_most(MOST_AGAIN, lambda: find(documents, compiled, text))


@pytest.mark.parametrize("fields", [1, 2])
async def test_a_thousand_errors_on_a_late_line_take_no_longer_than_on_the_first(
    client: GraphQLClient, fields: int
) -> None:
    query = f"query($of: [_Any!]!) {{ {'_entities(representations: $of) { __typename } ' * fields} }}"
    variables = {"of": [{"__typename": "Booking", "id": "x"}] * 1000}

    costs = Comparison(2)
    while costs.undecided():
        with costs.reference():
            first = await client.run(query, **variables)
        with costs.work():
            late = await client.run("\n" * 4900 + query, **variables)
        assert len(first["errors"]) == len(late["errors"]) == 1000
    assert costs.ratio < 2


PIECES = st.sampled_from(
    [
        "id ", "booking { id } ", "booking { attendances(first: 1) { totalCount } } ", "...F ", "...G ", "... { id } ",
        "... on Attendance { id } ", "session { attendances(first: 2) { nodes { ...G } } } ", "nothing ", "a: id ",
        'booking { attendances(after: "x\\n\\n") { totalCount } } ', "__typename @skip(if: true) ", "\n", "#\n", ", ,",
        "node(id: 1) { id } ", "booking { attendances(filter: {id: {in: [1 2 3 4]}}) { totalCount } } ",
    ]
)  # fmt: skip


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_random_piles_of_what_is_slow_take_little_time(data: st.DataObject) -> None:
    def pile(tokens: int) -> str:
        chosen = data.draw(st.lists(PIECES, min_size=1, max_size=4))
        text = "".join(chosen)
        return text * (tokens // max(len(text.split()), 1))

    shares = data.draw(st.tuples(*[st.integers(1, 900)] * 3).filter(lambda each: sum(each) < 950))
    nodes, first, second = map(pile, shares)
    fragments = f"fragment F on Attendance {{ {first} id }} fragment G on Attendance {{ {second} id }}"
    text = below_nodes(nodes, fragments)[:LONGEST]
    assert_costs_at_most(MOST, lambda: read_anew(text))
