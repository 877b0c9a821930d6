"""Which records to read by id, and which entities a gateway's representations refer to."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from app.errors import BadUserInput


class RecordsPlan(NamedTuple):
    """Records by id, in the requested order; an id may occur several times."""

    ids: Sequence[str]


class EntityGroup(NamedTuple):
    """The entities of one type: their keys in canonical form, and their ids as the caller wrote them."""

    keys: Sequence[str]
    texts: Sequence[str]


class EntitiesPlan(NamedTuple):
    """Entities in the order of their representations.

    `types` has the type name of each representation, None for a malformed one; `errors` has its error by position.
    `groups` has the entities of each type, in the same order.
    """

    types: Sequence[str | None]
    groups: Mapping[str, EntityGroup]
    errors: Mapping[int, BadUserInput]
