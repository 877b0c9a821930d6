"""JSON values of variables, coerced by functions that are built once for their types.

A function gives what a resolver takes: a plain value, or a part of a plan. It raises InputRefused for what GraphQL
does not allow, of which graphql-core then says why. Follows "Coercing Variable Values" and "Input Coercion" of the
GraphQL specification.
"""

from collections.abc import Callable, Mapping
from typing import Any

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLFloat,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInt,
    GraphQLString,
    is_list_type,
    is_non_null_type,
)
from graphql.pyutils import Undefined

from app.bounded_cache import BoundedCache
from app.engine.plain_items import build_plain_check
from app.errors import BadUserInput
from app.plan.filter import plan_filter, plan_perspective
from app.plan.properties import LARGEST_INTEGER, SMALLEST_INTEGER
from app.schema.arguments import COMPARISONS, FILTER_TYPE, PERSPECTIVE_TYPE, PERSPECTIVES

ANY_SCALAR = "_Any"
# What JSON raises where an input with exactly one known field is taken apart, and it is no such input.
WRONG_SHAPE = (AttributeError, KeyError, TypeError, ValueError)

Coerce = Callable[[Any], Any]

COERCERS: BoundedCache[str, Coerce] = BoundedCache(200, 200)


class InputRefused(Exception):
    """A value that GraphQL does not allow where it stands; graphql-core says why."""


class RefusedPart:
    """What stands for a part of a plan that cannot be planned: each field that it is given to ends in its error.

    The error has no traceback, for some are kept with a compiled operation.
    """

    __slots__ = ("error",)

    def __init__(self, error: BadUserInput) -> None:
        self.error = error.with_traceback(None)


def refuse() -> Any:
    """Raise InputRefused, from within an expression."""
    raise InputRefused


def find_coercer(type_: Any) -> Coerce:
    """The function that coerces a JSON value to a type; one for all types written alike."""
    name = str(type_)
    coerce = COERCERS.get(name)
    if coerce is None:
        coerce = build_coercer(type_)
        COERCERS.put(name, coerce)
    return coerce


def build_coercer(type_: Any) -> Coerce:
    if is_non_null_type(type_):
        coerce_present = build_coercer(type_.of_type)
        return lambda value: refuse() if value is None else coerce_present(value)
    if is_list_type(type_):
        return build_list_coercer(type_.of_type)
    if isinstance(type_, GraphQLInputObjectType):
        return build_input_coercer(type_)
    return build_leaf_coercer(type_)


def build_list_coercer(item_type: Any) -> Coerce:
    """A list of what needs no coercion is taken as it is. What is no list stands for a list of it."""
    coerce_item, are_plain = build_coercer(item_type), build_plain_check(item_type)

    def coerce(given: Any) -> Any:
        if given is None:
            return None
        if type(given) is not list:
            return [coerce_item(given)]
        return given if are_plain(given) else [coerce_item(each) for each in given]

    return coerce


def build_input_coercer(type_: GraphQLInputObjectType) -> Coerce:
    if type_.name == PERSPECTIVE_TYPE:
        return build_part_coercer(
            {
                (name,): build_perspective_planner(field.type, *PERSPECTIVES[name])
                for name, field in type_.fields.items()
            }
        )
    if type_.name == FILTER_TYPE:
        planners = {
            (name, operator): build_filter_planner(value.type, *COMPARISONS[name, operator])
            for name, comparison in type_.fields.items()
            for operator, value in comparison.type.fields.items()
        }
        return build_part_coercer(planners)
    return build_one_of_coercer(type_) if type_.is_one_of else build_object_coercer(type_)


def build_part_coercer(planners: Mapping[Any, Callable[[Any], Any]]) -> Coerce:
    """From an input, whose one field or whose one field's one field is given, to a part of a plan."""
    is_nested = len(next(iter(planners))) > 1

    def coerce(given: Any) -> Any:
        if given is None:
            return None
        try:
            ((name, value),) = given.items()
            if is_nested:
                ((inner, value),) = value.items()
                plan = planners[name, inner]
            else:
                plan = planners[name,]
        except WRONG_SHAPE:
            return refuse()
        try:
            return plan(value)
        except BadUserInput as error:
            return RefusedPart(error)

    return coerce


def build_perspective_planner(type_: Any, of: Any, argument: str) -> Callable[[Any], Any]:
    coerce = build_coercer(type_)
    return lambda value: plan_perspective(of, refuse() if value is None else coerce(value), argument)


def build_filter_planner(type_: Any, of: Any, operator: Any, argument: str) -> Callable[[Any], Any]:
    """From a value to a filter; those of the few values of an enum are planned at once."""
    coerce = build_coercer(type_)

    def plan(value: Any) -> Any:
        return plan_filter(of, operator, refuse() if value is None else coerce(value), argument)

    if not isinstance(type_, GraphQLEnumType):
        return plan
    filters = {name: plan(name) for name in type_.values}
    return lambda value: filters[value] if type(value) is str and value in filters else refuse()


def build_one_of_coercer(type_: GraphQLInputObjectType) -> Coerce:
    coercers = {name: build_coercer(field.type) for name, field in type_.fields.items()}

    def coerce(given: Any) -> Any:
        if given is None:
            return None
        if type(given) is not dict or len(given) != 1:
            return refuse()
        ((name, value),) = given.items()
        return refuse() if name not in coercers or value is None else {name: coercers[name](value)}

    return coerce


def build_object_coercer(type_: GraphQLInputObjectType) -> Coerce:
    """An object whose fields need no coercion is taken as it is."""
    fields = type_.fields
    coercers = {name: build_coercer(field.type) for name, field in fields.items()}
    needed = {
        name for name, field in fields.items() if is_non_null_type(field.type) and field.default_value is Undefined
    }

    def coerce(given: Any) -> Any:
        if given is None:
            return None
        if type(given) is not dict or not given.keys() >= needed:
            return refuse()
        try:
            return {name: coercers[name](value) for name, value in given.items()}
        except KeyError:
            return refuse()

    return coerce


def build_leaf_coercer(type_: Any) -> Coerce:
    if type_ is GraphQLID:
        return lambda value: value if value is None or type(value) is str else coerce_number_to_id(value)
    if type_ is GraphQLString:
        return lambda value: value if value is None or type(value) is str else refuse()
    if type_ is GraphQLInt:
        return lambda value: (
            value if type(value) is int and SMALLEST_INTEGER <= value <= LARGEST_INTEGER else coerce_odd_integer(value)
        )
    if type_ is GraphQLBoolean:
        return lambda value: value if value is None or type(value) is bool else refuse()
    if type_ is GraphQLFloat:
        return lambda value: value if value is None or type(value) is float else coerce_integer_to_float(value)
    if isinstance(type_, GraphQLEnumType):
        names = frozenset(type_.values)
        return lambda value: value if value is None or (type(value) is str and value in names) else refuse()
    return (lambda value: value) if type_.name == ANY_SCALAR else lambda _: refuse()


def coerce_number_to_id(value: Any) -> Any:
    """The exact digits of an integer. JSON gives those beyond 64 bits as floats, which have lost some."""
    return str(value) if type(value) is int else refuse()


def coerce_odd_integer(value: Any) -> Any:
    if value is None:
        return None
    is_whole = type(value) is float and value.is_integer() and SMALLEST_INTEGER <= value <= LARGEST_INTEGER
    return int(value) if is_whole else refuse()


def coerce_integer_to_float(value: Any) -> Any:
    return float(value) if type(value) is int else refuse()
