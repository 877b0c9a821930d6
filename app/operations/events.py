"""The events of streams: each is one batch, run as a query's field is; streams that ask for the same thing share it."""

import asyncio
from collections.abc import Hashable, Mapping
from typing import Any, NamedTuple
from uuid import UUID
from weakref import WeakValueDictionary

import orjson

from app.attendance.changes import ChangeBatch
from app.attendance.reading import AttendanceReader
from app.database.pool import Database
from app.documents.errors import format_unforeseen
from app.documents.operation import Operation
from app.engine.execution import run_operation
from app.engine.fields import CompiledOperation, ConnectionField
from app.engine.inputs import Variables
from app.engine.large_responses import LargeResponses
from app.engine.pieces import MAX_BYTES
from app.operations.record import OperationRecord
from app.operations.response import Outcome, Response, may_be_large, refuse_large, write_errors, write_refusal
from app.plan.changes import ChangesPlan, ChangesPosition

MOST_EVENTS_AT_ONCE = 4
MOST_EVENTS_OF_A_SITE = 2


class StreamQuery(NamedTuple):
    """What a stream asks for at each event; `plan` is that of the first one. Equal `shared` means equal responses."""

    operation: Operation
    compiled: CompiledOperation
    inputs: Variables
    variables: Mapping[str, Any]
    site_id: UUID
    plan: ChangesPlan
    shared: Hashable


class StreamEvent(NamedTuple):
    """The response of an event, its batch, None where an error has left no data, and the record of its run."""

    response: Response
    batch: ChangeBatch | None
    record: OperationRecord


def share_query(
    operation: Operation,
    compiled: CompiledOperation,
    inputs: Variables,
    variables: Mapping[str, Any],
    site_id: UUID,
    plan: ChangesPlan,
) -> StreamQuery:
    """The query of a stream. Its variables tell it from others only if what is nested in it depends on them."""
    nested: Any = compiled.steps[0][0]
    depends = any(map(depends_on_variables, nested.payload.nested))
    known = {name: variables[name] for name in inputs if name in variables}  # Others may be too deep to be written.
    given = orjson.dumps(known, option=orjson.OPT_SORT_KEYS) if depends else b""
    shared = site_id, compiled, plan.perspective, given
    return StreamQuery(operation, compiled, inputs, variables, site_id, plan, shared)


def depends_on_variables(field: ConnectionField) -> bool:
    return not field.resolver.is_constant or any(map(depends_on_variables, field.nested))


class EventRunner:
    """Runs events, each once for all streams that ask for it at the same time, few at once, and fewer of one site."""

    def __init__(self) -> None:
        self._waiters: dict[Hashable, list[asyncio.Future[Any]]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._slots = asyncio.Semaphore(MOST_EVENTS_AT_ONCE)
        self._slots_of_sites: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()
        self.large = LargeResponses()

    def start(
        self, query: StreamQuery, after: ChangesPosition | None, database: Database, waiter: "asyncio.Future[Any]"
    ) -> None:
        """Set a future to the event after a position, once it has been run, unless it is done by then."""
        key = query.shared, after
        waiters = self._waiters.get(key)
        if waiters is not None:
            waiters.append(waiter)
            return
        self._waiters[key] = [waiter]
        task = asyncio.create_task(self._run(key, query, after, database))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, key: Hashable, query: StreamQuery, after: ChangesPosition | None, database: Database) -> None:
        record = OperationRecord()
        site = self._slots_of_sites.setdefault(query.site_id, asyncio.Semaphore(MOST_EVENTS_OF_A_SITE))
        try:
            async with site, self._slots:
                event = await run_event(query, after, database, record, self.large)
        except Exception as failure:
            event = StreamEvent(write_refusal([format_unforeseen(failure)], Outcome.FAILED, record), None, record)
        for waiter in self._waiters.pop(key):
            if not waiter.done():
                waiter.set_result(event)


async def run_event(
    query: StreamQuery,
    after: ChangesPosition | None,
    database: Database,
    record: OperationRecord,
    writing: LargeResponses,
) -> StreamEvent:
    """Plan, fetch and write one batch. It never reads a replica, which may lag behind what has woken the stream.

    A large batch is written within `writing`.
    """
    operation, compiled, inputs, variables, site_id, plan, _ = query
    reader = AttendanceReader(database, site_id, record)
    large = writing if may_be_large(operation, compiled, variables) else None
    next_plan = plan._replace(after=after)
    result = await run_operation(compiled, inputs, reader, "", variables, large=large, plan=next_plan)
    batch = result.roots[0].frames if result.data is not None else None
    if result.failures:
        return StreamEvent(write_errors(result, operation, variables, record), batch, record)
    body = orjson.dumps({"data": result.data})
    response = Response(body, Outcome.EXECUTED)
    if len(body) > MAX_BYTES:
        response, batch = refuse_large(operation, compiled, record), None
    return StreamEvent(response, batch, record)
