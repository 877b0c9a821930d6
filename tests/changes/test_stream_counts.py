"""The metrics of streams: how many there are, what they give, and how long after its write a change is given."""

from app.observing.metrics import Metrics
from app.observing.stream_counts import StreamCounts
from app.operations.response import Response
from tests.support.changes import Site, read_event
from tests.support.watching import Numbers, read_numbers


def read(metrics: Metrics) -> Numbers:
    return read_numbers(metrics.write().decode())


async def test_streams_are_counted_by_transport_with_what_they_give(site: Site) -> None:
    streams = site.service.streams
    streams.most = 2
    metrics = Metrics()
    StreamCounts(metrics, streams)
    first, second = await site.stream(), await site.stream()
    assert isinstance(await site.open(), Response)
    await read_event(first)
    await site.set("a", "b")
    await read_event(first)
    numbers = read(metrics)
    assert numbers["attendance_streams", "test"] == 2
    assert (numbers["attendance_streams_limit",], numbers["attendance_streams_refused_total",]) == (2, 1)
    assert numbers["attendance_stream_batches_total", "test"] == 2
    assert numbers["attendance_stream_changes_total", "test"] == 2
    assert numbers["attendance_stream_lag_seconds_count",] == 1
    assert 0 < numbers["attendance_stream_lag_seconds_sum",] < 60
    first.close()
    second.close()
    assert read(metrics)["attendance_streams", "test"] == 0
