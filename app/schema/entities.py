"""Federated entities: all representations of a request are resolved together, each to its own result or error."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import strawberry
from strawberry.federation.schema import FederationAny

from app.errors import BadUserInput
from app.plan.properties import check_guid, check_session_id, find_guids
from app.plan.records import EntitiesPlan, EntityGroup
from app.schema.permissions import METADATA_KEY, Permission
from app.schema.sources import SOURCE_KEY, Part, Value, sourced
from app.schema.types import Attendance, Booking, Session

MOST_REPRESENTATIONS = 1000
ARGUMENT = "representations"
TYPE_NAMES = ATTENDANCE, BOOKING, SESSION = ("Attendance", "Booking", "Session")
GUID_TYPES = (ATTENDANCE, BOOKING)
NO_ERRORS: Mapping[int, BadUserInput] = {}

AnyEntity = Annotated[Attendance | Booking | Session, strawberry.union("_Entity")]


@strawberry.type(name="_Service", description="What a gateway asks of a subgraph before anything else.")
class SubgraphService:
    sdl: str = sourced(Value("sdl"), "The subgraph's schema.")


def plan_entities(root: None, representations: list[FederationAny]) -> Any:  # noqa: ARG001
    """The entities of the representations, in their order, with an error for each malformed one.

    Bookings and sessions belong to other subgraphs, so any well-formed id resolves to a reference.
    Follows "Resolving entities" of the Apollo Federation subgraph specification.
    Raises BadUserInput for more than 1,000 representations.
    """
    given: Sequence[Any] = representations
    if len(given) > MOST_REPRESENTATIONS:
        raise BadUserInput(
            f"`{ARGUMENT}` takes at most {MOST_REPRESENTATIONS} items; {len(given)} were given.", argument=ARGUMENT
        )
    return plan_same_type(given) or plan_each(given)


def plan_same_type(given: Sequence[Any]) -> EntitiesPlan | None:
    """The plan for well-formed representations that are all of bookings, or all of records; None for any others."""
    try:
        types = [each["__typename"] for each in given]
        texts = [each["id"] for each in given]
    except (KeyError, TypeError):
        return None
    keys = find_guids(texts)
    if keys is None or types[0] not in GUID_TYPES or types.count(types[0]) < len(types):
        return None
    return EntitiesPlan(types, {types[0]: EntityGroup(keys, texts)}, NO_ERRORS)


def plan_each(given: Sequence[Any]) -> EntitiesPlan:
    """The plan for representations of any types, each checked by itself."""
    groups: dict[str, tuple[list[str], list[str]]] = {}
    types: list[str | None] = []
    errors: dict[int, BadUserInput] = {}
    for position, each in enumerate(given):
        try:
            type_name, key, text = read_reference(each, f"{ARGUMENT}.{position}")
        except BadUserInput as malformed:
            errors[position] = malformed
            types.append(None)
            continue
        keys, texts = groups.setdefault(type_name, ([], []))
        keys.append(key)
        texts.append(text)
        types.append(type_name)
    return EntitiesPlan(types, {name: EntityGroup(*group) for name, group in groups.items()}, errors)


def read_reference(representation: object, argument: str) -> tuple[str, str, str]:
    """The name of an entity's type, its key in canonical form, and its id as the caller wrote it.

    Raises BadUserInput for a malformed representation.
    """
    given = representation if isinstance(representation, dict) else {}
    type_name, key = given.get("__typename"), given.get("id")
    if type_name not in TYPE_NAMES:
        known = ", ".join(TYPE_NAMES)
        raise BadUserInput(
            f"A representation has one of {known} as its `__typename`.", argument=f"{argument}.__typename"
        )
    if type(key) is int:
        key = str(key)
    if not isinstance(key, str):
        raise BadUserInput(f"A representation of {type_name} has a string as its `id`.", argument=f"{argument}.id")
    check = check_session_id if type_name == SESSION else check_guid
    return type_name, check(key, f"{argument}.id"), key


@strawberry.type
class SubgraphQuery:
    """The root fields of a subgraph. Its schema is public; its entities need the permission to read."""

    service: SubgraphService = strawberry.field(
        name="_service",
        metadata={METADATA_KEY: None, SOURCE_KEY: Part()},
        description="The subgraph itself.",
    )
    entities: list[AnyEntity | None] = strawberry.field(
        name="_entities",
        resolver=plan_entities,
        graphql_type=list[AnyEntity | None],
        metadata={METADATA_KEY: Permission.READ},
        description="The entities of other subgraphs' references, in their order.",
    )
