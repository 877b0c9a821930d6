"""The root fields that write; each declares the permission it needs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any
from uuid import UUID

import strawberry
from strawberry.types import get_object_definition

from app.database.pool import Row
from app.errors import AttendanceNotFound, ServiceError
from app.plan.properties import parse_guid
from app.plan.write import AttendanceWrite, Bulk, plan_bulk, plan_write
from app.schema.context import Context
from app.schema.inputs import AttendanceStatus, IdArgument, IdsArgument
from app.schema.permissions import Permission, root_field
from app.schema.selection import ResolveInfo
from app.schema.types import Attendance, build_attendance

NOT_FOUND = "The site has no attendance record with this id."


@strawberry.input(description="The attendance of one booking at one session.")
class AttendanceInput:
    booking_id: strawberry.ID = strawberry.field(description="GUID of the booking.")
    session_id: strawberry.ID = strawberry.field(description="Id of the session: 1 to 250 characters.")
    status: AttendanceStatus = strawberry.field(description="Whether anybody came.")
    number_of_attendees: int = strawberry.field(default=1, description="How many people attended: 0 or more.")


def build_input(_type: type, given: Mapping[str, Any], _context: object) -> AttendanceInput:
    """An input from its coerced fields, of which Strawberry would look up the type and the name for each item anew."""
    return AttendanceInput(
        booking_id=given["bookingId"],
        session_id=given["sessionId"],
        status=given["status"],
        number_of_attendees=given["numberOfAttendees"],
    )


get_object_definition(AttendanceInput, strict=True).from_input = build_input


@strawberry.type(description="The record as it is stored now.")
class SetAttendancePayload:
    attendance: Attendance = strawberry.field(description="The record, created or updated.")


@strawberry.type(description="Why one item of a bulk call failed; `code` is one of the service's error codes.")
class ItemError:
    code: str = strawberry.field(description="One of the service's error codes.")
    message: str = strawberry.field(description="What is wrong with the item.")


@strawberry.type(description="The outcome of one item: `attendance` on success, `error` on failure.")
class BulkSetAttendanceResult:
    index: int = strawberry.field(description="The item's place in the call, counted from 0.")
    attendance: Attendance | None = strawberry.field(description="The record, created or updated.")
    error: ItemError | None = strawberry.field(description="Why the item was not written.")


@strawberry.type(description="The outcomes of all items, in their order.")
class BulkSetAttendancePayload:
    results: list[BulkSetAttendanceResult] = strawberry.field(description="One outcome for each item, in order.")
    total_successes: int = strawberry.field(description="How many items were written.")
    total_failures: int = strawberry.field(description="How many items were not.")


@strawberry.type(description="`deletedId`, not `id`: a client's cache would take the payload for the record.")
class DeleteAttendancePayload:
    deleted_id: strawberry.ID = strawberry.field(description="The id that the record had.")


@strawberry.type(description="The outcome of one item: `deletedId` on success, `error` on failure.")
class BulkDeleteAttendanceResult:
    index: int = strawberry.field(description="The item's place in the call, counted from 0.")
    deleted_id: strawberry.ID | None = strawberry.field(description="The id that the record had.")
    error: ItemError | None = strawberry.field(description="Why nothing was deleted.")


@strawberry.type(description="The outcomes of all items, in their order.")
class BulkDeleteAttendancePayload:
    results: list[BulkDeleteAttendanceResult] = strawberry.field(description="One outcome for each item, in order.")
    total_successes: int = strawberry.field(description="How many records were deleted.")
    total_failures: int = strawberry.field(description="How many items failed.")


InputArgument = Annotated[AttendanceInput, strawberry.argument(description="The attendance to record.")]
InputsArgument = Annotated[
    list[AttendanceInput], strawberry.argument(description="The attendances to record: 1 to 100, each of another key.")
]


@strawberry.type
class Mutation:
    @root_field(
        Permission.WRITE,
        "Records attendance for one booking at one session: creates the record, or updates the one that exists.",
    )
    async def set_attendance(self, info: ResolveInfo, input: InputArgument) -> SetAttendancePayload:  # noqa: A002
        rows = await set_attendance(info, [to_write(input)])
        return SetAttendancePayload(attendance=build_attendance(rows[0]))

    @root_field(
        Permission.WRITE,
        "Records up to 100 attendances in one call. Each item succeeds or fails on its own.",
    )
    async def bulk_set_attendance(
        self,
        info: ResolveInfo,
        input: InputsArgument,  # noqa: A002
    ) -> BulkSetAttendancePayload:
        bulk = plan_bulk(input, to_write, lambda write: write.key, "input")
        written = list(bulk.items.values())
        rows = await set_attendance(info, written) if written else []
        return build_set_payload(len(input), bulk, rows)

    @root_field(
        Permission.WRITE,
        "Deletes one record. Deleting a record that does not exist gives an ATTENDANCE_NOT_FOUND error.",
    )
    async def delete_attendance(self, info: ResolveInfo, id: IdArgument) -> DeleteAttendancePayload:  # noqa: A002
        wanted = parse_guid(id, "id")
        if not await delete_attendance(info, [wanted]):
            raise AttendanceNotFound(NOT_FOUND, argument="id")
        return DeleteAttendancePayload(deleted_id=strawberry.ID(str(wanted)))

    @root_field(
        Permission.WRITE,
        "Deletes up to 100 records. Each item succeeds or fails on its own.",
    )
    async def bulk_delete_attendance(self, info: ResolveInfo, ids: IdsArgument) -> BulkDeleteAttendancePayload:
        bulk = plan_bulk(ids, lambda text: parse_guid(text, "ids"), lambda wanted: wanted, "ids")
        wanted = list(bulk.items.values())
        deleted = await delete_attendance(info, wanted) if wanted else set()
        return build_delete_payload(len(ids), bulk, deleted)


async def set_attendance(info: ResolveInfo, writes: Sequence[AttendanceWrite]) -> list[Row]:
    context: Context = info.context
    rows = await context.writer.set_attendance(writes)
    context.forget_reads()
    return rows


async def delete_attendance(info: ResolveInfo, ids: Sequence[UUID]) -> set[UUID]:
    context: Context = info.context
    deleted = await context.writer.delete_attendance(ids)
    context.forget_reads()
    return deleted


def to_write(given: AttendanceInput) -> AttendanceWrite:
    """What an input asks to record. Raises BadUserInput naming the argument."""
    return plan_write(given.booking_id, given.session_id, given.status.name, given.number_of_attendees, "input")


def build_set_payload(count: int, bulk: Bulk[AttendanceWrite], rows: Iterable[Row]) -> BulkSetAttendancePayload:
    stored = dict(zip(bulk.items, map(build_attendance, rows), strict=True))
    results = [
        BulkSetAttendanceResult(index=index, attendance=stored.get(index), error=build_error(bulk.errors.get(index)))
        for index in range(count)
    ]
    return BulkSetAttendancePayload(results=results, total_successes=len(stored), total_failures=count - len(stored))


def build_delete_payload(count: int, bulk: Bulk[UUID], deleted: set[UUID]) -> BulkDeleteAttendancePayload:
    errors: dict[int, ServiceError] = {**bulk.errors}
    errors |= {index: AttendanceNotFound(NOT_FOUND) for index, wanted in bulk.items.items() if wanted not in deleted}
    results = [
        BulkDeleteAttendanceResult(
            index=index,
            deleted_id=None if index in errors else strawberry.ID(str(bulk.items[index])),
            error=build_error(errors.get(index)),
        )
        for index in range(count)
    ]
    return BulkDeleteAttendancePayload(results=results, total_successes=count - len(errors), total_failures=len(errors))


def build_error(error: ServiceError | None) -> ItemError | None:
    return None if error is None else ItemError(code=error.code, message=error.message)
