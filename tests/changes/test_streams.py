"""Streams of changes: what they give, when they are silent, what they share, and how they end."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import orjson
import pytest

from app.attendance import watching
from app.attendance.transfer.site import erase_site
from app.operations.change_stream import ChangeStream
from app.operations.response import Outcome, Response
from app.operations.running import GraphQLRequest, run_request
from app.operations.streams import EndReason
from app.schema.permissions import Permission
from tests.support.changes import STREAM, Site, list_kinds, read_event
from tests.support.service import RecordingDatabase

SECONDS = 5
SILENCE = 0.6  # longer than two polls


async def next_event(stream: ChangeStream) -> Any:
    async with asyncio.timeout(SECONDS):
        return await read_event(stream)


async def start(site: Site, query: str = STREAM, **variables: Any) -> ChangeStream:
    """A stream whose first event, which is empty, has been read."""
    stream = await site.stream(query, **variables)
    assert (await next_event(stream))["changes"] == []
    return stream


async def is_silent(stream: ChangeStream) -> bool:
    try:
        await asyncio.wait_for(anext(stream), SILENCE)
    except TimeoutError:
        return True
    return False


@asynccontextmanager
async def other_process(site: Site, database_url: str) -> AsyncIterator[Site]:
    """The same site, written to by a service that does not know the streams of this one."""
    database = RecordingDatabase(database_url, pool_size=1)
    await database.open()
    documents = site.service.documents
    yield Site(type(site.service)(documents, database, ""), site.site_id)
    await database.close()


async def test_a_stream_begins_with_a_cursor_and_gives_what_changes_from_then_on(site: Site) -> None:
    (before,) = await site.set("before")
    stream = await site.stream()
    first = await next_event(stream)
    assert (first["changes"], first["hasMore"]) == ([], False)
    (record,) = await site.set("first")
    assert list_kinds((await next_event(stream))["changes"]) == [(record, "SET")]
    await site.delete(before)
    batch = await next_event(stream)
    assert list_kinds(batch["changes"]) == [(before, "DELETED")]
    assert batch["changes"][0]["attendance"] is None
    assert (await site.changes(first["cursor"]))["changes"][-1]["attendanceId"] == before
    assert (await site.changes(batch["cursor"]))["changes"] == []


async def test_a_stream_goes_on_from_a_cursor_in_batches_of_100_with_exact_has_more(site: Site) -> None:
    cursor = (await site.changes())["cursor"]
    for part in range(3):
        await site.set(*(f"{part} {n}" for n in range(67)))
    stream = await site.stream(after=cursor)
    batches = [await next_event(stream) for _ in range(3)]
    assert [(len(batch["changes"]), batch["hasMore"]) for batch in batches] == [(100, True), (100, True), (1, False)]
    assert len({change["attendanceId"] for batch in batches for change in batch["changes"]}) == 201
    assert await is_silent(stream)


async def test_the_first_event_comes_at_once_if_nothing_has_changed_since_the_cursor(site: Site) -> None:
    await site.set("session")
    cursor = (await site.changes())["cursor"]
    stream = await site.stream(after=cursor)
    assert (await next_event(stream)) == {"changes": [], "cursor": cursor, "hasMore": False}


async def test_a_stream_is_silent_about_what_others_look_at(site: Site) -> None:
    mine, other = uuid4(), uuid4()
    stream = await start(site, perspective={"bookingId": str(mine)})
    session = await start(site, perspective={"sessionId": "b"})
    await site.set("a", booking=other)
    assert await is_silent(stream)
    assert await is_silent(session)
    (record,) = await site.set("b", booking=mine)
    assert list_kinds((await next_event(stream))["changes"]) == [(record, "SET")]
    assert list_kinds((await next_event(session))["changes"]) == [(record, "SET")]
    await site.set("b", booking=mine)
    assert await is_silent(stream), "a set that changes nothing"


async def test_a_write_of_another_process_arrives_with_the_next_poll(site: Site, database_url: str) -> None:
    stream = await start(site)
    async with other_process(site, database_url) as other:
        (record,) = await other.set("session")
        assert list_kinds((await next_event(stream))["changes"]) == [(record, "SET")]


async def test_own_writes_wake_a_stream_without_a_poll(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 3600)
    stream = await start(site)
    (record,) = await site.set("session")
    assert list_kinds((await next_event(stream))["changes"]) == [(record, "SET")]


NESTED = """attendanceChanges { changes { attendance {
  booking { attendances(first: $size) { nodes { sessionId } } } } } }"""


async def test_what_is_nested_in_an_event_is_answered_as_in_a_query(site: Site) -> None:
    selection = """attendanceChanges(after: $after) { changes { kind attendance { id
      booking { attendances(first: $size) { nodes { sessionId } } } } } hasMore }"""
    cursor = (await site.changes())["cursor"]
    first, _ = await site.set("a", "b")
    await site.delete(first)
    for size in (1, -1):
        request = GraphQLRequest(
            f"query($after: String, $size: Int) {{ {selection} }}", None, {"after": cursor, "size": size}
        )
        answer = orjson.loads((await run_request(request, site.authenticate, site.service)).body)
        stream = await site.stream(
            f"subscription($after: String, $size: Int) {{ {selection} }}", after=cursor, size=size
        )
        event = orjson.loads(await anext(stream))
        for error in [*answer.get("errors", ()), *event.get("errors", ())]:
            del error["locations"]
        assert event == answer
        assert ("errors" in event) == (size == -1)


async def test_variables_that_the_operation_does_not_declare_are_ignored_at_any_depth(site: Site) -> None:
    deep = orjson.loads("[" * 900 + "]" * 900)
    stream = await start(site, f"subscription($size: Int) {{ {NESTED} }}", size=1, deep=deep)
    await site.set("session")
    [change] = (await next_event(stream))["changes"]
    assert change["attendance"]["booking"]["attendances"]["nodes"] == [{"sessionId": "session"}]


async def test_streams_that_ask_for_the_same_thing_share_a_statement(site: Site, database: RecordingDatabase) -> None:
    perspective = {"sessionId": "session"}
    streams = [await start(site, perspective=perspective) for _ in range(20)]
    waiting = [asyncio.create_task(read_event(stream)) for stream in streams]
    await asyncio.sleep(0.1)
    with database.recording() as sent:
        (record,) = await site.set("session")
        async with asyncio.timeout(SECONDS):
            events = await asyncio.gather(*waiting)
    assert all(list_kinds(event["changes"]) == [(record, "SET")] for event in events)
    of_site = [statement for statement in sent if statement.site_id == site.site_id and "INSERT" not in statement.text]
    batches = [
        statement for statement in of_site if "pruned_through" in statement.text and "unnest" not in statement.text
    ]
    assert len([each for each in batches if "LIMIT 1001" in each.text]) == 1, "what has changed"
    assert len([each for each in batches if "LIMIT 101" in each.text]) == 1, "the batch"


async def test_idle_streams_cost_one_statement_a_poll(
    site: Site, database: RecordingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "POLL_SECONDS", 0.05)
    sites = [Site(site.service, uuid4()) for _ in range(10)]
    streams = [await start(each) for each in sites for _ in range(5)]
    waiting = [asyncio.create_task(read_event(stream)) for stream in streams]
    await asyncio.sleep(0.1)
    with database.recording() as sent:
        await asyncio.sleep(0.5)
    assert {"site_revision" in statement.text for statement in sent} == {True}
    assert 2 <= len(sent) <= 11
    for task in waiting:
        task.cancel()


async def test_polling_ends_with_the_last_stream(site: Site, database: RecordingDatabase) -> None:
    stream = await start(site)
    stream.close()
    await asyncio.sleep(SILENCE)
    with database.recording() as sent:
        await asyncio.sleep(SILENCE)
    assert sent == []


async def test_a_wait_that_is_cancelled_loses_nothing(site: Site) -> None:
    mine, records = uuid4(), []
    stream = await start(site, perspective={"bookingId": str(mine)})
    seen: list[Any] = []

    async def write() -> None:
        for n in range(40):
            await site.set(f"other {n}")
            records.append((await site.set(str(n), booking=mine))[0])

    writing = asyncio.create_task(write())
    while len(seen) < 40:
        try:
            seen += (await asyncio.wait_for(read_event(stream), 0.004))["changes"]
        except TimeoutError:
            assert not writing.done() or len(records) == 40
    await writing
    assert [change["attendanceId"] for change in seen] == records


async def test_a_slow_reader_gets_the_latest_states_in_few_batches(site: Site) -> None:
    booking = uuid4()
    stream = await start(site)
    for n in range(30):
        await site.set("a", "b", booking=booking, status=["ATTENDED", "NOT_ATTENDED", "NOT_SET"][n % 3])
    batch = await next_event(stream)
    assert [change["attendance"]["status"] for change in batch["changes"]] == ["NOT_SET"] * 2
    assert await is_silent(stream)


async def test_a_stream_ends_when_its_token_expires(site: Site) -> None:
    stream = await Site(site.service, site.site_id, expires_at=time.time() + 0.5).stream()
    await next_event(stream)
    async with asyncio.timeout(SECONDS):
        assert [event async for event in stream] == []
    assert stream.end_reason is EndReason.TOKEN_EXPIRED
    assert site.service.streams.count == 0


async def test_all_streams_end_at_a_shutdown(site: Site) -> None:
    streams = [await start(site) for _ in range(3)]
    waiting = [asyncio.create_task(anext(stream, None)) for stream in streams]
    await asyncio.sleep(0)
    site.service.streams.end_all()
    async with asyncio.timeout(SECONDS):
        assert await asyncio.gather(*waiting) == [None] * 3
    assert {stream.end_reason for stream in streams} == {EndReason.SHUT_DOWN}
    assert site.service.streams.count == 0


async def test_a_closed_stream_frees_what_it_held(site: Site) -> None:
    streams = site.service.streams
    stream = await Site(site.service, site.site_id, expires_at=time.time() + 3600).stream()
    assert (streams.count, dict(streams.by_transport)) == (1, {"test": 1})
    stream.close()
    stream.close()
    assert streams.count == 0
    watch = streams.watch(site.service.database)
    assert not any((streams._by_site, streams._expiring, watch._sites))  # noqa: SLF001 (what must not grow)
    assert await anext(stream, None) is None


async def test_a_site_has_all_places_until_others_want_some(site: Site) -> None:
    streams = site.service.streams
    streams.most = 4
    other = Site(site.service, uuid4())
    mine = [await start(site) for _ in range(4)]
    await refuse(site, Outcome.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    theirs = [await start(other) for _ in range(2)]
    assert [stream.end_reason for stream in mine] == [None, None, EndReason.PUSHED_OUT, EndReason.PUSHED_OUT]
    for each in (site, other, Site(site.service, uuid4())):
        await refuse(each, Outcome.UNAVAILABLE, "SERVICE_UNAVAILABLE")
    theirs[0].close()
    await start(site)
    assert streams.count == 4


async def refuse(site: Site, outcome: Outcome, code: str, query: str = STREAM, **variables: Any) -> None:
    """A subscription that is refused with this outcome and code."""
    response = await site.open(query, **variables)
    assert isinstance(response, Response)
    errors = orjson.loads(response.body)["errors"]
    assert (response.outcome, [error["extensions"]["code"] for error in errors]) == (outcome, [code])


@pytest.mark.parametrize(
    ("query", "variables", "outcome", "code"),
    [
        ("subscription {", {}, Outcome.REFUSED, "GRAPHQL_PARSE_FAILED"),
        ("subscription { nothing }", {}, Outcome.REFUSED, "GRAPHQL_VALIDATION_FAILED"),
        ("subscription { __typename }", {}, Outcome.REFUSED, "GRAPHQL_VALIDATION_FAILED"),
        (
            STREAM.replace("{ changes", "{ a: __typename } b: attendanceChanges { changes", 1),
            {},
            Outcome.REFUSED,
            "GRAPHQL_VALIDATION_FAILED",
        ),
        (STREAM, {"after": 1}, Outcome.REFUSED, "BAD_USER_INPUT"),
        (STREAM, {"perspective": {}}, Outcome.REFUSED, "BAD_USER_INPUT"),
        (STREAM, {"perspective": {"bookingId": "x"}}, Outcome.EXECUTED, "BAD_USER_INPUT"),
        (STREAM, {"after": "no cursor"}, Outcome.EXECUTED, "CURSOR_INVALID"),
        (
            "subscription($no: Boolean!) { attendanceChanges @include(if: $no) { cursor } }",
            {"no": False},
            Outcome.REFUSED,
            "GRAPHQL_VALIDATION_FAILED",
        ),
    ],
)
async def test_what_is_wrong_with_a_subscription_is_answered_as_for_a_query(
    site: Site, query: str, variables: dict[str, Any], outcome: Outcome, code: str
) -> None:
    await refuse(site, outcome, code, query, **variables)
    assert site.service.streams.count == 0


async def test_a_subscription_needs_the_permission_to_read(site: Site) -> None:
    await refuse(Site(site.service, site.site_id, frozenset()), Outcome.FORBIDDEN, "FORBIDDEN")
    await start(Site(site.service, site.site_id, frozenset({Permission.READ})))


async def test_other_operations_are_run_and_answered(site: Site) -> None:
    response = await site.open("{ attendances { totalCount } }")
    assert isinstance(response, Response)
    assert orjson.loads(response.body) == {"data": {"attendances": {"totalCount": 0}}}


async def test_a_subscription_without_a_stream_is_refused_with_the_transports(site: Site) -> None:
    request = GraphQLRequest(STREAM)
    response = await run_request(request, site.authenticate, site.service)
    assert response.outcome is Outcome.SUBSCRIPTION_REFUSED
    message = orjson.loads(response.body)["errors"][0]["message"]
    assert all(each in message for each in ("text/event-stream", "multipart/mixed", "graphql-transport-ws"))


async def test_a_stream_that_is_left_behind_by_pruning_ends_with_an_error(site: Site) -> None:
    await site.set("a")
    stream = await start(site)
    async with site.service.database.connection(site.site_id) as connection:
        await connection.execute(
            "UPDATE site_revision SET revision = 9, deletions_pruned_through = 9 WHERE site_id = $1", site.site_id
        )
    await site.set("c")
    async with asyncio.timeout(SECONDS):
        events = [orjson.loads(event) async for event in stream]
    assert [event["errors"][0]["extensions"]["code"] for event in events] == ["CURSOR_EXPIRED"]
    assert stream.end_reason is EndReason.FAILED


async def test_a_stream_ends_when_the_database_is_set_back(site: Site) -> None:
    for n in range(3):
        await site.set(str(n))
    stream = await start(site)
    async with site.service.database.connection(site.site_id) as connection:
        await connection.execute("UPDATE site_revision SET revision = 1 WHERE site_id = $1", site.site_id)
    async with asyncio.timeout(SECONDS):
        events = [orjson.loads(event) async for event in stream]
    assert [event["errors"][0]["extensions"]["code"] for event in events] == ["CURSOR_EXPIRED"]


@pytest.mark.parametrize("perspective", [None, {"bookingId": str(uuid4())}, {"sessionId": "another"}])
async def test_a_stream_ends_when_its_site_is_erased_even_if_nothing_is_written_after_that(
    site: Site, perspective: dict[str, str] | None
) -> None:
    await site.set("a")
    stream = await start(site, perspective=perspective)
    await erase_site(site.service.database, site.site_id)
    async with asyncio.timeout(SECONDS):
        events = [orjson.loads(event) async for event in stream]
    assert [event["errors"][0]["extensions"]["code"] for event in events] == ["CURSOR_EXPIRED"]
