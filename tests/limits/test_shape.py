"""How deep and how wide an operation may be, counted before anything else is looked at."""

from pathlib import Path

import pytest
from graphql import get_introspection_query

from app.documents.documents import read_operations
from app.documents.errors import RequestRefused
from app.documents.limits import Limits, read_limits
from app.documents.operation import Operation
from app.settings import Settings, load_settings

LIMITS = Limits()
PAIR = ("nodes { booking { attendances(first: 1) {", "} } }")
STANDARD_INTROSPECTION = get_introspection_query(
    specified_by_url=True,
    directive_is_repeatable=True,
    schema_description=True,
    input_value_deprecation=True,
    one_of=True,
)


def read(text: str, limits: Limits = LIMITS) -> dict[str | None, Operation]:
    return dict(read_operations(text, limits, introspection=True))


def find_refusal(text: str, limits: Limits = LIMITS) -> tuple[str, str | None, str]:
    """The code, the limit and the message that a document is refused with."""
    with pytest.raises(RequestRefused) as caught:
        read(text, limits)
    error = caught.value.errors[0]
    return error["extensions"]["code"], caught.value.limit, error["message"]


def nest(depth: int, leaf: str = "totalCount") -> str:
    """An operation whose deepest field is so deep; three fields lead from one connection to the next."""
    rounds, rest = divmod(depth - 2, 3)
    inner = {0: leaf, 1: "nodes { id }", 2: "nodes { booking { id } }"}[rest]
    return "{ attendances(first: 1) { " + PAIR[0] * rounds + inner + PAIR[1] * rounds + " } }"


@pytest.mark.parametrize("depth", [2, 3, 4, 15, 16])
def test_fields_may_nest_as_deep_as_the_limit(depth: int) -> None:
    assert read(nest(depth))


@pytest.mark.parametrize("depth", [17, 18, 19, 60])
def test_fields_may_not_nest_deeper(depth: int) -> None:
    code, limit, message = find_refusal(nest(depth))
    assert (code, limit) == ("OPERATION_TOO_COMPLEX", "depth")
    assert message.startswith(f"The operation nests fields {depth} deep; the limit is 16. It bounds how far")


def test_fragments_add_no_depth_of_their_own() -> None:
    inline = "{ attendances(first: 1) " + "{ ... on AttendanceConnection " * 40 + "{ totalCount }" + " }" * 40 + " }"
    named = "{ attendances(first: 1) { ...F0 } }" + " ".join(
        f"fragment F{n} on AttendanceConnection {{ ...F{n + 1} }}" for n in range(40)
    )
    assert read(inline, Limits(depth=2))
    assert read(named + " fragment F40 on AttendanceConnection { totalCount }", Limits(depth=2))


def test_what_fragments_hold_is_as_deep_as_if_it_stood_in_their_place() -> None:
    text = "{ ...A } fragment A on Query { attendances { ...B } } fragment B on AttendanceConnection { nodes { id } }"
    assert read(text, Limits(depth=3))
    assert find_refusal(text, Limits(depth=2))[1] == "depth"


def alias(count: int) -> str:
    """Fields with an alias below one root field."""
    return "{ attendances { nodes { " + " ".join(f"a{n}: id" for n in range(count)) + " } } }"


def test_an_operation_may_have_as_many_aliases_as_the_limit() -> None:
    assert read(alias(30))
    code, limit, message = find_refusal(alias(31))
    assert (code, limit) == ("OPERATION_TOO_COMPLEX", "aliases")
    assert message.startswith("The operation has 31 fields with an alias; the limit is 30. It bounds how often")


def test_an_operation_may_have_as_many_root_fields_as_the_limit() -> None:
    assert read("{ " + "__typename " * 30 + "}")
    assert read("{ " + " ".join(f"a{n}: attendances(first: 3) {{ nodes {{ id }} }}" for n in range(30)) + " }")
    code, limit, message = find_refusal("{ " + "__typename " * 31 + "}")
    assert (code, limit) == ("OPERATION_TOO_COMPLEX", "root fields")
    assert message.startswith("The operation has 31 root fields; the limit is 30. It bounds how much")


@pytest.mark.parametrize("spreads", [3, 4])
def test_a_fragment_counts_each_time_it_is_spread(spreads: int) -> None:
    aliases = " ".join(f"a{n}: id" for n in range(10))
    below = f"{{ attendances {{ nodes {{ {'...F ' * spreads} }} }} }} fragment F on Attendance {{ {aliases} }}"
    roots = f"{{ {'...F ' * spreads} }} fragment F on Query {{ {'__typename ' * 10} }}"
    if spreads == 3:
        assert read(below)
        assert read(roots)
    else:
        assert find_refusal(below)[1] == "aliases"
        assert find_refusal(roots)[1] == "root fields"


def test_each_operation_of_a_document_has_the_limits_to_itself() -> None:
    thirty = "__typename " * 30
    assert len(read(f"query A {{ {thirty} }} query B {{ {thirty} }}")) == 2
    assert find_refusal(f"query A {{ __typename }} query B {{ {thirty} __typename }}")[1] == "root fields"


def test_an_operation_is_looked_at_wherever_it_stands_in_its_document() -> None:
    text = "fragment F on Query { __typename } query A { ...F } query B { " + "__typename " * 31 + "}"
    assert find_refusal(text)[1] == "root fields"


def test_doubling_fragments_are_counted_without_being_followed() -> None:
    doubling = " ".join(f"fragment F{n} on Query {{ ...F{n + 1} ...F{n + 1} }}" for n in range(80))
    last = "fragment F80 on Query { %s }"
    assert find_refusal("{ ...F0 } " + doubling + last % "__typename")[1] == "root fields"
    below = doubling.replace("on Query", "on Attendance") + last.replace("Query", "Attendance") % "a: id"
    assert find_refusal("{ attendances { nodes { ...F0 } } } " + below)[1] == "aliases"


@pytest.mark.parametrize(
    "fragments",
    [
        "fragment F on Query { ...F }",
        "fragment F on Query { ...G } fragment G on Query { ...F }",
        "fragment F on Query { attendances { nodes { booking { ...G } } } } fragment G on Booking { ...H } "
        "fragment H on Booking { attendances { nodes { booking { ...G } } } }",
        " ".join(f"fragment {n} on Query {{ ...F ...G ...H }}" for n in "FGH"),
    ],
)
def test_fragments_in_circles_are_an_ordinary_validation_error(fragments: str) -> None:
    code, limit, message = find_refusal("{ ...F } " + fragments)
    assert (code, limit) == ("GRAPHQL_VALIDATION_FAILED", None)
    assert "within itself" in message


def test_an_undefined_fragment_is_an_ordinary_validation_error() -> None:
    assert find_refusal("{ ...Nowhere }")[0] == "GRAPHQL_VALIDATION_FAILED"


def test_the_standard_introspection_query_passes_and_two_in_one_as_well() -> None:
    assert read(STANDARD_INTROSPECTION)
    one_selection = STANDARD_INTROSPECTION.split("__schema", 1)
    assert read(f"{one_selection[0]} schema: __schema{one_selection[1]}")


def test_introspection_is_deep_by_the_same_rules() -> None:
    chain = "{ __schema { types { fields { type " + "{ ofType " * 13 + "{ name }" + " }" * 13 + " } } } }"
    assert find_refusal(chain)[1] == "depth"


def test_the_limits_are_those_of_the_settings() -> None:
    assert read_limits(Settings(data_dir=Path())) == LIMITS == read_limits(load_settings({}))
