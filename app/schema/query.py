"""The root fields that read; each declares the permission it needs."""

import strawberry

from app.plan.absences import MINIMUM_MISSED_SHARE, MINIMUM_RECORDED, AbsencesPlan, plan_absences
from app.plan.changes import ChangesPlan, plan_changes
from app.plan.page import ConnectionPlan, PageArguments, plan_connection
from app.plan.properties import check_guid
from app.plan.records import RecordsPlan
from app.schema.absences import AbsenceConnection
from app.schema.arguments import read_grouping, read_ids, read_order
from app.schema.changes import AttendanceChanges
from app.schema.entities import SubgraphQuery
from app.schema.inputs import (
    DEFAULT_GROUPING,
    DEFAULT_ORDER_NAMES,
    AfterArgument,
    BeforeArgument,
    ChangesAfterArgument,
    ChangesFirstArgument,
    FilterArgument,
    FirstArgument,
    GroupingArgument,
    IdArgument,
    IdsArgument,
    LastArgument,
    MinimumMissedShareArgument,
    MinimumRecordedArgument,
    OrderArgument,
    PerspectiveArgument,
)
from app.schema.permissions import Permission, root_field
from app.schema.types import Attendance, AttendanceConnection, Node


@strawberry.type
class Query(SubgraphQuery):
    @root_field(
        Permission.READ,
        "One attendance record of the caller's site, or null when the site has none with this id.",
        gives=Attendance | None,
    )
    def attendance(self, id: IdArgument) -> RecordsPlan:  # noqa: A002
        return RecordsPlan([check_guid(id, "id")])

    @root_field(
        Permission.READ,
        "Attendance records of the caller's site, a page at a time.\n"
        "Without `first` and `last` a page holds 50 records; it never holds more than 100.",
        gives=AttendanceConnection,
    )
    def attendances(
        self,
        perspective: PerspectiveArgument = None,
        filter: FilterArgument = None,  # noqa: A002
        order_by: OrderArgument = DEFAULT_ORDER_NAMES,
        first: FirstArgument = None,
        after: AfterArgument = None,
        last: LastArgument = None,
        before: BeforeArgument = None,
    ) -> ConnectionPlan:
        return plan_connection(perspective, filter, read_order(order_by), PageArguments(first, after, last, before))

    @root_field(
        Permission.READ,
        "Relay's refetch field. Ids that do not exist, or that another site holds, give null.",
        gives=Node | None,
    )
    def node(self, id: IdArgument) -> RecordsPlan:  # noqa: A002
        return RecordsPlan([check_guid(id, "id")])

    @root_field(
        Permission.READ,
        "Relay's refetch field for several ids (at most 100), in the order asked.",
        gives=list[Node | None],
    )
    def nodes(self, ids: IdsArgument) -> RecordsPlan:
        return RecordsPlan(read_ids(ids))

    @root_field(
        Permission.READ,
        "What has changed since a cursor, each record once, in the order of its last change. Without `after` from the\n"
        "beginning: a full copy. Go on with `cursor` while `hasMore`, and with the same cursor at any later time.",
        gives=AttendanceChanges,
    )
    def attendance_changes(
        self,
        perspective: PerspectiveArgument = None,
        after: ChangesAfterArgument = None,
        first: ChangesFirstArgument = None,
    ) -> ChangesPlan:
        return plan_changes(perspective, after, first)

    @root_field(
        Permission.READ,
        "Who takes spots and does not come: bookings, or sessions, by the share of attendances that were missed, the "
        "largest first.\n"
        "Without `first` and `last` a page holds 50 absences; it never holds more than 100.",
        gives=AbsenceConnection,
    )
    def absences(
        self,
        by: GroupingArgument = DEFAULT_GROUPING,
        minimum_recorded: MinimumRecordedArgument = MINIMUM_RECORDED,
        minimum_missed_share: MinimumMissedShareArgument = MINIMUM_MISSED_SHARE,
        first: FirstArgument = None,
        after: AfterArgument = None,
        last: LastArgument = None,
        before: BeforeArgument = None,
    ) -> AbsencesPlan:
        page = PageArguments(first, after, last, before)
        return plan_absences(read_grouping(by), minimum_recorded, minimum_missed_share, page)
