"""JSON values of variables, coerced to plain ones by functions that are built once for their types.

They take what is usual; whatever else is given, right or wrong, is left to graphql-core, which knows how to say it.
Follows "Coercing Variable Values" of the GraphQL specification.
"""

from collections.abc import Callable, Mapping
from typing import Any

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

from app.schema.types import LARGEST_INTEGER

SMALLEST_INTEGER = -(2**31)
INPUT = "input"
ANY_SCALAR = "_Any"
MOST_COERCERS = 200

Coerce = Callable[[Any], Any]
Variables = Mapping[str, Any]

COERCERS: dict[str, Coerce] = {}
# What JSON gives that is a value of a type as it is.
PLAIN_TYPES = {"ID!": frozenset({str}), "_Any!": frozenset({dict})}


class Unusual(Exception):
    """What a compiled operation leaves to the reference path, which answers it or says what is wrong with it."""


def find_coercer(type_: GraphQLInputType) -> Coerce:
    """The function that coerces a JSON value to a type, or raises Unusual; made once for all types written alike."""
    name = str(type_)
    coerce = COERCERS.get(name)
    if coerce is None:
        if len(COERCERS) >= MOST_COERCERS:
            COERCERS.clear()
        coerce = COERCERS[name] = build_coercer(type_)
    return coerce


def build_coercer(type_: GraphQLInputType) -> Coerce:
    if is_non_null_type(type_):
        coerce_present = find_coercer(type_.of_type)
        return lambda value: refuse() if value is None else coerce_present(value)
    if is_list_type(type_):
        return build_list_coercer(type_.of_type)
    if isinstance(type_, GraphQLInputObjectType):
        return build_object_coercer(type_)
    return build_leaf_coercer(type_)


def build_list_coercer(item_type: GraphQLInputType) -> Coerce:
    """Of what needs no coercion, a list is taken as it is. What is no list stands for a list of it."""
    coerce_item, is_plain = find_coercer(item_type), PLAIN_TYPES.get(str(item_type), frozenset[type]()).issuperset

    def coerce(given: Any) -> Any:
        if given is None:
            return None
        if type(given) is not list:
            return [coerce_item(given)]
        return given if is_plain(map(type, given)) else [coerce_item(each) for each in given]

    return coerce


def build_object_coercer(type_: GraphQLInputObjectType) -> Coerce:
    coercers = {name: find_coercer(field.type) for name, field in type_.fields.items()}
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
        return lambda value: value if value is None or is_integer(value) else coerce_float_to_integer(value)
    if type_ is GraphQLBoolean:
        return lambda value: value if value is None or type(value) is bool else refuse()
    if isinstance(type_, GraphQLEnumType):
        names = frozenset(type_.values)
        return lambda value: value if value is None or (type(value) is str and value in names) else refuse()
    return (lambda value: value) if type_.name == ANY_SCALAR else lambda _: refuse()


def coerce_number_to_id(value: Any) -> Any:
    return str(value) if type(value) is int else refuse()


def coerce_float_to_integer(value: Any) -> Any:
    return int(value) if type(value) is float and value.is_integer() and is_integer(int(value)) else refuse()


def is_integer(value: Any) -> bool:
    return type(value) is int and SMALLEST_INTEGER <= value <= LARGEST_INTEGER


def refuse() -> Any:
    """Leave the input to the reference path, from within an expression."""
    raise Unusual(INPUT)
