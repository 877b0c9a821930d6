"""OpenTelemetry traces: a span for each operation, with a child span for each statement. Neither contains values.

This module is imported only if traces are enabled.
"""

import os
import threading
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple
from uuid import UUID

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.database.pool import Database, ReadsRows, Row
from app.errors import InternalServerError, OperationTimeout, ServiceError, ServiceUnavailable
from app.observing.process import find_version
from app.operations.record import OperationRecord

NAME = "attendance"
EXPORT_SECONDS = 2.0
CLOSE_SECONDS = 0.5
UNKNOWN_OPERATION = "graphql"
TRACE_HEADERS = (b"traceparent", b"tracestate")
FAULTS = frozenset({InternalServerError.code, OperationTimeout.code, ServiceUnavailable.code})

PROPAGATOR = TraceContextTextMapPropagator()


def describe_span(record: OperationRecord) -> None:
    """Set the attributes of the current span from a request's record, and the record's trace to that of the span."""
    span = trace.get_current_span()
    context = span.get_span_context()
    record.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    label = record.label
    attributes = {
        "graphql.operation.name": label.name,
        "graphql.operation.type": label.type,
        "http.response.status_code": record.status,
        "attendance.request_id": record.request_id,
        "attendance.outcome": record.outcome,
        "attendance.reason": record.reason,
    }
    span.set_attributes({name: value for name, value in attributes.items() if value is not None})
    if label.type is not None:
        span.update_name(label.type)
    if record.outcome in FAULTS:
        span.set_status(Status(StatusCode.ERROR, record.outcome))


def end_span(span: trace.Span) -> None:
    if span.is_recording():
        span.end()


class TracedDatabase(Database):
    """A database whose statements have spans with their text, which contains no values, and their row count."""

    def __init__(self, tracer: trace.Tracer, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._tracer = tracer

    def open_reads(self, least_revision: int) -> ReadsRows:
        reads = super().open_reads(least_revision)
        return reads if reads is self else TracedReads(reads, self.trace)

    async def read_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        return await self.trace(text, super().read_rows(text, arguments, site_id))

    async def write_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, is_idempotent: bool
    ) -> list[Row]:
        return await self.trace(text, super().write_rows(text, arguments, site_id, is_idempotent=is_idempotent))

    async def trace(self, text: str, sending: Awaitable[list[Row]]) -> list[Row]:
        with self._tracer.start_as_current_span(
            "postgresql",
            kind=SpanKind.CLIENT,
            attributes={"db.system.name": "postgresql", "db.query.text": text},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                rows = await sending
            except BaseException as failure:
                kind = failure.code if isinstance(failure, ServiceError) else type(failure).__qualname__
                span.set_attribute("error.type", kind)
                span.set_status(Status(StatusCode.ERROR, kind))
                raise
            span.set_attribute("db.response.returned_rows", len(rows))
            return rows


def find_traces_url(endpoint: str, environ: Mapping[str, str]) -> str:
    """Where traces are sent: below the endpoint, or to the one that is for traces alone, as it is.

    Follows "Endpoint URLs for OTLP/HTTP" of OpenTelemetry's specification.
    """
    if environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") == endpoint:
        return endpoint
    return f"{endpoint.rstrip('/')}/v1/traces"


class TracedReads(NamedTuple):
    """The reads of one request, whose statements have spans."""

    reads: ReadsRows
    trace: Callable[[str, Awaitable[list[Row]]], Awaitable[list[Row]]]

    async def read_rows(self, text: str, arguments: Sequence[object], site_id: UUID) -> list[Row]:
        return await self.trace(text, self.reads.read_rows(text, arguments, site_id))


class Tracing:
    """The traces of this process. A thread exports them in batches to an OTLP endpoint over HTTP.

    The environment variables of OpenTelemetry's specification (`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`,
    `OTEL_EXPORTER_OTLP_HEADERS` etc.) apply.
    """

    def __init__(self, endpoint: str) -> None:
        own = Resource({"service.name": NAME, "service.version": find_version()})
        resource = Resource.create().merge(own).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(find_traces_url(endpoint, os.environ), timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self._provider.get_tracer(NAME)

    @contextmanager
    def open_span(self, headers: Mapping[bytes, bytes]) -> Iterator[None]:
        """Open a span for a request inside the block, as a child of the one that its `traceparent` names."""
        carrier = {name.decode(): headers[name].decode("latin-1") for name in TRACE_HEADERS if name in headers}
        parent = PROPAGATOR.extract(carrier)
        with self.tracer.start_as_current_span(
            UNKNOWN_OPERATION,
            parent,
            SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
            end_on_exit=False,
        ) as span:
            try:
                yield
            finally:
                end_span(span)

    @contextmanager
    def leave_span(self) -> Iterator[None]:
        """End the current span before its block ends. What is traced inside this block is in no span."""
        end_span(trace.get_current_span())
        with trace.use_span(trace.INVALID_SPAN):
            yield

    describe_span = staticmethod(describe_span)

    def build_database(self, url: str, **options: Any) -> Database:
        """A database whose statements have spans. `options` are those of `Database`."""
        return TracedDatabase(self.tracer, url, **options)

    def close(self) -> None:
        """Export the remaining spans, within `CLOSE_SECONDS`."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)
