"""The record of one request for log, metrics and traces: filled in while it runs, read when it ends."""

import asyncio
from collections.abc import Sequence
from time import perf_counter, time
from typing import Any
from uuid import UUID

from app.attendance.statistics import QueryStatistics
from app.documents.errors import FormattedError
from app.documents.operation import Label, Operation

DONE = "ok"
NO_LABEL = Label(None, None, None)


class OperationRecord(QueryStatistics):
    """The record of one request. Fields of stages that it does not reach stay None.

    `reason` says why the request was stopped or rejected, or why its token was rejected; then `client` is the address
    that it came from. `limit` names the limit that it exceeds, `has_run` says that it was admitted. `outcome` is "ok",
    or the code of its first error, whose id is `error_id` if the service is at fault. `seconds` is the time from the
    receipt of the request, `begun`, to its response; `ended` is the time of the response, in seconds since the epoch.
    `write` is the task of its mutation, which may continue after the response.
    """

    __slots__ = (
        "begun",
        "client",
        "ended",
        "error_id",
        "has_run",
        "limit",
        "operation",
        "outcome",
        "reason",
        "request_id",
        "seconds",
        "site_id",
        "status",
        "traceparent",
        "write",
    )

    def __init__(self, request_id: str | None = None, traceparent: str | None = None) -> None:
        self.statements = 0
        self.rows = 0
        self.revision = 0
        self.request_id = request_id
        self.traceparent = traceparent
        self.operation: Operation | None = None
        self.site_id: UUID | None = None
        self.reason: str | None = None
        self.client: str | None = None
        self.limit: str | None = None
        self.has_run = False
        self.outcome: str | None = None
        self.error_id: str | None = None
        self.write: asyncio.Task[Any] | None = None
        self.status = 0
        self.seconds = 0.0
        self.ended = 0.0
        self.begun = perf_counter()

    @property
    def label(self) -> Label:
        """Name, type and permissions of the operation; all None if there is none."""
        return NO_LABEL if self.operation is None else self.operation.label

    def note_errors(self, errors: Sequence[FormattedError]) -> None:
        """Set the outcome to the code of the first error."""
        extensions = errors[0]["extensions"]
        self.outcome = extensions["code"]
        self.error_id = extensions.get("errorId")

    def end(self, outcome: str, status: int) -> None:
        """Record that the response is ready. `outcome` is used unless an error has set one before."""
        self.seconds = perf_counter() - self.begun
        self.ended = time()
        self.outcome = self.outcome or outcome
        self.status = status
