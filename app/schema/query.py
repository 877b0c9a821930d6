"""The root fields that read; each declares the permission it needs."""

from collections.abc import Awaitable

import strawberry

from app.plan.properties import check_guid
from app.schema.arguments import collect_arguments, read_connection_arguments, read_ids, read_perspective
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
)
from app.schema.permissions import Permission, root_field
from app.schema.selection import RECORD, ResolveInfo, select_columns, selections_of
from app.schema.types import Attendance, AttendanceConnection, Node, build_attendance, build_connection


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
        gives=AttendanceConnection,
    )
    def attendances(
        self,
        info: ResolveInfo,
        perspective: PerspectiveArgument = strawberry.UNSET,
        filter: FilterArgument = strawberry.UNSET,  # noqa: A002
        order_by: OrderArgument = [AttendanceOrder.ID_ASC],  # noqa: B006
        first: FirstArgument = strawberry.UNSET,
        after: AfterArgument = strawberry.UNSET,
        last: LastArgument = strawberry.UNSET,
        before: BeforeArgument = strawberry.UNSET,
    ) -> Awaitable[AttendanceConnection]:
        given = collect_arguments(
            perspective=perspective,
            filter=filter,
            orderBy=order_by,
            first=first,
            after=after,
            last=last,
            before=before,
        )
        request = read_connection_arguments(given, info.context.most_in_values)
        return build_connection(read_connection(info, read_perspective(given.get("perspective")), request))

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
        columns = select_columns(selections_of(info.raw).group_by_name(info.raw.field_nodes, RECORD))
        rows = await info.context.load_records(read_ids(ids), columns)
        return [None if row is None else build_attendance(row) for row in rows]


async def read_record(info: ResolveInfo, text: str, argument: str) -> Attendance | None:
    columns = select_columns(selections_of(info.raw).group_by_name(info.raw.field_nodes, RECORD))
    row = await info.context.load_record(check_guid(text, argument), columns)
    return None if row is None else build_attendance(row)
