"""The root fields that read; each declares the permission it needs."""

import strawberry

from app.errors import BadUserInput
from app.plan.properties import parse_guid
from app.schema.connecting import read_connection
from app.schema.entities import SubgraphQuery
from app.schema.inputs import (
    AfterArgument,
    AttendanceOrder,
    BeforeArgument,
    FilterArgument,
    FirstArgument,
    IdArgument,
    IdsArgument,
    LastArgument,
    OrderArgument,
    PerspectiveArgument,
    to_perspective,
)
from app.schema.permissions import Permission, root_field
from app.schema.selection import ResolveInfo, select_columns, select_subfields
from app.schema.types import Attendance, AttendanceConnection, Node, build_attendance, build_request, or_none

MOST_IDS = 100


@strawberry.type
class Query(SubgraphQuery):
    @root_field(
        Permission.READ,
        "One attendance record of the caller's site, or null when the site has none with this id.",
    )
    async def attendance(self, info: ResolveInfo, id: IdArgument) -> Attendance | None:  # noqa: A002
        return await read_record(info, id, "id")

    @root_field(
        Permission.READ,
        "Attendance records of the caller's site, a page at a time.\n"
        "Without `first` and `last` a page holds 50 records; it never holds more than 100.",
    )
    async def attendances(
        self,
        info: ResolveInfo,
        perspective: PerspectiveArgument = strawberry.UNSET,
        filter: FilterArgument = strawberry.UNSET,  # noqa: A002
        order_by: OrderArgument = [AttendanceOrder.ID_ASC],  # noqa: B006
        first: FirstArgument = strawberry.UNSET,
        after: AfterArgument = strawberry.UNSET,
        last: LastArgument = strawberry.UNSET,
        before: BeforeArgument = strawberry.UNSET,
    ) -> AttendanceConnection:
        request = build_request(filter, order_by, first, after, last, before)
        return AttendanceConnection(loaded=await read_connection(info, to_perspective(or_none(perspective)), request))

    @root_field(
        Permission.READ,
        "Relay's refetch field. Ids that do not exist, or that another site holds, give null.",
    )
    async def node(self, info: ResolveInfo, id: IdArgument) -> Node | None:  # noqa: A002
        return await read_record(info, id, "id")

    @root_field(
        Permission.READ,
        "Relay's refetch field for several ids (at most 100), in the order asked.",
    )
    async def nodes(self, info: ResolveInfo, ids: IdsArgument) -> list[Node | None]:
        if len(ids) > MOST_IDS:
            raise BadUserInput(f"`ids` takes at most {MOST_IDS} ids; {len(ids)} were given.", argument="ids")
        return await read_nodes(info, ids)


async def read_record(info: ResolveInfo, text: str, argument: str) -> Attendance | None:
    columns = select_columns(select_subfields(info.raw, info.raw.field_nodes))
    row = await info.context.load_record(parse_guid(text, argument), columns)
    return None if row is None else build_attendance(row)


async def read_nodes(info: ResolveInfo, ids: list[strawberry.ID]) -> list[Node | None]:
    wanted = [
        parse_guid(text, "ids", place=f"; id {position} of the list is not one")
        for position, text in enumerate(ids, start=1)
    ]
    columns = select_columns(select_subfields(info.raw, info.raw.field_nodes))
    rows = await info.context.load_records(wanted, columns)
    return [None if row is None else build_attendance(row) for row in rows]
