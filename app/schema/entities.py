"""Federated entities: representations of any number are resolved together, each to its own result or error."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple

import strawberry
from strawberry.federation.schema import FederationAny

from app.errors import BadUserInput
from app.plan.properties import check_guid, find_guids, parse_text
from app.plan.write import LONGEST_SESSION_ID
from app.schema.permissions import METADATA_KEY, Permission
from app.schema.selection import ResolveInfo, select_columns, selections_of
from app.schema.types import Attendance, Booking, Session, build_attendance

MOST_REPRESENTATIONS = 1000
ARGUMENT = "representations"
TYPE_ARGUMENT = f"{ARGUMENT}.__typename"
KEY_ARGUMENT = f"{ARGUMENT}.id"
TYPE_NAMES = ATTENDANCE, BOOKING, SESSION = ("Attendance", "Booking", "Session")

GUID_TYPES = frozenset({ATTENDANCE, BOOKING})

AnyEntity = Annotated[Attendance | Booking | Session, strawberry.union("_Entity")]


class References(NamedTuple):
    """The entities that representations refer to: the names of their types, in the order of the representations.

    `groups` has for each type, in the same order, the keys as this service writes them and the texts that were given.
    """

    names: Sequence[str]
    groups: Mapping[str, tuple[Sequence[str], Sequence[str]]]


@strawberry.type(name="_Service", description="What a gateway asks of a subgraph before anything else.")
class SubgraphService:
    sdl: str = strawberry.field(description="The subgraph's schema.")


def describe_service(info: ResolveInfo) -> SubgraphService:
    """The subgraph's schema, as this process was told to show it."""
    return SubgraphService(sdl=info.root_value)


async def resolve_entities(info: ResolveInfo, representations: list[FederationAny]) -> list[AnyEntity | None]:
    """The entities of the representations, in their order, with an error in the place of each that is malformed.

    Bookings and sessions belong to other subgraphs: any well-formed id has a stub. Records are read by one statement.
    Follows "Resolving entities" of the Apollo Federation subgraph specification.
    Raises BadUserInput for more than 1,000 representations.
    """
    check_count(representations)
    stubs = [build_stub(representation) for representation in representations]
    records = await load_attendances(info, [each for each in stubs if isinstance(each, str)])
    entities: list[Any] = [records[each] if isinstance(each, str) else each for each in stubs]
    return entities


def check_count(representations: Sequence[object]) -> None:
    """Raise BadUserInput for more than 1,000 representations."""
    if len(representations) > MOST_REPRESENTATIONS:
        raise BadUserInput(
            f"`{ARGUMENT}` takes at most {MOST_REPRESENTATIONS} items; {len(representations)} were given.",
            argument=ARGUMENT,
        )


def build_stub(representation: object) -> Booking | Session | str | BadUserInput:
    """What a representation stands for: a stub, the id of a record, or the error of a malformed one."""
    try:
        of, key, text = read_reference(representation)
    except BadUserInput as malformed:
        return malformed
    if of == ATTENDANCE:
        return key
    return (Booking if of == BOOKING else Session)(id=strawberry.ID(text))


def read_references(representations: Sequence[Any]) -> References:
    """The entities that representations refer to, at once where all are bookings or records. Raises BadUserInput."""
    try:
        names = [given["__typename"] for given in representations]
        texts = [given["id"] for given in representations]
        keys = find_guids(texts)
        if keys is not None and names[0] in GUID_TYPES and names.count(names[0]) == len(names):
            return References(names, {names[0]: (keys, texts)})
    except (KeyError, TypeError):
        pass  # What is malformed is told below, each by itself.
    groups: dict[str, tuple[list[str], list[str]]] = {}
    names = []
    for of, key, text in map(read_reference, representations):
        names.append(of)
        same_keys, same_texts = groups.setdefault(of, ([], []))
        same_keys.append(key)
        same_texts.append(text)
    return References(names, groups)


def read_reference(representation: object) -> tuple[str, str, str]:
    """The name of an entity's type, its key as this service writes it, and the text that was given.

    Raises BadUserInput for a malformed representation.
    """
    given = representation if isinstance(representation, dict) else {}
    type_name, key = given.get("__typename"), given.get("id")
    if type_name not in TYPE_NAMES:
        known = ", ".join(TYPE_NAMES)
        raise BadUserInput(f"A representation has one of {known} as its `__typename`.", argument=TYPE_ARGUMENT)
    if not isinstance(key, str):
        raise BadUserInput(f"A representation of {type_name} has a text as its `id`.", argument=KEY_ARGUMENT)
    if type_name == SESSION:
        if not 1 <= len(parse_text(key, KEY_ARGUMENT)) <= LONGEST_SESSION_ID:
            raise BadUserInput(f"A session's `id` has 1 to {LONGEST_SESSION_ID} characters.", argument=KEY_ARGUMENT)
        return SESSION, key, key
    return type_name, check_guid(key, KEY_ARGUMENT), key


async def load_attendances(info: ResolveInfo, ids: Sequence[str]) -> dict[str, Attendance | None]:
    """The records of the caller's site by their ids, None for each that it does not have."""
    columns = select_columns(selections_of(info.raw).group_by_name(info.raw.field_nodes, of="Attendance"))
    rows = await info.context.load_records(ids, columns)
    return {each: None if row is None else build_attendance(row) for each, row in zip(ids, rows, strict=True)}


@strawberry.type
class SubgraphQuery:
    """The root fields of a subgraph. Its schema is public; its entities need what reading needs."""

    service: SubgraphService = strawberry.field(
        name="_service", resolver=describe_service, metadata={METADATA_KEY: None}, description="The subgraph itself."
    )
    entities: list[AnyEntity | None] = strawberry.field(
        name="_entities",
        resolver=resolve_entities,
        metadata={METADATA_KEY: Permission.READ},
        description="The entities of other subgraphs' references, in their order.",
    )
