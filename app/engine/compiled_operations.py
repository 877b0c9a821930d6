"""The compiled forms of operations: one for each set of values of the variables that their conditions use."""

import sys
from contextlib import suppress
from itertools import product
from typing import Any, NamedTuple

from graphql import get_operation_ast

from app.bounded_cache import BoundedCache
from app.documents.errors import RequestRefused
from app.documents.operation import Operation
from app.engine.coercion import InputRefused
from app.engine.compiling import compile_operation
from app.engine.conditions import Booleans
from app.engine.fields import CompiledOperation
from app.engine.inputs import VariableReader, Variables, build_variable_readers, read_variables

MOST_FORMS_AHEAD = 32
BYTES_AN_OPERATION = 20_000
BYTES_OF_READERS = 2_000
OPEN_OPERATIONS = 64
REFUSED_OPERATIONS = 20
BYTES_AN_OPEN_OPERATION = 60_000


class PreparedOperation(NamedTuple):
    """How an operation's variables are read, and its only form, where no variable decides what it selects."""

    variables: tuple[VariableReader, ...]
    only_form: CompiledOperation | None


class CompiledOperations:
    """The forms that were used last, within a number of bytes for as many operations of average size.

    Operations that anybody may run have few places of their own, and do not push out those of callers.
    """

    def __init__(self, size: int) -> None:
        self._refused: BoundedCache[tuple[Any, ...], RequestRefused] = BoundedCache(REFUSED_OPERATIONS)
        few = min(size, OPEN_OPERATIONS)
        self._prepared: BoundedCache[Operation, PreparedOperation] = BoundedCache(size, size * BYTES_AN_OPERATION)
        self._forms: BoundedCache[tuple[Any, ...], CompiledOperation] = BoundedCache(size, size * BYTES_AN_OPERATION)
        self._open: BoundedCache[Operation, PreparedOperation] = BoundedCache(few, few * BYTES_AN_OPEN_OPERATION)
        self._open_forms: BoundedCache[tuple[Any, ...], CompiledOperation] = BoundedCache(
            few, few * BYTES_AN_OPEN_OPERATION
        )

    def prepare(self, operation: Operation, given: Variables) -> tuple[CompiledOperation, Variables]:
        """The form of an operation that these variables ask for, and the variables, coerced.

        Raises InputRefused, and RequestRefused for an operation that is too large to be compiled.
        """
        cache = self._prepared if operation.permissions else self._open
        prepared = cache.get(operation) or self._prepare(operation)
        inputs = read_variables(prepared.variables, given) if prepared.variables else given
        return prepared.only_form or self._find_form(operation, inputs), inputs

    def is_new(self, operation: Operation, given: Variables) -> bool:
        """Whether `prepare` would have to compile an operation."""
        needs_caller = bool(operation.permissions)
        prepared = (self._prepared if needs_caller else self._open).get(operation)
        if prepared is None or prepared.only_form is not None:
            return prepared is None
        key = operation, *[given.get(name) for name in operation.conditions]
        return key not in (self._forms if needs_caller else self._open_forms)

    def compile_ahead(self, operation: Operation) -> None:
        """Compile an operation before it is asked for, in all its forms, if those are few."""
        with suppress(RequestRefused):
            self._compile_all(operation)

    def _compile_all(self, operation: Operation) -> None:
        self._prepare(operation)
        names = operation.conditions
        if names and 2 ** len(names) <= MOST_FORMS_AHEAD:
            for values in product((True, False), repeat=len(names)):
                self._find_form(operation, dict(zip(names, values, strict=True)))

    def _prepare(self, operation: Operation) -> PreparedOperation:
        if not operation.conditions:
            self._check_size(operation, {})
        definition = get_operation_ast(operation.syntax.read(), operation.name)
        assert definition is not None
        readers = build_variable_readers(definition)
        form = None if operation.conditions else self._compile(operation, {})
        prepared = PreparedOperation(readers, form)
        weight = BYTES_OF_READERS + sys.getsizeof(operation.syntax.text) + (form.size if form else 0)
        (self._prepared if operation.permissions else self._open).put(operation, prepared, weight)
        return prepared

    def _find_form(self, operation: Operation, inputs: Variables) -> CompiledOperation:
        values: tuple[Any, ...] = tuple([inputs.get(name) for name in operation.conditions])
        cache = self._forms if operation.permissions else self._open_forms
        form = cache.get((operation, *values))
        if form is None:
            if not all(isinstance(value, bool) for value in values):
                raise InputRefused
            form = self._compile(operation, dict(zip(operation.conditions, values, strict=True)))
            cache.put((operation, *values), form, sys.getsizeof(operation.syntax.text) + form.size)
        return form

    def _compile(self, operation: Operation, booleans: Booleans) -> CompiledOperation:
        """Compile a form, unless it is known to be too large. Raises RequestRefused."""
        self._check_size(operation, booleans)
        try:
            return compile_operation(operation, booleans)
        except RequestRefused as refusal:
            self._refused.put((operation, *sorted(booleans.items())), RequestRefused(refusal.errors, refusal.limit))
            raise

    def _check_size(self, operation: Operation, booleans: Booleans) -> None:
        """Raise RequestRefused for a form that is known to be too large."""
        known = self._refused.get((operation, *sorted(booleans.items())))
        if known is not None:
            raise RequestRefused(known.errors, known.limit)
