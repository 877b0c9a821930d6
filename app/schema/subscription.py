"""The root field of subscriptions; it declares the permission it needs, and plans the first batch of its stream."""

import strawberry

from app.plan.changes import ChangesPlan, plan_stream
from app.schema.changes import AttendanceChanges
from app.schema.inputs import ChangesAfterArgument, PerspectiveArgument
from app.schema.permissions import Permission, root_field


@strawberry.type
class Subscription:
    @root_field(
        Permission.READ,
        "What changes from now on, or since a cursor: the same batches as the query of this name, as they come.\n"
        "The first batch comes at once, and may be empty.",
        gives=AttendanceChanges,
    )
    def attendance_changes(
        self, perspective: PerspectiveArgument = None, after: ChangesAfterArgument = None
    ) -> ChangesPlan:
        return plan_stream(perspective, after)
