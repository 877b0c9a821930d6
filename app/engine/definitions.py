"""What the definition of a field says of the objects that it gives."""

from typing import Any

from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_abstract_type

from app.engine.fields import RECORD
from app.plan.properties import Property
from app.schema.schema import DEFINITION_KEY


def get_object_type(definition: GraphQLField) -> Any:
    return get_named_type(definition.type)


def gives_records(definition: GraphQLField) -> bool:
    """Whether a root field gives objects by their keys: records, or references to what other subgraphs have."""
    named: Any = get_named_type(definition.type)
    return is_abstract_type(named) or named.name == RECORD


def find_key_property(type_: GraphQLObjectType) -> Property | None:
    """The property of records that is the key of a type's objects; None for records themselves."""
    return getattr(type_.extensions[DEFINITION_KEY].origin, "property", None)
