"""The log of streams: a line when one begins, and one when it ends, with what it has given."""

import time

from app.observing.logs import TRACE_ID, Fields, OperationLog
from app.operations.change_stream import ChangeStream
from app.operations.streams import StreamObserver

BEGUN, ENDED = "stream begun", "stream ended"


class StreamLog(StreamObserver):
    """Writes the lines of streams to the log of operations: never a value, a token or a cursor."""

    def __init__(self, log: OperationLog) -> None:
        self._log = log

    def note_begin(self, stream: ChangeStream) -> None:
        self._log.write_line(BEGUN, describe_stream(stream))

    def note_end(self, stream: ChangeStream) -> None:
        assert stream.end_reason is not None
        given: Fields = {
            "duration_ms": int((time.time() - stream.begun_at) * 1000),
            "batches": stream.batches,
            "changes": stream.changes,
            "reason": stream.end_reason.value,
        }
        self._log.write_line(ENDED, {**describe_stream(stream), **given})


def describe_stream(stream: ChangeStream) -> Fields:
    record = stream.record
    return {
        "request_id": record.request_id,
        "trace_id": record.traceparent and record.traceparent[TRACE_ID],
        "operation": record.label.name,
        "site": stream.site_id,
        "transport": stream.transport,
    }
