"""The types of the feed of changes."""

from enum import Enum

import strawberry

from app.plan.properties import Property
from app.schema.sources import Column, Each, Part, Value, sourced
from app.schema.types import Attendance


@strawberry.enum(description="What has happened to a record.")
class AttendanceChangeKind(Enum):
    SET = strawberry.enum_value("SET", description="Created or changed.")
    DELETED = strawberry.enum_value("DELETED", description="Deleted.")


@strawberry.type(description="A record that was set or deleted. Each record stands once, at its last change.")
class AttendanceChange:
    attendance_id: strawberry.ID = sourced(Column(Property.ID), "The id of the record.")
    attendance: Attendance | None = sourced(
        Part('not row["is_deleted"]'), "The record as it is now, or null when it was deleted."
    )
    kind: AttendanceChangeKind = sourced(
        Value('"DELETED" if row["is_deleted"] else "SET"'), "Whether the record was set or deleted."
    )


@strawberry.type(description="A batch of changes.")
class AttendanceChanges:
    changes: list[AttendanceChange] = sourced(
        Each("row", "batch.rows"), "The changes, each record's last one, in order."
    )
    cursor: str = sourced(Value("batch.cursor"), "Go on after this. Also an empty batch has one.")
    has_more: bool = sourced(Value("batch.has_more"), "Whether more has changed already.")
