"""The compiled forms of an operation: how many there are, what they take, and what is left to the reference path."""

import tracemalloc
from itertools import product

import pytest

from app.operations.coercing import Unusual
from app.operations.compiling import MOST_SOURCE
from app.operations.documents import Documents
from app.operations.limits import Limits
from app.operations.operation import Operation
from app.operations.variants import MOST_SOURCE_OF_ALL, compile_ahead, find_compiled

CONDITIONS = "abcde"
MOST_BYTES = 300_000
BELOW = "attendances(first: 0) { ...F# }"
LAYER = f"{{ nodes {{ booking {{ {BELOW} }} session {{ {BELOW} }} }} }}"
SUMMARIES = " ".join(f"a{n}: attendances {{ summary {{ total attended }} }}" for n in range(30))
WRONG_DEFAULTS = [
    'query($f: AttendanceFilter = {id: {eq: "x"}}) { attendances(filter: $f) { totalCount } }',
    'query($p: AttendancePerspective = {bookingId: "x"}) { attendances(perspective: $p) { totalCount } }',
    "query($o: [AttendanceOrder!] = [ID_ASC, ID_ASC]) { attendances(orderBy: $o) { totalCount } }",
]


def read(text: str) -> Operation:
    return Documents(size=1, limits=Limits(), introspection=False).find_operation(text, None)


def write_branching() -> str:
    """An operation that reads connections at hundreds of places, all of which select alike."""
    declared = ", ".join(f"${name}: Boolean!" for name in CONDITIONS)
    last = " ".join(f"__typename @include(if: ${name})" for name in CONDITIONS)
    roots = " ".join(f"a{n}: attendances(first: 0) {{ ...F0 }}" for n in range(25))
    layers = " ".join(f"fragment F{n} on AttendanceConnection {LAYER.replace('#', str(n + 1))}" for n in range(4))
    return f"query({declared}) {{ {roots} }} {layers} fragment F4 on AttendanceConnection {{ {last} }}"


def list_forms(operation: Operation) -> list[str]:
    """How each form of an operation is run."""
    forms = []
    for values in product((True, False), repeat=len(CONDITIONS)):
        try:
            compiled, _ = find_compiled(operation, dict(zip(CONDITIONS, values, strict=True)))
        except Unusual as unusual:
            forms.append(str(unusual))
        else:
            assert len(compiled.source) <= compiled.size <= MOST_SOURCE
            forms.append("compiled")
    return forms


def test_what_reads_at_hundreds_of_places_takes_no_more_memory_than_what_has_much_source() -> None:
    operation = read(write_branching())
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    forms = list_forms(operation)
    kept = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert set(forms) == {"too large"}
    assert kept < MOST_BYTES


def test_all_forms_together_take_what_two_large_ones_do() -> None:
    declared = ", ".join(f"${name}: Boolean!" for name in CONDITIONS)
    fields = " ".join(f"{name}{n}: bookingId @include(if: ${name})" for name in CONDITIONS for n in range(3))
    operation = read(f"query({declared}) {{ attendances {{ nodes {{ {fields} }} edges {{ node {{ {fields} }} }} }} }}")
    forms = list_forms(operation)
    assert {"compiled", "too many forms"} == set(forms)
    found = [form for form in operation.compiled.values() if hasattr(form, "source")]
    assert 1 < len(found) == forms.count("compiled")
    assert sum(len(form.source) for form in found) <= sum(form.size for form in found) <= MOST_SOURCE_OF_ALL


def test_an_operation_with_five_conditions_is_compiled_in_all_its_forms() -> None:
    declared = ", ".join(f"${name}: Boolean!" for name in CONDITIONS)
    fields = " ".join(f"{name}: bookingId @include(if: ${name})" for name in CONDITIONS)
    operation = read(f"query({declared}) {{ attendances {{ nodes {{ id {fields} }} }} }}")
    assert list_forms(operation) == ["compiled"] * 32


def test_fields_that_select_alike_share_a_writer() -> None:
    compiled, _ = find_compiled(read(f"{{ attendances {{ nodes {{ booking {{ {SUMMARIES} }} }} }} }}"), {})
    assert compiled.source.count("def ") == 2


@pytest.mark.parametrize("text", WRONG_DEFAULTS)
def test_a_default_that_is_refused_when_it_is_planned_is_left_to_the_reference_path(text: str) -> None:
    operation = read(text)
    compile_ahead(operation)
    with pytest.raises(Unusual, match="input"):
        find_compiled(operation, {})


def test_the_schema_s_text_beside_records_is_compiled_with_them() -> None:
    compiled, _ = find_compiled(read("{ _service { sdl } attendances { nodes { id } } }"), {})
    assert list(compiled.keys) == ["_service", "attendances"]
