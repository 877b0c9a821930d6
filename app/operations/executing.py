"""graphql-core's executor, with a short way through values that need no resolving.

Most of a response is plain: attributes of objects that are there already. A plain selection is turned into one function
from the object to its part of the response, once an operation; what has arguments or awaits goes the usual way. Where
the short way fails, the usual way is taken for the same value, and tells where the error lies.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from operator import attrgetter
from typing import Any

from graphql import (
    FieldNode,
    GraphQLEnumType,
    GraphQLField,
    GraphQLID,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLResolveInfo,
    GraphQLString,
    is_leaf_type,
    is_list_type,
    is_non_null_type,
    is_object_type,
    located_error,
)
from graphql.execution import Executor
from graphql.execution.collect_fields import FieldDetailsList
from graphql.pyutils import Path

from app.errors import BadUserInput, CursorMalformed, OperationTooComplex
from app.schema.schema import DEFINITION_KEY

Write = Callable[[Any], Any]

TYPENAME = "__typename"
MOST_ERRORS = 1000


class NullInTheWay(Exception):
    """A null where the schema has none; the usual way finds it again and reports it."""


def too_many_errors() -> OperationTooComplex:
    return OperationTooComplex(f"More than {MOST_ERRORS} fields have failed; this was the last one.", limit="errors")


class ProjectingExecutor(Executor[Any]):
    """Executes an operation as graphql-core does, plain selections by a function each.

    A field whose arguments are refused for one object is refused for all others without a look at them.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._refused: dict[int, tuple[FieldDetailsList, GraphQLOutputType, Exception]] = {}
        self._projections: dict[tuple[GraphQLObjectType, int], tuple[FieldDetailsList, Write | None]] = {}

    def execute_field(
        self,
        parent_type: GraphQLObjectType,
        source: Any,
        field_details_list: FieldDetailsList,
        path: Path,
        position_context: Any,
    ) -> Any:
        refused = self._refused.get(id(field_details_list))
        if refused is None:
            return super().execute_field(parent_type, source, field_details_list, path, position_context)
        _, return_type, refusal = refused
        self.handle_field_error(refusal, return_type, field_details_list, path)
        return None

    def complete_object_value(
        self,
        return_type: GraphQLObjectType,
        field_details_list: FieldDetailsList,
        info: GraphQLResolveInfo[Any],
        path: Path,
        result: Any,
        position_context: Any,
    ) -> Any:
        project = self.find_projection(return_type, field_details_list)
        if project is not None:
            try:
                return project(result)
            except Exception:  # noqa: S110 (whatever it is, it happens again below, where it is reported)
                pass
        return super().complete_object_value(return_type, field_details_list, info, path, result, position_context)

    def handle_field_error(
        self,
        raw_error: Exception,
        return_type: GraphQLOutputType,
        field_details_list: FieldDetailsList,
        path: Path,
    ) -> None:
        """Locate the error at the field's first selection: to find the lines of many takes long, an error at a time.

        A response that has very many errors ends in one more, which leaves nothing of its data.
        """
        if is_of_arguments(raw_error, field_details_list[0].node):
            self._refused[id(field_details_list)] = field_details_list, return_type, raw_error
        if len(self.collected_errors.errors) < MOST_ERRORS:
            super().handle_field_error(raw_error, return_type, field_details_list[:1], path)
        else:
            raise located_error(too_many_errors(), [details.node for details in field_details_list[:1]], path.as_list())

    def settle_in_background(self, awaitables: list[Awaitable[Any]]) -> None:
        """Stop what has begun beside a field that has failed, instead of reading on for nobody."""
        begun = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
        asyncio.get_running_loop().call_soon(cancel_all, begun)
        super().settle_in_background(list[Awaitable[Any]](begun))

    def find_projection(self, type_: GraphQLObjectType, field_details_list: FieldDetailsList) -> Write | None:
        """The function for a selection on a type; None when the selection is not plain."""
        key = (type_, id(field_details_list))
        found = self._projections.get(key)
        if found is None:
            found = (field_details_list, self.build_projection(type_, field_details_list))
            self._projections[key] = found
        return found[1]

    def build_projection(self, type_: GraphQLObjectType, field_details_list: FieldDetailsList) -> Write | None:
        writers: list[tuple[str, Write]] = []
        for name, details in self.collect_subfields(type_, field_details_list).grouped_field_set.items():
            writer = self.build_field_writer(type_, details)
            if writer is None:
                return None
            writers.append((name, writer))
        return lambda source: {name: write(source) for name, write in writers}

    def build_field_writer(self, type_: GraphQLObjectType, details: FieldDetailsList) -> Write | None:
        """From an object to the value of one field; None when the field is not plain."""
        field_name = details[0].node.name.value
        if field_name == TYPENAME:
            return lambda _: type_.name
        field = type_.fields[field_name]
        get = find_getter(field)
        write = None if get is None else self.build_writer(field.type, details)
        return None if get is None or write is None else lambda source: write(get(source))

    def build_writer(self, type_: GraphQLOutputType, details: FieldDetailsList) -> Write | None:
        """From a field's value to what the response has of it; None when there is more to resolve below it.

        Where null is not allowed, a writer fails on it.
        """
        if is_non_null_type(type_):
            return self.build_strict_writer(type_.of_type, details)
        strict = self.build_strict_writer(type_, details)
        return None if strict is None else lambda value: None if value is None else strict(value)

    def build_strict_writer(self, type_: GraphQLOutputType, details: FieldDetailsList) -> Write | None:
        if is_leaf_type(type_):
            return find_leaf_writer(type_)
        if is_object_type(type_):
            return self.find_projection(type_, details)
        item = self.build_writer(type_.of_type, details) if is_list_type(type_) else None
        return None if item is None else lambda values: [item(value) for value in values]


def is_of_arguments(error: Exception, node: FieldNode) -> bool:
    """Whether an error is about a field's arguments, whichever object the field is of.

    A cursor of one object's connection is none of another's: what is said of `before` may be said of `after` there.
    """
    given = {argument.name.value for argument in node.arguments or ()}
    if isinstance(error, CursorMalformed):
        return error.argument == "after" or "after" not in given
    return isinstance(error, BadUserInput) and bool(given)


def cancel_all(futures: Iterable["asyncio.Future[Any]"]) -> None:
    """Cancel what has had its first turn; before it, a coroutine leaves those behind that it has not awaited yet."""
    for future in futures:
        future.cancel()


def find_getter(field: GraphQLField) -> Write | None:
    """How to get a field's value from its object at once; None for a field that has arguments or awaits."""
    definition = field.extensions.get(DEFINITION_KEY)
    if definition is None or definition.arguments or definition.is_async:
        return None
    if definition.base_resolver is None:
        return attrgetter(definition.python_name)
    takes_more_than_its_object = definition.base_resolver.info_parameter is not None
    return None if takes_more_than_its_object else definition.base_resolver.wrapped_func


def find_leaf_writer(type_: Any) -> Write:
    """How a leaf that is not null is written; texts and enum values are what they are."""
    if type_ in (GraphQLID, GraphQLString):
        return lambda value: value if type(value) is str else coerce_leaf(type_, value)
    if isinstance(type_, GraphQLEnumType):
        names = {each.value: name for name, each in type_.values.items()}
        return lambda value: names[value] if type(value) is str else coerce_leaf(type_, value)
    return lambda value: coerce_leaf(type_, value)


def coerce_leaf(type_: Any, value: Any) -> Any:
    if value is None:
        raise NullInTheWay
    return type_.coerce_output_value(value)
