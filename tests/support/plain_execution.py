"""The oracle of the engine: the same schema, executed by graphql-core, each plan of a resolver fetched alone.

What is fetched is handed on as objects with all fields, from which graphql-core takes what is selected. Fields that
wait at the same time are fetched one after the other, and go on in their order, so that errors occur in one order.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLResolveInfo,
    execute,
    get_nullable_type,
    is_list_type,
    located_error,
    parse,
)
from graphql.execution import Executor

from app.attendance.changes import ChangeBatch
from app.attendance.reading import AttendanceReader
from app.attendance.statistics import QueryStatistics
from app.attendance.writing import AttendanceWriter, WriteResult
from app.database.pool import Database
from app.documents.errors import FormattedError, format_request_error, format_service_error
from app.documents.locations import ArgumentFinder
from app.errors import BadUserInput, OperationTooComplex, ServiceError
from app.plan.absences import MISSED_SHARE, AbsencesPlan
from app.plan.changes import ChangesPlan
from app.plan.page import ConnectionPlan, CursorSelection, PageSelection
from app.plan.properties import Property
from app.plan.records import EntitiesPlan, RecordsPlan
from app.plan.summary import Aggregate
from app.plan.write import BulkDeletePlan, BulkSetPlan, DeletePlan, SetPlan
from app.schema import absences, changes, mutation, types
from app.schema.entities import SubgraphService
from app.schema.schema import SCHEMA

MOST_ERRORS = 1000
LARGEST = 2**31 - 1
QUIET_TICKS = 12
EVERYTHING = PageSelection(
    rows=True,
    cursors=CursorSelection.ALL,
    columns=frozenset(Property),
    has_next=True,
    has_previous=True,
    revision=True,
)
ALL_FIGURES = frozenset(Aggregate)
EVERYTHING_OF_ABSENCES = EVERYTHING._replace(
    columns=frozenset({Property.BOOKING_ID, Property.SESSION_ID}), revision=False, row_figures=ALL_FIGURES
)
READS = (ConnectionPlan, AbsencesPlan, ChangesPlan, RecordsPlan, EntitiesPlan)
WRITES = (SetPlan, BulkSetPlan, DeletePlan, BulkDeletePlan)
NAMES = {
    "total": (Aggregate.TOTAL, "summary.total"),
    "attended": (Aggregate.ATTENDED, "summary.attended"),
    "not_attended": (Aggregate.NOT_ATTENDED, "summary.notAttended"),
    "not_set": (Aggregate.NOT_SET, "summary.notSet"),
    "number_of_attendees": (Aggregate.ATTENDEES, "summary.numberOfAttendees"),
}


def fit(figure: int, name: str) -> int:
    if figure > LARGEST:
        raise BadUserInput(f"`{name}` is beyond what Int can hold; narrow the query by a filter.", argument=name)
    return figure


class Summary:
    """A summary whose figures are checked when they are asked for."""

    def __init__(self, figures: Mapping[Any, int]) -> None:
        self._figures = figures

    def __getattr__(self, name: str) -> Any:
        if name == "attendance_rate":
            recorded = self._figures[Aggregate.ATTENDED] + self._figures[Aggregate.NOT_ATTENDED]
            return self._figures[Aggregate.ATTENDED] / recorded if recorded else None
        if name not in NAMES:
            raise AttributeError(name)
        aggregate, shown = NAMES[name]
        return fit(self._figures[aggregate], shown)


class Connection:
    """A connection with all that can be selected of it."""

    def __init__(self, frame: Any) -> None:
        rows, has_next, has_previous, self.changes_cursor, figures, cursors = frame
        self.nodes = [build_record(row) for row in rows]
        self.edges = [
            types.AttendanceEdge(cursor=cursor, node=node) for cursor, node in zip(cursors, self.nodes, strict=True)
        ]
        self.page_info = build_page_info(cursors, has_next=has_next, has_previous=has_previous)
        self.summary = Summary(figures)
        self._figures = figures

    @property
    def total_count(self) -> int:
        return fit(self._figures[Aggregate.TOTAL], "totalCount")


def build_page_info(cursors: Sequence[str], *, has_next: bool, has_previous: bool) -> types.PageInfo:
    return types.PageInfo(
        has_next_page=has_next,
        has_previous_page=has_previous,
        start_cursor=cursors[0] if cursors else None,
        end_cursor=cursors[-1] if cursors else None,
    )


def build_absences(frame: Any) -> absences.AbsenceConnection:
    rows, has_next, has_previous, _, figures, cursors = frame
    nodes = [build_absence(row) for row in rows]
    return absences.AbsenceConnection(
        edges=[absences.AbsenceEdge(cursor=cursor, node=node) for cursor, node in zip(cursors, nodes, strict=True)],
        nodes=nodes,
        page_info=build_page_info(cursors, has_next=has_next, has_previous=has_previous),
        total_count=figures[Aggregate.TOTAL],
    )


def build_absence(row: Any) -> absences.Absence:
    return absences.Absence(
        booking=None if row["booking_id"] is None else types.Booking(id=str(row["booking_id"])),
        session=None if row["session_id"] is None else types.Session(id=row["session_id"]),
        summary=Summary(row),  # type: ignore[arg-type]
        missed_share=row[MISSED_SHARE],
    )


def build_record(row: Any) -> types.Attendance:
    return types.Attendance(
        id=str(row["id"]),
        booking_id=str(row["booking_id"]),
        session_id=row["session_id"],
        status=row["status"],
        number_of_attendees=row["number_of_attendees"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        booking=types.Booking(id=str(row["booking_id"])),
        session=types.Session(id=row["session_id"]),
    )


class PlainContext:
    """Fetches the plans of one operation, one at a time, in the order in which they come."""

    def __init__(self, database: Database, site_id: Any) -> None:
        statistics = QueryStatistics()
        self.reader = AttendanceReader(database, site_id, statistics)
        self.writer = AttendanceWriter(database, site_id, statistics)
        self._waiting: list[tuple[Any, GraphQLResolveInfo[Any], asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    def fetch(self, plan: Any, info: GraphQLResolveInfo[Any]) -> "asyncio.Future[Any]":
        fetched = asyncio.get_running_loop().create_future()
        self._waiting.append((plan, info, fetched))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
        return fetched

    async def _drain(self) -> None:
        while self._waiting:
            count = -1
            while count != len(self._waiting):
                count = len(self._waiting)
                for _ in range(QUIET_TICKS):
                    await asyncio.sleep(0)
            level, self._waiting = self._waiting, []
            outcomes = [await self._try_to_fetch(plan, info) for plan, info, _ in level]
            for (_, _, fetched), outcome in zip(level, outcomes, strict=True):
                if fetched.done():
                    continue
                if isinstance(outcome, Exception):
                    fetched.set_exception(outcome)
                else:
                    fetched.set_result(outcome)

    async def _try_to_fetch(self, plan: Any, info: GraphQLResolveInfo[Any]) -> Any:
        try:
            return await self._fetch(plan, info)
        except Exception as failure:
            return failure

    async def _fetch(self, plan: Any, info: GraphQLResolveInfo[Any]) -> Any:
        if isinstance(plan, ConnectionPlan):
            return Connection(await self.reader.read_connection(plan.select(EVERYTHING), ALL_FIGURES))
        if isinstance(plan, AbsencesPlan):
            whole = plan.select(EVERYTHING_OF_ABSENCES)
            return build_absences(await self.reader.read_connection(whole, frozenset({Aggregate.TOTAL})))
        if isinstance(plan, ChangesPlan):
            return build_changes(await self.reader.read_changes(plan, tuple(Property)))
        if isinstance(plan, WRITES):
            return build_payload(plan, await self.writer.write(plan, tuple(Property)))
        records = [await self._fetch_record(each) for each in list_ids(plan)]
        if isinstance(plan, RecordsPlan):
            return records if is_list_type(get_nullable_type(info.return_type)) else records[0]
        return place_entities(plan, records)

    async def _fetch_record(self, record_id: str) -> types.Attendance | None:
        rows = await self.reader.read_records([record_id], frozenset(Property))
        return build_record(rows[record_id]) if record_id in rows else None


def build_changes(batch: ChangeBatch) -> changes.AttendanceChanges:
    return changes.AttendanceChanges(
        changes=[
            changes.AttendanceChange(
                attendance_id=row["id"],
                attendance=None if record is None else build_record(record),
                kind="DELETED" if record is None else "SET",
            )
            for row, record in zip(batch.rows, batch.records, strict=True)
        ],
        cursor=batch.cursor,
        has_more=batch.has_more,
    )


def list_ids(plan: RecordsPlan | EntitiesPlan) -> Sequence[str]:
    if isinstance(plan, RecordsPlan):
        return plan.ids
    return plan.groups["Attendance"].keys if "Attendance" in plan.groups else ()


def place_entities(plan: EntitiesPlan, records: Sequence[Any]) -> list[Any]:
    found: dict[str, list[Any]] = {"Attendance": list(records)}
    for name, build in (("Booking", types.Booking), ("Session", types.Session)):
        found[name] = [build(id=text) for text in plan.groups[name].texts] if name in plan.groups else []
    return [plan.errors[position] if name is None else found[name].pop(0) for position, name in enumerate(plan.types)]


def build_payload(plan: Any, result: WriteResult) -> Any:
    if isinstance(plan, SetPlan):
        return mutation.SetAttendancePayload(attendance=build_record(result.items[0].row))
    if isinstance(plan, DeletePlan):
        return mutation.DeleteAttendancePayload(deleted_id=result.items[0].deleted_id)
    if isinstance(plan, BulkSetPlan):
        return mutation.BulkSetAttendancePayload(
            results=[
                mutation.BulkSetAttendanceResult(
                    index=item.position,
                    attendance=None if item.row is None else build_record(item.row),
                    error=build_error(item.error),
                )
                for item in result.items
            ],
            total_successes=sum(item.error is None for item in result.items),
            total_failures=sum(item.error is not None for item in result.items),
        )
    return mutation.BulkDeleteAttendancePayload(
        results=[
            mutation.BulkDeleteAttendanceResult(
                index=item.position, deleted_id=item.deleted_id, error=build_error(item.error)
            )
            for item in result.items
        ],
        total_successes=sum(item.error is None for item in result.items),
        total_failures=sum(item.error is not None for item in result.items),
    )


def build_error(error: ServiceError | None) -> mutation.ItemError | None:
    return (
        None if error is None else mutation.ItemError(code=error.code, message=error.message, argument=error.argument)
    )


def fetch_plans(resolve: Any, source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
    """Middleware that stands for the engine: fetches what a resolver plans."""
    if info.field_name == "_service":
        return SubgraphService(sdl=info.context.sdl)
    value = resolve(source, info, **arguments)
    is_plan = isinstance(value, (*READS, *WRITES))
    return info.context.fetch(value, info) if is_plan else value


class PlainExecutor(Executor[Any]):
    """graphql-core's executor, which locates an error at its field's first selection, and ends after very many."""

    def handle_field_error(self, raw_error: Any, return_type: Any, field_details_list: Any, path: Any) -> None:
        if len(self.collected_errors.errors) < MOST_ERRORS:
            super().handle_field_error(raw_error, return_type, field_details_list[:1], path)
            return
        message = f"More than {MOST_ERRORS} fields have failed; this was the last one."
        nodes = [details.node for details in field_details_list[:1]]
        raise located_error(OperationTooComplex(message, limit="errors"), nodes, path.as_list())


async def execute_plainly(
    query: str, name: str | None, variables: Mapping[str, Any], database: Database, site_id: Any, sdl: str
) -> dict[str, Any]:
    """The response that graphql-core gives, with its errors as the service shows them."""
    document = parse(query)
    context = PlainContext(database, site_id)
    context.sdl = sdl  # type: ignore[attr-defined]
    result = execute(
        SCHEMA,
        document,
        context_value=context,
        variable_values=dict(variables),
        operation_name=name,
        middleware=[fetch_plans],
        executor_class=PlainExecutor,
        max_coercion_errors=5,
        hide_suggestions=False,
    )
    result = result if isinstance(result, ExecutionResult) else await result
    finder = ArgumentFinder(document)
    errors = [format_error(error, finder) for error in result.errors or ()]
    if errors and result.data is None and all("path" not in error for error in errors):
        return {"errors": errors}
    return {"errors": errors, "data": result.data} if errors else {"data": result.data}


def format_error(error: GraphQLError, finder: ArgumentFinder) -> FormattedError:
    cause = error.original_error
    if isinstance(cause, ServiceError):
        shown = format_service_error(cause)
        shown["locations"] = [location.formatted for location in error.locations or ()]
        shown["path"] = error.path
        return shown
    if cause is not None and not isinstance(cause, GraphQLError):
        raise cause
    return format_request_error(BadUserInput.code, error, finder)
