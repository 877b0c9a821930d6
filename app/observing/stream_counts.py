"""Counts streams and what they give, by transport, and how long after its write a change is given."""

from app.observing.metrics import Metrics
from app.operations.change_stream import ChangeStream
from app.operations.streams import ChangeStreams, StreamObserver


class StreamCounts(StreamObserver):
    """The metrics of a process's streams. A transport has samples once it has had a stream.

    Open streams are counted where they are kept.
    """

    def __init__(self, metrics: Metrics, streams: ChangeStreams) -> None:
        text, by = "Open streams of subscriptions.", "transport"
        metrics.gauge_of("attendance_streams", text, lambda: streams.by_transport, by)
        metrics.gauge_of("attendance_streams_limit", "Maximum of open streams.", lambda: streams.most)
        text = "Streams refused because there were too many."
        metrics.counter_of("attendance_streams_refused_total", text, lambda: streams.refused)
        self._batches = metrics.counter("attendance_stream_batches_total", "Batches of changes given to streams.", by)
        self._changes = metrics.counter("attendance_stream_changes_total", "Changes given to streams.", by)
        text = "Seconds from the write of a change to the event of a stream that has it."
        self._lag = metrics.histogram("attendance_stream_lag_seconds", text)
        streams.observers.append(self)

    def note_event(self, stream: ChangeStream, changes: int, lag_seconds: float | None) -> None:
        self._batches.labels(stream.transport).inc()
        self._changes.labels(stream.transport).inc(changes)
        if lag_seconds is not None:
            self._lag.observe(lag_seconds)
