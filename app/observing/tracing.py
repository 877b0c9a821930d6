"""Traces by OpenTelemetry: a span for each operation, and below it one for each statement, both without any values.

This module is imported only where traces are wanted.
"""

import threading
from collections.abc import Awaitable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.database.pool import Database, Row
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
    """Tell the span around a request what it was. The record belongs to that span's trace from now on."""
    span = trace.get_current_span()
    context = span.get_span_context()
    record.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"
    label = record.label
    described = {
        "graphql.operation.name": label.name,
        "graphql.operation.type": label.type,
        "http.response.status_code": record.status,
        "attendance.request_id": record.request_id,
        "attendance.outcome": record.outcome,
        "attendance.path": record.path,
        "attendance.reason": record.reason,
    }
    span.set_attributes({name: value for name, value in described.items() if value is not None})
    if label.type is not None:
        span.update_name(label.type)
    if record.outcome in FAULTS:
        span.set_status(Status(StatusCode.ERROR, record.outcome))


class TracedDatabase(Database):
    """A database each of whose statements has a span: its text, which holds no values, and how many rows came back."""

    def __init__(self, tracer: trace.Tracer, url: str, **options: Any) -> None:
        super().__init__(url, **options)
        self._tracer = tracer

    async def read_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, may_lag: bool = False
    ) -> list[Row]:
        return await self._trace(text, super().read_rows(text, arguments, site_id, may_lag=may_lag))

    async def write_rows(
        self, text: str, arguments: Sequence[object], site_id: UUID, *, is_idempotent: bool
    ) -> list[Row]:
        return await self._trace(text, super().write_rows(text, arguments, site_id, is_idempotent=is_idempotent))

    async def _trace(self, text: str, sending: Awaitable[list[Row]]) -> list[Row]:
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


class Tracing:
    """The traces of this process, which go to an OTLP endpoint over HTTP, in batches, by a thread of their own.

    The variables that OpenTelemetry's specification names (`OTEL_SERVICE_NAME`, `OTEL_TRACES_SAMPLER`,
    `OTEL_EXPORTER_OTLP_HEADERS` and the like) hold, too.
    """

    def __init__(self, endpoint: str) -> None:
        own = Resource({"service.name": NAME, "service.version": find_version()})
        resource = Resource.create().merge(own).merge(OTELResourceDetector().detect())
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        exporter = OTLPSpanExporter(f"{endpoint.rstrip('/')}/v1/traces", timeout=EXPORT_SECONDS)
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
        self.tracer = self._provider.get_tracer(NAME)

    @contextmanager
    def open_span(self, headers: Mapping[bytes, bytes]) -> Iterator[None]:
        """A span around the answer to a request, below the one that its `traceparent` names."""
        carrier = {name.decode(): headers[name].decode("latin-1") for name in TRACE_HEADERS if name in headers}
        parent = PROPAGATOR.extract(carrier)
        with self.tracer.start_as_current_span(
            UNKNOWN_OPERATION, parent, SpanKind.SERVER, record_exception=False, set_status_on_exception=False
        ):
            yield

    describe_span = staticmethod(describe_span)

    def build_database(self, url: str, **options: Any) -> Database:
        """A database whose statements have spans; `options` are those of any database."""
        return TracedDatabase(self.tracer, url, **options)

    def close(self) -> None:
        """Send what has not been sent yet, as long as that takes no time to speak of."""
        sending = threading.Thread(target=self._provider.shutdown, daemon=True)
        sending.start()
        sending.join(CLOSE_SECONDS)
