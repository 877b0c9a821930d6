"""The compiled forms of an operation: one for each set of values that the variables in its conditions can have."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    VariableNode,
    get_operation_ast,
)

from app.errors import BadUserInput, CursorInvalid, CursorMismatch
from app.operations.arguments import VariableReader, build_variable_readers, read_variables
from app.operations.coercing import INPUT, Unusual, Variables
from app.operations.compiling import MOST_SOURCE, CompiledOperation, compile_operation
from app.operations.fragments import find_fragments
from app.operations.operation import Operation

MOST_VARIANTS = 32
MOST_SOURCE_OF_ALL = 2 * MOST_SOURCE
PREPARATION = "preparation"
INPUT_ERRORS = (BadUserInput, CursorInvalid, CursorMismatch)
TOO_MANY, FAULT = "too many forms", "fault"

logger = logging.getLogger("attendance.operations")


@dataclass(frozen=True, slots=True)
class Preparation:
    """What is the same for all forms of an operation: its variables, and those that its conditions use."""

    variables: tuple[VariableReader, ...]
    conditions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Uncompiled:
    """Why a form of an operation is left to the reference path."""

    reason: str


def find_compiled(operation: Operation, given: Variables) -> tuple[CompiledOperation, Variables]:
    """The compiled form of an operation for these variables, and the variables, coerced.

    Raises Unusual, with the reason, for whatever is left to the reference path.
    """
    preparation = operation.compiled.get(PREPARATION)
    if preparation is None:
        preparation = operation.compiled[PREPARATION] = prepare(operation)
    if isinstance(preparation, Uncompiled):
        raise Unusual(preparation.reason)
    variables = read_variables(preparation.variables, given)
    names = preparation.conditions
    values = tuple([variables.get(name) for name in names]) if names else ()
    found = operation.compiled.get(values)
    if found is None:
        found = keep_variant(operation, preparation, values)
    if isinstance(found, Uncompiled):
        raise Unusual(found.reason)
    return found, variables


def compile_ahead(operation: Operation) -> None:
    """Compile an operation before it is asked for, in all forms that its conditions can give it, if those are few."""
    preparation = operation.compiled.setdefault(PREPARATION, prepare(operation))
    if isinstance(preparation, Preparation) and 2 ** len(preparation.conditions) <= MOST_VARIANTS:
        for values in product((True, False), repeat=len(preparation.conditions)):
            keep_variant(operation, preparation, values)


def prepare(operation: Operation) -> Preparation | Uncompiled:
    """What all forms of an operation share, or why it has none."""
    if operation.is_mutation:
        return Uncompiled("mutation")
    document = operation.syntax.read()
    definition = get_operation_ast(document, operation.name)
    assert definition is not None
    try:
        readers = build_variable_readers(definition, operation.most_in_values)
        return Preparation(readers, tuple(find_conditions(document, definition)))
    except Unusual as unusual:
        return Uncompiled(str(unusual))
    except INPUT_ERRORS:  # of a variable's default
        return Uncompiled(INPUT)


def keep_variant(
    operation: Operation, preparation: Preparation, values: tuple[Any, ...]
) -> CompiledOperation | Uncompiled:
    """Compile one form. An operation has so many of them, the first that are asked for."""
    if not all(isinstance(value, bool) for value in values):
        return Uncompiled(INPUT)
    if len(operation.compiled) > MOST_VARIANTS:
        return Uncompiled(TOO_MANY)
    variant = try_to_compile(operation, dict(zip(preparation.conditions, values, strict=True)))
    operation.compiled[values] = variant
    return variant


def try_to_compile(operation: Operation, booleans: dict[str, bool]) -> CompiledOperation | Uncompiled:
    """One form, within what the forms of an operation may take together; its document is let go."""
    try:
        compiled = compile_operation(operation, booleans)
    except Unusual as unusual:
        return Uncompiled(str(unusual))
    except INPUT_ERRORS:
        return Uncompiled(INPUT)
    except Exception as fault:
        logger.error("an operation cannot be compiled; the reference path runs it", exc_info=fault)
        return Uncompiled(FAULT)
    forms = [form for form in operation.compiled.values() if isinstance(form, CompiledOperation)]
    if sum(form.size for form in forms) + compiled.size > MOST_SOURCE_OF_ALL:
        return Uncompiled(TOO_MANY)
    operation.syntax.let_go()
    return compiled


def find_conditions(document: DocumentNode, definition: OperationDefinitionNode) -> list[str]:
    """The variables that `@skip` and `@include` use in an operation and its fragments."""
    return sorted(set(walk_conditions(definition.selection_set, find_fragments(document), set())))


def walk_conditions(
    selections: SelectionSetNode | None, fragments: dict[str, FragmentDefinitionNode], visited: set[str]
) -> Iterator[str]:
    for selection in selections.selections if selections else ():
        for directive in selection.directives or ():
            for argument in directive.arguments or ():
                if isinstance(argument.value, VariableNode):
                    yield argument.value.name.value
        if isinstance(selection, FieldNode | InlineFragmentNode):
            yield from walk_conditions(selection.selection_set, fragments, visited)
        elif isinstance(selection, FragmentSpreadNode) and selection.name.value not in visited:
            visited.add(selection.name.value)
            yield from walk_conditions(fragments[selection.name.value].selection_set, fragments, visited)
