"""The root fields that write; each declares the permission it needs."""

import strawberry

from app.plan.properties import check_guid
from app.plan.write import (
    BulkDeletePlan,
    BulkSetPlan,
    DeletePlan,
    SetPlan,
    plan_bulk_delete,
    plan_bulk_set,
    plan_set,
)
from app.schema.inputs import IdArgument, IdsArgument, InputArgument, InputsArgument
from app.schema.permissions import Permission, root_field
from app.schema.sources import Each, Part, Value, sourced
from app.schema.types import Attendance

RECORD_OF_ITEM = Part("row is not None")
ERROR_OF_ITEM = Part("error is not None")
EACH_ITEM = Each("index, row, deleted_id, error", "items")


@strawberry.type(description="The record as it is stored now.")
class SetAttendancePayload:
    attendance: Attendance = sourced(Part(), "The record, created or updated.")


@strawberry.type(
    description="Why one item of a bulk call failed; `code` is one of the service's error codes, "
    "`argument` what of the item is at fault."
)
class ItemError:
    code: str = sourced(Value("error.code"), "One of the service's error codes.")
    message: str = sourced(Value("error.message"), "What is wrong with the item.")
    argument: str | None = sourced(
        Value("error.argument"), "The argument at fault, with the item's position: `input.1.sessionId`."
    )


@strawberry.type(description="The outcome of one item: `attendance` on success, `error` on failure.")
class BulkSetAttendanceResult:
    index: int = sourced(Value("index"), "The item's position in the call, counted from 0.")
    attendance: Attendance | None = sourced(RECORD_OF_ITEM, "The record, created or updated.")
    error: ItemError | None = sourced(ERROR_OF_ITEM, "Why the item was not written.")


@strawberry.type(description="The outcomes of all items, in their order.")
class BulkSetAttendancePayload:
    results: list[BulkSetAttendanceResult] = sourced(EACH_ITEM, "One outcome for each item, in order.")
    total_successes: int = sourced(Value("successes"), "How many items were written.")
    total_failures: int = sourced(Value("failures"), "How many items were not.")


@strawberry.type(description="`deletedId`, not `id`: a client's cache would take the payload for the record.")
class DeleteAttendancePayload:
    deleted_id: strawberry.ID = sourced(Value("deleted_id"), "The id that the record had.")


@strawberry.type(description="The outcome of one item: `deletedId` on success, `error` on failure.")
class BulkDeleteAttendanceResult:
    index: int = sourced(Value("index"), "The item's position in the call, counted from 0.")
    deleted_id: strawberry.ID | None = sourced(Value("deleted_id"), "The id that the record had.")
    error: ItemError | None = sourced(ERROR_OF_ITEM, "Why nothing was deleted.")


@strawberry.type(description="The outcomes of all items, in their order.")
class BulkDeleteAttendancePayload:
    results: list[BulkDeleteAttendanceResult] = sourced(EACH_ITEM, "One outcome for each item, in order.")
    total_successes: int = sourced(Value("successes"), "How many records were deleted.")
    total_failures: int = sourced(Value("failures"), "How many items failed.")


@strawberry.type
class Mutation:
    @root_field(
        Permission.WRITE,
        "Records attendance for one booking at one session: creates the record, or updates the one that exists.",
        gives=SetAttendancePayload,
    )
    def set_attendance(self, input: InputArgument) -> SetPlan:  # noqa: A002
        return plan_set(input, "input")

    @root_field(
        Permission.WRITE,
        "Records up to 100 attendances in one call. Each item succeeds or fails on its own.",
        gives=BulkSetAttendancePayload,
    )
    def bulk_set_attendance(self, input: InputsArgument) -> BulkSetPlan:  # noqa: A002
        return plan_bulk_set(input, "input")

    @root_field(
        Permission.WRITE,
        "Deletes one record. Deleting a record that does not exist gives an ATTENDANCE_NOT_FOUND error.",
        gives=DeleteAttendancePayload,
    )
    def delete_attendance(self, id: IdArgument) -> DeletePlan:  # noqa: A002
        return DeletePlan([check_guid(id, "id")])

    @root_field(
        Permission.WRITE,
        "Deletes up to 100 records. Each item succeeds or fails on its own.",
        gives=BulkDeleteAttendancePayload,
    )
    def bulk_delete_attendance(self, ids: IdsArgument) -> BulkDeletePlan:
        return plan_bulk_delete(ids, "ids")
