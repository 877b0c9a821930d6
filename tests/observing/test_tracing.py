"""Traces: a span for each operation and each statement, in the caller's trace, without values; and nothing when off."""

import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import httpx2
import pytest

from app.errors import ConfigurationError
from app.observing.tracing import find_traces_url
from app.settings import load_settings
from app.web.application import build_application
from app.web.monitoring import check_tracing
from tests.observing.conftest import WatchedService
from tests.support.collector import CollectedSpan, run_collector
from tests.support.mutations import SET, make_input
from tests.support.service import SECRET, GraphQLClient
from tests.support.watching import open_log

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"
PAGE = "query Page($x: ID!) { attendances(perspective: {bookingId: $x}) { nodes { id } totalCount } }"
IMPORTED = """
import sys
from app.settings import load_settings
from app.web.application import build_application
given = {"ATTENDANCE_DATABASE_URL": "postgresql://localhost/x", "ATTENDANCE_JWT_SECRET": "x" * 32}
build_application(load_settings(given))
print([name for name in sys.modules if name.startswith("opentelemetry")])
"""

Traced = Callable[[str], AbstractAsyncContextManager[tuple[GraphQLClient, WatchedService]]]


@pytest.fixture
def traced(database_url: str, site_id: UUID) -> Traced:
    """A service whose traces go to a collector's URL."""

    @asynccontextmanager
    async def build(url: str) -> AsyncIterator[tuple[GraphQLClient, WatchedService]]:
        given = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET, "OTLP_ENDPOINT": url}
        settings = load_settings({f"ATTENDANCE_{name}": value for name, value in given.items()})
        with open_log() as (log, reader):
            application = build_application(settings, log=log)
            transport = httpx2.ASGITransport(application)
            async with (
                application.router.lifespan_context(application),
                httpx2.AsyncClient(transport=transport, base_url="http://service.test") as http,
            ):
                watched = WatchedService(application, http, reader)
                yield watched.client(site_id), watched

    return build


def split(spans: list[CollectedSpan]) -> tuple[list[CollectedSpan], list[CollectedSpan]]:
    """The spans of operations, and those of statements."""
    statements = [span for span in spans if "db.query.text" in span.attributes]
    return [span for span in spans if span not in statements], statements


async def test_an_operation_and_its_statements_are_one_branch_of_the_callers_trace(traced: Traced) -> None:
    booking = str(uuid4())
    with run_collector() as collector:
        async with traced(f"{collector.url}/") as (client, _):
            headers = {"traceparent": TRACEPARENT, "X-Request-Id": "mine"}
            await client.post(PAGE, {"x": booking}, **headers)
        [operation], statements = split(collector.spans)
    assert (operation.name, operation.trace_id, operation.parent_id) == ("query", TRACE, PARENT)
    assert operation.attributes == {
        "graphql.operation.name": "Page",
        "graphql.operation.type": "query",
        "http.response.status_code": 200,
        "attendance.request_id": "mine",
        "attendance.outcome": "ok",
    }
    assert operation.resource["service.name"] == "attendance"
    assert [(each.trace_id, each.parent_id) for each in statements] == [(TRACE, operation.span_id)] * 2
    assert sorted(each.attributes["db.response.returned_rows"] for each in statements) == [0, 1]
    assert all("WHERE" in each.attributes["db.query.text"] for each in statements)
    told = b"".join(collector.bodies)
    assert booking.encode() not in told
    assert client.headers["Authorization"].encode() not in told


async def test_below_the_surface_statements_still_belong_to_their_operation(traced: Traced) -> None:
    query = "{ attendances { nodes { booking { attendances { nodes { id } } } } } }"
    with run_collector() as collector:
        async with traced(collector.url) as (client, _):
            await client.data(SET, input=make_input())
            await client.data(query)
        operations, statements = split(collector.spans)
    assert [operation.name for operation in operations] == ["mutation", "query"]
    parents = [operation.span_id for operation in operations]
    assert sorted(parents.index(each.parent_id) for each in statements) == [0, 1, 1]


async def test_a_request_without_a_trace_begins_one_that_its_log_line_names(traced: Traced) -> None:
    with run_collector() as collector:
        async with traced(collector.url) as (client, watched):
            await client.data("{ __typename }")
            await client.post("{ __typename }", traceparent="00-broken-01")
            lines = watched.log.lines()
        operations, _ = split(collector.spans)
    assert [line["trace_id"] for line in lines] == [operation.trace_id for operation in operations]
    assert len({operation.trace_id for operation in operations}) == 2
    assert [operation.parent_id for operation in operations] == ["", ""]


async def test_trouble_is_marked(traced: Traced, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_arguments: Any, **_options: Any) -> None:
        raise RuntimeError("broken")

    with run_collector() as collector:
        async with traced(collector.url) as (client, _):
            await client.run("{")
            monkeypatch.setattr("app.database.pool.Database.fetch_rows", fail)
            await client.run("{ attendances { nodes { id } } }")
            monkeypatch.undo()
        [refused, failed], statements = split(collector.spans)
    assert (refused.is_error, refused.attributes["attendance.outcome"]) == (False, "GRAPHQL_PARSE_FAILED")
    assert (failed.is_error, failed.attributes["attendance.outcome"]) == (True, "INTERNAL_SERVER_ERROR")
    assert {(each.is_error, each.attributes["error.type"]) for each in statements} == {(True, "RuntimeError")}


@pytest.mark.parametrize("is_there", [True, False], ids=["silent", "gone"])
async def test_a_collector_that_does_not_answer_is_soon_given_up(traced: Traced, *, is_there: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if is_there else 1
        async with traced(f"http://127.0.0.1:{port}") as (client, _):
            for _ in range(600):
                await client.data("{ __typename }")
            begin = time.monotonic()
        assert time.monotonic() - begin < 3


def test_opentelemetry_is_not_even_imported_when_traces_are_off() -> None:
    printed = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, check=True, timeout=60)
    assert printed.stdout == b"[]\n"


def test_traces_without_opentelemetry_are_refused_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = load_settings({"ATTENDANCE_OTLP_ENDPOINT": "http://127.0.0.1:1"})
    check_tracing(settings, {})
    monkeypatch.setattr("app.settings.TRACING_MODULES", ("opentelemetry.not_installed",))
    with pytest.raises(ConfigurationError, match=r"attendance-graphql\[tracing\]"):
        check_tracing(settings, {})


@pytest.mark.parametrize(
    ("variables", "endpoint"),
    [
        ({}, None),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs"}, "http://theirs"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces"}, "http://traces"),
        (
            {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://traces", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs"},
            "http://traces",
        ),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs"}, "http://theirs"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://theirs", "ATTENDANCE_OTLP_ENDPOINT": "http://ours"}, "http://ours"),
    ],
)
def test_the_endpoint_is_the_services_own_or_the_standard_one(variables: dict[str, str], endpoint: str | None) -> None:
    assert load_settings(variables).otlp_endpoint == endpoint


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({}, "http://c:4318/v1/traces"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/"}, "http://c:4318/"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://d/otel"}, "http://c:4318/v1/traces"),
    ],
)
def test_an_endpoint_for_traces_alone_is_used_as_it_is(variables: dict[str, str], url: str) -> None:
    assert find_traces_url("http://c:4318/", variables) == url
