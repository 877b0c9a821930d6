"""The schema, built once from its types, as a subgraph of Apollo Federation."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import strawberry
from graphql import (
    ConstDirectiveNode,
    GraphQLEnumType,
    GraphQLError,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLSchema,
    StringValueNode,
    Visitor,
    is_introspection_type,
    parse,
    print_ast,
    visit,
)
from graphql.language import REMOVE
from strawberry.schema.config import StrawberryConfig
from strawberry.types import get_object_definition

from app.schema.federation import define_directives
from app.schema.mutation import Mutation
from app.schema.permissions import METADATA_KEY, Permission
from app.schema.query import Query
from app.schema.scalars import DATE_TIME
from app.schema.subscription import Subscription
from app.schema.types import Booking, Session
from app.settings import DEFAULTS

DEFINITION_KEY = "strawberry-definition"
SCOPES_DIRECTIVE = "requiresScopes"


def hide_null_defaults(*types: type) -> None:
    """Remove the default null of arguments, which is only the default of the resolvers' parameters, from the schema."""
    for type_ in types:
        for field in get_object_definition(type_, strict=True).fields:
            for argument in field.arguments:
                if argument.default is None:
                    argument.default = strawberry.UNSET


hide_null_defaults(Query, Subscription, Booking, Session)

SUBGRAPH = strawberry.federation.Schema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    federation_version="2.5",
    config=StrawberryConfig(scalar_map={datetime: DATE_TIME}),
)


def enforce_one_of(schema: GraphQLSchema) -> GraphQLSchema:
    """The schema, with `@oneOf` known to graphql-core itself.

    Strawberry checks `@oneOf` only when it coerces a value. graphql-core validates literals too, and locates the error.
    """
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType) and type_.extensions[DEFINITION_KEY].is_one_of:
            type_.is_one_of = True
    return schema


def list_enum_values(schema: GraphQLSchema) -> GraphQLSchema:
    """The schema, whose enums list their values in the error of an unknown value, unless suggestions are off."""
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLEnumType) and not is_introspection_type(type_):
            for name in ("coerce_input_value", "coerce_input_literal"):
                setattr(type_, name, list_values_on_error(type_, getattr(type_, name)))
    return schema


def list_values_on_error(type_: GraphQLEnumType, coerce: Callable[[Any, bool], Any]) -> Callable[..., Any]:
    values = ", ".join(type_.values)

    def coerce_or_list_values(value: Any, hide_suggestions: bool = False) -> Any:  # noqa: FBT001, FBT002 (the library's own)
        try:
            return coerce(value, hide_suggestions)
        except GraphQLError as error:
            if not hide_suggestions:
                error.message += f" The values are {values}."
            raise

    return coerce_or_list_values


SCHEMA = list_enum_values(enforce_one_of(SUBGRAPH._schema))  # noqa: SLF001 (Strawberry has no public name for it)


def print_schema(*, scopes: bool = DEFAULTS["federation_scopes"]) -> str:
    """The schema's definition language, as `schema.graphql` holds it.

    With `scopes` it has `@requiresScopes`, for gateways that support it.
    """
    printed = SUBGRAPH.as_str() + "\n"
    if not scopes:
        printed = print_ast(visit(parse(printed), ScopesRemover())) + "\n"
    return define_directives(printed, scopes=scopes)


class ScopesRemover(Visitor):
    """Removes `@requiresScopes` from a document: where it is applied, and where it is imported."""

    def enter_directive(self, node: ConstDirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value == SCOPES_DIRECTIVE else None

    def enter_string_value(self, node: StringValueNode, *_: Any) -> Any:
        return REMOVE if node.value == f"@{SCOPES_DIRECTIVE}" else None


def permission_of(field: GraphQLField) -> Permission | None:
    """The permission that a root field declares; None for a public field. Raises KeyError for a field without one."""
    permission: Permission | None = field.extensions[DEFINITION_KEY].metadata[METADATA_KEY]
    return permission
