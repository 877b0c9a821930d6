"""The log lines of streams: one at the begin, one at the end, without values."""

from app.observing.stream_log import StreamLog
from app.operations.record import OperationRecord
from app.operations.response import Response
from app.operations.running import GraphQLRequest
from app.operations.streaming import open_stream
from app.operations.streams import EndReason
from tests.support.changes import STREAM, Site, read_event
from tests.support.watching import open_log

ALWAYS = {"timestamp", "level", "event", "request_id", "trace_id", "operation", "site", "transport"}
AT_THE_END = {"duration_ms", "batches", "changes", "reason"}


async def test_a_stream_has_a_line_at_its_begin_and_one_at_its_end(site: Site) -> None:
    with open_log() as (log, reader):
        site.service.streams.observers.append(StreamLog(log))
        record = OperationRecord("request 1")
        request = GraphQLRequest(STREAM.replace("subscription", "subscription Screen", 1))
        stream = await open_stream(request, site.authenticate, site.service, record, transport="sse")
        assert not isinstance(stream, Response)
        [begun] = reader.lines()
        assert begun.keys() == ALWAYS
        assert (begun["event"], begun["request_id"], begun["operation"]) == ("stream begun", "request 1", "Screen")
        assert (begun["site"], begun["transport"], begun["level"]) == (str(site.site_id), "sse", "info")
        await read_event(stream)
        await site.set("a", "b")
        await read_event(stream)
        stream.close(EndReason.TOKEN_EXPIRED)
        [ended] = reader.lines()
    assert ended.keys() == ALWAYS | AT_THE_END
    assert (ended["event"], ended["reason"]) == ("stream ended", "token expired")
    assert (ended["batches"], ended["changes"]) == (2, 2)


async def test_a_refused_subscription_has_no_line_of_a_stream(site: Site) -> None:
    with open_log() as (log, reader):
        site.service.streams.observers.append(StreamLog(log))
        assert isinstance(await site.open(after="no cursor"), Response)
        assert reader.lines() == []
    assert site.service.streams.count == 0


async def test_a_log_of_warnings_has_no_lines_of_streams(site: Site) -> None:
    with open_log("warning") as (log, reader):
        site.service.streams.observers.append(StreamLog(log))
        stream = await site.stream()
        stream.close()
        assert reader.lines() == []
