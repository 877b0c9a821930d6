"""Entities as a gateway asks for them: by representations, in one variable."""

from collections.abc import Iterable
from typing import Any

from tests.support.service import GraphQLClient

Representation = dict[str, Any]


def represent(type_name: str, keys: Iterable[object]) -> list[Representation]:
    """A representation of the type for each key."""
    return [{"__typename": type_name, "id": str(key)} for key in keys]


def write_query(selection: str, declarations: str = "") -> str:
    """The query that a gateway sends; `declarations` are those of the variables in the selection."""
    return (
        f"query($representations: [_Any!]!{declarations and ', '}{declarations}) "
        f"{{ _entities(representations: $representations) {{ {selection} }} }}"
    )


async def fetch_entities(
    client: GraphQLClient, selection: str, representations: Iterable[object], declarations: str = "", **variables: Any
) -> list[Any]:
    """The entities of an answer without errors."""
    query = write_query(selection, declarations)
    entities: list[Any] = (await client.data(query, representations=list(representations), **variables))["_entities"]
    return entities
