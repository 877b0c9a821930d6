"""The log: one line of JSON for each operation and for whatever else is worth telling; at a terminal, for people."""

import logging
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
import structlog
from structlog.stdlib import ProcessorFormatter
from structlog.typing import EventDict, Processor, WrappedLogger

from app.errors import InternalServerError, OperationTimeout, ServiceUnavailable
from app.observing.catalogue import DROPPED_LINES
from app.observing.output import LineOutput
from app.observing.samples import Samples
from app.observing.stacks import describe_failure
from app.operations.record import OperationRecord

OPERATION = "operation"
LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}
TRACE_ID = slice(3, 35)
OWN_LOGGERS = ("attendance", "uvicorn")
WARNINGS = frozenset({ServiceUnavailable.code, OperationTimeout.code})


class OperationLog:
    """Writes a line for each request that ends: what it was and how it went, never a value, a token or a cursor.

    Where the service is at fault its level is error; where it could not answer, warning; else info.
    """

    def __init__(self, output: LineOutput, level: str, *, for_people: bool = False) -> None:
        self._output = output
        self._least = LEVELS[level]
        self._write = write_for_people if for_people else write_json

    def write_all(self, records: Sequence[OperationRecord]) -> None:
        lines = []
        for record in records:
            level = find_level(record)
            if LEVELS[level] >= self._least:
                lines.append(self._write(None, level, describe_operation(level, record)) + b"\n")
        self._output.write_all(lines)

    def sample(self) -> Samples:
        return {(DROPPED_LINES,): self._output.dropped}


class LogHandler(logging.Handler):
    """Writes what this program's libraries and its own modules log."""

    def __init__(self, output: LineOutput, *, for_people: bool) -> None:
        super().__init__()
        self._output = output
        last: list[Processor] = [write_for_people] if for_people else [write_json]
        self.formatter = ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(allow=["error_id"]),
            ],
            processors=[ProcessorFormatter.remove_processors_meta, add_time, add_stack, *last, decode],
        )

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._output.write_all([self.format(record).encode() + b"\n"])
        except Exception:
            self.handleError(record)


def start_logs(level: str) -> OperationLog:
    """Have all that this process logs from now on written to standard output."""
    for_people = sys.stdout.isatty()
    output = LineOutput(sys.stdout.fileno())
    root = logging.getLogger()
    root.handlers = [LogHandler(output, for_people=for_people)]
    root.setLevel(logging.WARNING)
    for name in OWN_LOGGERS:
        logging.getLogger(name).setLevel(level.upper())
    return OperationLog(output, level, for_people=for_people)


def add_time(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    event["timestamp"] = datetime.now(UTC)
    return event


def find_level(record: OperationRecord) -> str:
    if record.outcome == InternalServerError.code:
        return "error"
    return "warning" if record.outcome in WARNINGS else "info"


def describe_operation(level: str, record: OperationRecord) -> EventDict:
    """All that is told of an operation. Its name is what its document says, cut where that is long."""
    label = record.label
    return {
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
        "path": record.path,
        "reason": record.reason,
        "limit": record.limit,
        "outcome": record.outcome,
        "status": record.status,
        "error_id": record.error_id,
    }


def add_stack(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    failure = event.pop("exc_info", None)
    if failure:
        event["stack"] = describe_failure(failure[1])
    return event


def write_json(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    return orjson.dumps(event, default=str, option=orjson.OPT_UTC_Z)


def write_for_people(_logger: WrappedLogger, _method: str, event: EventDict) -> bytes:
    time, level, what = event.pop("timestamp"), event.pop("level"), event.pop("event")
    stack = event.pop("stack", None)
    told = " ".join(f"{name}={value}" for name, value in event.items() if value is not None)
    line = f"{time.astimezone():%H:%M:%S} {level:7} {what}  {told}".rstrip()
    return (f"{line}\n{stack}" if stack else line).encode()


def decode(_logger: WrappedLogger, _method: str, line: Any) -> str:
    return str(line, "utf-8")
