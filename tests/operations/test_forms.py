"""The forms of an operation: one for each set of values that its conditions can have, all of them compiled."""

from itertools import product

import pytest

from app.documents.documents import Documents
from app.documents.limits import Limits
from app.documents.operation import Operation
from app.engine.coercion import InputRefused
from app.engine.compiled_operations import CompiledOperations
from app.engine.writers import CONNECTIONS

CONDITIONS = "abcdef"
SUMMARIES = " ".join(f"a{n}: attendances {{ summary {{ total attended }} }}" for n in range(30))


def read(text: str) -> Operation:
    return Documents(size=1, limits=Limits(), introspection=False).find(text, None)


def test_an_operation_with_six_conditions_is_compiled_in_all_its_forms() -> None:
    declared = ", ".join(f"${name}: Boolean!" for name in CONDITIONS)
    fields = " ".join(f"{name}: bookingId @include(if: ${name})" for name in CONDITIONS)
    operation, compiled = (
        read(f"query({declared}) {{ attendances {{ nodes {{ id {fields} }} }} }}"),
        CompiledOperations(100),
    )
    sources = set()
    for values in product((True, False), repeat=len(CONDITIONS)):
        form, inputs = compiled.prepare(operation, dict(zip(CONDITIONS, values, strict=True)))
        assert form.source.count("str(row[1])") == sum(values)
        assert tuple(inputs.values()) == values
        sources.add(form.source)
    assert len(sources) == 64


def test_a_form_is_compiled_once() -> None:
    operation = read("query($a: Boolean!) { attendances { nodes { id bookingId @include(if: $a) } } }")
    compiled = CompiledOperations(100)
    first, again = [compiled.prepare(operation, {"a": True})[0] for _ in range(2)]
    assert first is again
    assert compiled.prepare(operation, {"a": False})[0] is not first


def test_a_condition_that_is_null_is_refused() -> None:
    operation = read("query($a: Boolean = true) { attendances { nodes { id @include(if: $a) } } }")
    with pytest.raises(InputRefused):
        CompiledOperations(1).prepare(operation, {"a": None})


def test_fields_that_select_alike_share_a_writer() -> None:
    operation = read(f"{{ attendances {{ nodes {{ booking {{ {SUMMARIES} }} }} }} }}")
    form, _ = CompiledOperations(1).prepare(operation, {})
    assert form.source.count("def ") == 2


def test_only_what_is_selected_is_written() -> None:
    form, _ = CompiledOperations(1).prepare(read("{ attendances { nodes { status } } }"), {})
    assert "# A row is: status." in form.source
    assert "cursor" not in form.source.replace(CONNECTIONS, "")
