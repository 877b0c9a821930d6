"""The schema, built once from its types, as a subgraph of Apollo Federation."""

from datetime import datetime
from functools import lru_cache
from typing import Any

import strawberry
from graphql import (
    ConstDirectiveNode,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLSchema,
    StringValueNode,
    Visitor,
    parse,
    print_ast,
    visit,
)
from graphql.language import REMOVE
from strawberry.schema.config import StrawberryConfig
from strawberry.schema.name_converter import NameConverter
from strawberry.utils.str_converters import to_camel_case

from app.schema.mutation import Mutation
from app.schema.permissions import METADATA_KEY, Permission
from app.schema.query import Query
from app.schema.scalars import DATE_TIME
from app.schema.selection import ResolveInfo

DEFINITION_KEY = "strawberry-definition"
SCOPES_DIRECTIVE = "requiresScopes"


class RememberedNames(NameConverter):
    """Names as Strawberry makes them, which it asks for at each argument of each field that is resolved."""

    apply_naming_config = staticmethod(lru_cache(to_camel_case))


SUBGRAPH = strawberry.federation.Schema(
    query=Query,
    mutation=Mutation,
    federation_version="2.5",
    config=StrawberryConfig(name_converter=RememberedNames(), info_class=ResolveInfo, scalar_map={datetime: DATE_TIME}),
)


def enforce_one_of(schema: GraphQLSchema) -> GraphQLSchema:
    """The schema, with `@oneOf` known to graphql-core itself.

    Strawberry checks it when a value is coerced; graphql-core then validates literals too, and says where.
    """
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType) and type_.extensions[DEFINITION_KEY].is_one_of:
            type_.is_one_of = True
    return schema


SCHEMA = enforce_one_of(SUBGRAPH._schema)  # noqa: SLF001 (Strawberry has no public name for it)


def print_schema(*, scopes: bool = True) -> str:
    """The schema's definition language, as `schema.graphql` holds it.

    Without `scopes` it lacks `@requiresScopes`, for gateways that don't know it.
    """
    printed = SUBGRAPH.as_str() + "\n"
    return printed if scopes else print_ast(visit(parse(printed), ScopesRemover())) + "\n"


class ScopesRemover(Visitor):
    """Takes `@requiresScopes` out of a document: where it is applied, and where it is imported."""

    def enter_directive(self, node: ConstDirectiveNode, *_: Any) -> Any:
        return REMOVE if node.name.value == SCOPES_DIRECTIVE else None

    def enter_string_value(self, node: StringValueNode, *_: Any) -> Any:
        return REMOVE if node.value == f"@{SCOPES_DIRECTIVE}" else None


def permission_of(field: GraphQLField) -> Permission | None:
    """What a root field declared that it needs, None for nothing; one must declare it."""
    permission: Permission | None = field.extensions[DEFINITION_KEY].metadata[METADATA_KEY]
    return permission
