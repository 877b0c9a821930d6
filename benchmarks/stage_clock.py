"""Notes the time of each stage of a request, in the functions with which the stages begin."""

import inspect
import sys
import time
import types
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import patch

REST = "event loop and tasks"
# The functions with which each stage begins, by their modules.
STAGES: Mapping[str, Sequence[str]] = {
    "HTTP parsing and sending": (
        "app.web.serving.http_connections:HTTPConnection.data_received",
        "app.web.serving.uvicorn_internals:Cycle.send",
        "app.web.serving.uvicorn_internals:Cycle.run_asgi",
    ),
    "endpoint and headers": (
        "app.web.application:Application.__call__",
        "app.web.headers:read_headers",
        "app.web.headers:read_request_id",
        "app.web.requests:check_head",
        "app.web.responses:send_response",
    ),
    "admission and deadlines": (
        "app.web.load.admission:Admission.reject",
        "app.web.load.admission:Admission.acquire",
        "app.web.load.admission:Admission.release",
        "app.web.load.in_flight_requests:InFlightRequests.start",
        "app.web.load.in_flight_requests:InFlightRequests.mark_received",
        "app.web.load.in_flight_requests:InFlightRequests.finish",
        "app.web.load.body_reader:RequestBodyReader.read_body",
    ),
    "token": (
        "app.web.auth.authentication:Authenticator.find_cached",
        "app.operations.running:authorize",
    ),
    "operation lookup": (
        "app.web.requests:parse_body",
        "app.documents.documents:Documents.find",
        "app.documents.documents:Documents.check_request",
    ),
    "run of the operation": (
        "app.operations.running:run_request",
        "app.engine.execution:run_operation",
        "app.attendance.reading:AttendanceReader.read_connection",
        "app.attendance.reading:AttendanceReader.read_records",
    ),
    "inputs": ("app.engine.compiled_operations:CompiledOperations.prepare",),
    "plan": ("app.engine.branches:RootBranch.__init__",),
    "statement": (
        "app.sql.pages:render_page",
        "app.sql.records:render_records",
        "app.sql.figures:render_summary",
    ),
    "connection": ("app.database.pool:Database.read_rows",),
    "driver": ("app.database.connection:SiteConnection.run",),
    "writing": (
        "app.engine.execution:write_root",
        "app.attendance.reading:build_page",
        "app.attendance.reading:encode_cursors",
        "app.attendance.reading:build_figures",
        "app.operations.running:orjson.dumps",
    ),
    "observation": (
        "app.observing.batch:RecordBatch.add",
        "app.operations.record:OperationRecord.end",
        "app.observing.batch:RecordBatch.flush",
    ),
}


class StageClock:
    """Adds up the nanoseconds of each stage, without those of the stages that it calls."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.entered: Counter[tuple[str, str]] = Counter()
        self._stages = [REST]
        self._since = time.thread_time_ns()

    def enter(self, stage: str) -> None:
        now = time.thread_time_ns()
        outer = self._stages[-1]
        self.spent[outer] += now - self._since
        self.entered[outer, stage] += 1
        self._stages.append(stage)
        self._since = time.thread_time_ns()

    def leave(self) -> None:
        now = time.thread_time_ns()
        self.spent[self._stages.pop()] += now - self._since
        self._since = time.thread_time_ns()

    def wrap(self, function: Callable[..., Any], stage: str) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @types.coroutine
            def step(coroutine: Any) -> Iterator[Any]:
                given = None
                while True:
                    self.enter(stage)
                    try:
                        awaited = coroutine.send(given)
                    except StopIteration as end:
                        return end.value
                    finally:
                        self.leave()
                    given = yield awaited

            async def wrapped(*arguments: Any, **options: Any) -> Any:
                return await step(function(*arguments, **options))

            return wrapped

        def wrapped_plainly(*arguments: Any, **options: Any) -> Any:
            self.enter(stage)
            try:
                return function(*arguments, **options)
            finally:
                self.leave()

        return wrapped_plainly


@contextmanager
def note_stages(clock: StageClock) -> Iterator[None]:
    """Replace the functions that begin stages wherever the service has them."""
    with ExitStack() as stack:
        for stage, names in STAGES.items():
            for name in names:
                for replacement in replace(name, partial(clock.wrap, stage=stage)):
                    stack.enter_context(replacement)
        yield


def replace(name: str, wrap: Callable[[Any], Any]) -> list[AbstractContextManager[Any]]:
    """Replace a method, a function of a module that another one has, or a function in all modules that import it."""
    module_name, path = name.split(":")
    module = import_module(module_name)
    outer, _, own = path.rpartition(".")
    if outer:
        owner = getattr(module, outer)
        wrapped = wrap(getattr(owner, own))
        if isinstance(owner, ModuleType):
            return [patch.object(module, outer, SimpleNamespace(**vars(owner) | {own: wrapped}))]
        return [patch.object(owner, own, wrapped)]
    function = getattr(module, own)
    modules = [vars(each) for key, each in list(sys.modules.items()) if key.startswith("app.")]
    tables = [value for each in modules for value in each.values() if isinstance(value, dict)]
    return [
        patch.dict(table, {key: wrap(function)})
        for table in (*modules, *tables)
        for key, value in list(table.items())
        if value is function
    ]


def measure_notes(times: int = 50_000) -> tuple[float, float]:
    """The nanoseconds that entering and leaving a stage adds to that stage, and to the one around it."""
    clock = StageClock()
    nothing = clock.wrap(lambda: None, "inner")
    clock.enter("outer")
    for _ in range(times):
        nothing()
    clock.leave()
    return clock.spent["inner"] / times, clock.spent["outer"] / times
