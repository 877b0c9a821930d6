"""The schema, built once from its types."""

from datetime import datetime

import strawberry
from graphql import GraphQLField, GraphQLInputObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig

from app.schema.mutation import Mutation
from app.schema.permissions import METADATA_KEY, Permission
from app.schema.query import Query
from app.schema.scalars import DATE_TIME
from app.schema.selection import ResolveInfo

DEFINITION_KEY = "strawberry-definition"

STRAWBERRY_SCHEMA = strawberry.Schema(
    query=Query, mutation=Mutation, config=StrawberryConfig(info_class=ResolveInfo, scalar_map={datetime: DATE_TIME})
)


def enforce_one_of(schema: GraphQLSchema) -> GraphQLSchema:
    """The schema, with `@oneOf` known to graphql-core itself.

    Strawberry checks it when a value is coerced; graphql-core then validates literals too, and says where.
    """
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType) and type_.extensions[DEFINITION_KEY].is_one_of:
            type_.is_one_of = True
    return schema


SCHEMA = enforce_one_of(STRAWBERRY_SCHEMA._schema)  # noqa: SLF001 (Strawberry has no public name for it)


def print_schema() -> str:
    """The schema's definition language, as `schema.graphql` holds it."""
    return STRAWBERRY_SCHEMA.as_str() + "\n"


def permission_of(field: GraphQLField) -> Permission:
    """What a root field declared that it needs; a root field without a declaration is a fault of the schema."""
    permission = field.extensions[DEFINITION_KEY].metadata[METADATA_KEY]
    assert isinstance(permission, Permission)
    return permission
