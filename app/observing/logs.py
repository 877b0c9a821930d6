"""The log: a line of JSON for each operation and each log message; at a terminal, a readable line."""

import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.processors import JSONRenderer
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from app.errors import InternalServerError, OperationTimeout, ServiceUnavailable
from app.observing.output import LineOutput
from app.observing.stacks import describe_failure
from app.operations.record import OperationRecord

OPERATION = "operation"
TRACE_ID = slice(3, 35)
OWN_LOGGERS = ("attendance", "uvicorn")
WARNINGS = frozenset({ServiceUnavailable.code, OperationTimeout.code})

write_json = JSONRenderer(orjson.dumps, default=str, option=orjson.OPT_UTC_Z)


class OperationLog:
    """Writes a line for each finished request: its operation and outcome, never a value, a token or a cursor.

    The level is error for faults of the service, warning for timeouts and unavailability, else info.
    """

    def __init__(self, output: LineOutput, level: str, *, for_terminal: bool = False) -> None:
        self._output = output
        self._logger = structlog.wrap_logger(
            structlog.ReturnLogger(),
            [describe_operation, write_for_terminal if for_terminal else write_json],
            structlog.make_filtering_bound_logger(level),
        ).bind()

    def write_all(self, records: Sequence[OperationRecord]) -> None:
        log = self._logger.log
        rendered = (log(find_level(record), OPERATION, record=record) for record in records)
        # Each line is copied at once: what orjson returns lies in a larger block, of which many are slow to allocate.
        self._output.write_all([line + b"\n" for line in rendered if line is not None])

    def write_line(self, event: str, fields: EventDict) -> None:
        """Write a line at the level info."""
        line = self._logger.info(event, **fields)
        if line is not None:
            self._output.write_all([line + b"\n"])

    @property
    def dropped(self) -> int:
        """How many lines could not be written."""
        return self._output.dropped


class LogHandler(logging.Handler):
    """Writes the log messages of this program and its libraries."""

    def __init__(self, output: LineOutput, *, for_terminal: bool) -> None:
        super().__init__()
        self._output = output
        render: Processor = write_for_terminal if for_terminal else write_json
        self.formatter = ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(allow=["error_id"]),
            ],
            processors=[ProcessorFormatter.remove_processors_meta, add_time, add_stack, render, decode],
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._output.write_all([self.format(record).encode() + b"\n"])
        except Exception:
            self.handleError(record)


def start_logs(level: str) -> OperationLog:
    """Write all log messages of this process to standard output from now on."""
    for_terminal = sys.stdout.isatty()
    output = LineOutput(sys.stdout.fileno())
    root = logging.getLogger()
    root.handlers = [LogHandler(output, for_terminal=for_terminal)]
    root.setLevel(logging.WARNING)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
    return OperationLog(output, level, for_terminal=for_terminal)


def add_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def find_level(record: OperationRecord) -> int:
    if record.outcome == InternalServerError.code:
        return logging.ERROR
    return logging.WARNING if record.outcome in WARNINGS else logging.INFO


def describe_operation(_logger: WrappedLogger, level: str, event: EventDict) -> EventDict:
    """The log fields of an operation; those of another event are complete."""
    if event["event"] != OPERATION:
        return {"timestamp": datetime.now(UTC), "level": level, **event}
    record: OperationRecord = event["record"]
    label = record.label
    fields: EventDict = {
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


def write_for_terminal(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    time, level, what = event.pop("timestamp"), event.pop("level"), event.pop("event")
    stack = event.pop("stack", None)
    fields = " ".join(f"{name}={value}" for name, value in event.items() if value is not None)
    line = f"{time.astimezone():%H:%M:%S} {level:7} {what}  {fields}".rstrip()
    return (f"{line}\n{stack}" if stack else line).encode()


def decode(_logger: WrappedLogger, _method: str, line: Any) -> str:
    return str(line, "utf-8")
