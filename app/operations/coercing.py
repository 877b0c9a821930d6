"""JSON values of variables, coerced by functions that are built once for their types: to plain values, or to parts of a
plan where the type says which.

They take what is usual; whatever else is given, right or wrong, is left to graphql-core, which knows how to say it.
Follows "Coercing Variable Values" of the GraphQL specification.
"""

from collections.abc import Callable, Mapping
from typing import Any, cast

from graphql import (
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInputObjectType,
    GraphQLInputType,
    GraphQLInt,
    GraphQLString,
    is_list_type,
    is_non_null_type,
)
from graphql.pyutils import Undefined

from app.plan.filter import Filter, Operator, Perspective, plan_filter, plan_perspective
from app.plan.order import Order
from app.plan.properties import Property
from app.schema.arguments import COMPARISONS, FILTER_TYPE, ORDER_TYPE, PERSPECTIVE_TYPE, PERSPECTIVES, read_order
from app.schema.types import LARGEST_INTEGER

SMALLEST_INTEGER = -(2**31)
INPUT = "input"
ANY_SCALAR = "_Any"
MOST_COERCERS = 200
# What JSON raises where an input with exactly one known field is taken apart, and it is no such input.
WRONG_SHAPE = (AttributeError, KeyError, TypeError, ValueError)

Coerce = Callable[[Any], Any]
Variables = Mapping[str, Any]

COERCERS: dict[tuple[str, int], Coerce] = {}
# What JSON gives that is a value of a type as it is.
PLAIN_TYPES = {"ID!": frozenset({str}), "_Any!": frozenset({dict})}


class Unusual(Exception):
    """What a compiled operation leaves to the reference path, which answers it or says what is wrong with it."""


def find_coercer(type_: GraphQLInputType, most_in_values: int) -> Coerce:
    """The function that coerces a JSON value to a type; made once for all types written alike.

    It raises Unusual, and what bad input raises where its type is a part of a plan.
    """
    key = str(type_), most_in_values
    coerce = COERCERS.get(key)
    if coerce is None:
        if len(COERCERS) >= MOST_COERCERS:
            COERCERS.clear()
        coerce = COERCERS[key] = build_part_coercer(type_, most_in_values)
    return coerce


def build_part_coercer(type_: Any, most_in_values: int) -> Coerce:
    """The coercer of a variable: to a part of a plan where its type, be it non-null or not, is one."""
    if is_non_null_type(type_):
        coerce_present = find_coercer(type_.of_type, most_in_values)
        return lambda value: refuse() if value is None else coerce_present(value)
    name = str(type_)
    if name == PERSPECTIVE_TYPE:
        return build_perspective_coercer(type_)
    if name == FILTER_TYPE:
        return build_filter_coercer(type_, most_in_values)
    return coerce_order if name == ORDER_TYPE else build_coercer(type_)


def build_perspective_coercer(type_: GraphQLInputObjectType) -> Coerce:
    """From an id to a perspective, as `build_filter_coercer` goes from a comparison to a filter."""
    planners = {name: build_perspective_planner(*PERSPECTIVES[name]) for name in type_.fields}

    def coerce(given: Any) -> Perspective | None:
        if given is None:
            return None
        try:
            ((name, value),) = given.items()
            plan = planners[name]
        except WRONG_SHAPE:
            return cast(Perspective, refuse())
        return plan(value)

    return coerce


def build_perspective_planner(of: Property, argument: str) -> Callable[[Any], Perspective]:
    return lambda value: plan_perspective(of, value if type(value) is str else coerce_number_to_id(value), argument)


def build_filter_coercer(type_: GraphQLInputObjectType, most_in_values: int) -> Coerce:
    """The one property and the one operator that are given are looked up at once."""
    planners = {
        (name, operator): build_filter_planner(value.type, *COMPARISONS[name, operator], most_in_values)
        for name, comparison in type_.fields.items()
        for operator, value in comparison.type.fields.items()
    }

    def coerce(given: Any) -> Filter | None:
        if given is None:
            return None
        try:
            ((name, comparison),) = given.items()
            ((operator, value),) = comparison.items()
            plan = planners[name, operator]
        except WRONG_SHAPE:
            return cast(Filter, refuse())
        return plan(value)

    return coerce


def build_filter_planner(
    type_: GraphQLInputType, of: Property, operator: Operator, argument: str, most_in_values: int
) -> Callable[[Any], Filter | None]:
    """From a value to a filter; those of the few values of an enum are planned at once."""
    coerce = build_coercer(type_)

    def plan(value: Any) -> Filter | None:
        return plan_filter(of, operator, refuse() if value is None else coerce(value), argument, most_in_values)

    if not isinstance(type_, GraphQLEnumType):
        return plan
    filters = {name: plan(name) for name in type_.values}
    return lambda value: filters[value] if type(value) is str and value in filters else refuse()


def coerce_order(given: Any) -> Order | None:
    if given is None:
        return None
    try:
        return read_order(given if type(given) is list else [given])
    except WRONG_SHAPE:
        return cast(Order, refuse())


def build_coercer(type_: GraphQLInputType) -> Coerce:
    if is_non_null_type(type_):
        coerce_present = build_coercer(type_.of_type)
        return lambda value: refuse() if value is None else coerce_present(value)
    if is_list_type(type_):
        return build_list_coercer(type_.of_type)
    if isinstance(type_, GraphQLInputObjectType):
        return build_object_coercer(type_)
    return build_leaf_coercer(type_)


def build_list_coercer(item_type: GraphQLInputType) -> Coerce:
    """Of what needs no coercion, a list is taken as it is. What is no list stands for a list of it."""
    coerce_item, is_plain = build_coercer(item_type), PLAIN_TYPES.get(str(item_type), frozenset[type]()).issuperset

    def coerce(given: Any) -> Any:
        if given is None:
            return None
        if type(given) is not list:
            return [coerce_item(given)]
        return given if is_plain(map(type, given)) else [coerce_item(each) for each in given]

    return coerce


def build_object_coercer(type_: GraphQLInputObjectType) -> Coerce:
    coercers = {name: build_coercer(field.type) for name, field in type_.fields.items()}
    defaults = {name: field.default_value for name, field in type_.fields.items()}
    needed = {
        name for name, field in type_.fields.items() if is_non_null_type(field.type) or defaults[name] is not Undefined
    }

    def coerce_one(given: Any) -> Any:
        if given is None:
            return None
        if type(given) is not dict or len(given) != 1:
            return refuse()
        ((name, value),) = given.items()
        return refuse() if name not in coercers or value is None else {name: coercers[name](value)}

    def coerce(given: Any) -> Any:
        if given is None:
            return None
        if type(given) is not dict or not given.keys() >= needed:
            return refuse()
        return {name: coercers[name](value) if name in coercers else refuse() for name, value in given.items()}

    return coerce_one if type_.is_one_of else coerce


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
    if isinstance(type_, GraphQLEnumType):
        names = frozenset(type_.values)
        return lambda value: value if value is None or (type(value) is str and value in names) else refuse()
    return (lambda value: value) if type_.name == ANY_SCALAR else lambda _: refuse()


def coerce_number_to_id(value: Any) -> Any:
    return str(value) if type(value) is int else refuse()


def coerce_odd_integer(value: Any) -> Any:
    if value is None:
        return None
    is_whole = type(value) is float and value.is_integer() and SMALLEST_INTEGER <= value <= LARGEST_INTEGER
    return int(value) if is_whole else refuse()


def refuse() -> Any:
    """Leave the input to the reference path, from within an expression."""
    raise Unusual(INPUT)
