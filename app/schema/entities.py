"""Federated entities: representations of any number are resolved together, each to its own result or error."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry.federation.schema import FederationAny

from app.errors import BadUserInput
from app.plan.properties import parse_guid, parse_text
from app.plan.write import LONGEST_SESSION_ID
from app.schema.permissions import METADATA_KEY, Permission
from app.schema.selection import ResolveInfo, select_columns, select_subfields
from app.schema.types import Attendance, Booking, Session, build_attendance

MOST_REPRESENTATIONS = 1000
ARGUMENT = "representations"
TYPE_ARGUMENT = f"{ARGUMENT}.__typename"
KEY_ARGUMENT = f"{ARGUMENT}.id"
TYPE_NAMES = ("Attendance", "Booking", "Session")

AnyEntity = Annotated[Attendance | Booking | Session, strawberry.union("_Entity")]


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
    if len(representations) > MOST_REPRESENTATIONS:
        raise BadUserInput(
            f"`{ARGUMENT}` takes at most {MOST_REPRESENTATIONS} items; {len(representations)} were given.",
            argument=ARGUMENT,
        )
    references = [read_reference(representation) for representation in representations]
    records = await load_attendances(info, [each for each in references if isinstance(each, UUID)])
    entities: list[Any] = [records[each] if isinstance(each, UUID) else each for each in references]
    return entities


def read_reference(representation: object) -> Booking | Session | UUID | BadUserInput:
    """What a representation stands for: a stub, the id of a record, or the error of a malformed one."""
    try:
        return parse_reference(representation)
    except BadUserInput as malformed:
        return malformed


def parse_reference(representation: object) -> Booking | Session | UUID:
    given = representation if isinstance(representation, dict) else {}
    type_name, key = given.get("__typename"), given.get("id")
    if type_name not in TYPE_NAMES:
        known = ", ".join(TYPE_NAMES)
        raise BadUserInput(f"A representation has one of {known} as its `__typename`.", argument=TYPE_ARGUMENT)
    if not isinstance(key, str):
        raise BadUserInput(f"A representation of {type_name} has a text as its `id`.", argument=KEY_ARGUMENT)
    if type_name == "Session":
        if not 1 <= len(parse_text(key, KEY_ARGUMENT)) <= LONGEST_SESSION_ID:
            raise BadUserInput(f"A session's `id` has 1 to {LONGEST_SESSION_ID} characters.", argument=KEY_ARGUMENT)
        return Session(id=strawberry.ID(key))
    guid = parse_guid(key, KEY_ARGUMENT)
    return guid if type_name == "Attendance" else Booking(id=strawberry.ID(key))


async def load_attendances(info: ResolveInfo, ids: Sequence[UUID]) -> dict[UUID, Attendance | None]:
    """The records of the caller's site by their ids, None for each that it does not have."""
    columns = select_columns(select_subfields(info.raw, info.raw.field_nodes, of="Attendance"))
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
