"""The log: a line of JSON for each operation and each log message; at a terminal, a readable line."""

import logging
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, WrappedLogger

from app.errors import InternalServerError, OperationTimeout, ServiceUnavailable
from app.observing.output import LineOutput
from app.operations.record import OperationRecord

OPERATION = "operation"
TRACE_ID = slice(3, 35)
OWN_LOGGERS = ("attendance", "uvicorn")
LEVELS = logging.getLevelNamesMapping()
INFO, WARNING, ERROR = "info", "warning", "error"
LEVELS_OF_OUTCOMES = {
    InternalServerError.code: ERROR,
    ServiceUnavailable.code: WARNING,
    OperationTimeout.code: WARNING,
}
# The driver's messages quote the arguments of statements, which must not be logged.
DRIVER = "asyncpg."

Fields = dict[str, Any]


class OperationLog:
    """Writes a line for each finished request: its operation and outcome, never a value, a token or a cursor.

    The level is error for faults of the service, warning for timeouts and unavailability, else info. structlog would
    take a third of the time of a line.
    """

    def __init__(self, output: LineOutput, level: str, *, for_terminal: bool = False) -> None:
        self._output = output
        self._levels = {each for each in (INFO, WARNING, ERROR) if LEVELS[each.upper()] >= LEVELS[level.upper()]}
        self._render = render_for_terminal if for_terminal else render_json

    def write_all(self, records: Sequence[OperationRecord]) -> None:
        levels, render = self._levels, self._render
        leveled = [(record, LEVELS_OF_OUTCOMES.get(record.outcome or "", INFO)) for record in records]
        # Each line is copied at once: what orjson returns lies in a larger block, of which many are slow to allocate.
        lines = [render(describe_operation(record, level)) + b"\n" for record, level in leveled if level in levels]
        self._output.write_all(lines)

    def write_line(self, event: str, fields: Fields) -> None:
        """Write a line at the level info."""
        if INFO in self._levels:
            line = self._render({"timestamp": datetime.now(UTC), "level": INFO, "event": event, **fields})
            self._output.write_all([line + b"\n"])

    @property
    def dropped(self) -> int:
        """How many lines could not be written."""
        return self._output.dropped


def build_handler(output: LineOutput, *, for_terminal: bool) -> logging.Handler:
    """What writes the log messages of this program and its libraries."""
    render = render_for_terminal if for_terminal else render_json
    handler = logging.StreamHandler(output)
    handler.formatter = ProcessorFormatter(
        foreign_pre_chain=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.ExtraAdder(allow=["error_id"]),
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            add_time,
            add_stack,
            lambda _logger, _method, event: render(dict(event)).decode(),
        ],
    )
    return handler


def start_logs(level: str) -> OperationLog:
    """Write all log messages of this process to standard output from now on."""
    for_terminal = sys.stdout.isatty()
    output = LineOutput(sys.stdout.fileno())
    root = logging.getLogger()
    root.handlers = [build_handler(output, for_terminal=for_terminal)]
    root.setLevel(logging.WARNING)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
    return OperationLog(output, level, for_terminal=for_terminal)


def add_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def describe_operation(record: OperationRecord, level: str) -> Fields:
    """The fields of an operation's line."""
    label = record.label
    fields: Fields = {
        "timestamp": datetime.fromtimestamp(record.ended, UTC),
        "level": level,
        "event": OPERATION,
        "request_id": record.request_id,
        "trace_id": record.traceparent and record.traceparent[TRACE_ID],
        "operation": label.name,
        "type": label.type,
        "site": record.site_id,
        "permission": label.permission,
        "duration_ms": int(record.seconds * 1_000_000) / 1000,
        "rows": record.rows,
        "statements": record.statements,
        "reason": record.reason,
        "limit": record.limit,
        "outcome": record.outcome,
        "status": record.status,
        "error_id": record.error_id,
    }
    if record.client is not None:
        fields["client"] = record.client
    return fields


def add_stack(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    failure = event.pop("exc_info", None)
    if failure:
        event["stack"] = describe_failure(failure[1])
    return event


def describe_failure(failure: BaseException) -> str:
    """The stack trace of an exception, after those of its causes."""
    cause = failure.__cause__ or (None if failure.__suppress_context__ else failure.__context__)
    before = f"{describe_failure(cause)}\n\nwhich led to:\n\n" if cause is not None else ""
    return f"{before}{''.join(traceback.format_tb(failure.__traceback__))}{describe_kind(failure)}"


def describe_kind(failure: BaseException) -> str:
    kind = f"{type(failure).__module__}.{type(failure).__qualname__}"
    if kind.startswith(DRIVER):
        state = getattr(failure, "sqlstate", None)
        return f"{kind} (SQLSTATE {state})" if state else kind
    return f"{kind}: {failure}"


def render_json(fields: Fields) -> bytes:
    return orjson.dumps(fields, str, orjson.OPT_UTC_Z)


def render_for_terminal(fields: Fields) -> bytes:
    """A readable line, which begins with the local time."""
    time, level, what = fields.pop("timestamp"), fields.pop("level"), fields.pop("event")
    stack = fields.pop("stack", None)
    others = " ".join(f"{name}={value}" for name, value in fields.items() if value is not None)
    line = f"{time.astimezone():%H:%M:%S} {level:7} {what}  {others}".rstrip()
    return (f"{line}\n{stack}" if stack else line).encode()
