"""What is known of one request for those who watch the service: filled in along its way, looked at when it ends."""

from collections.abc import Sequence
from time import perf_counter, time
from uuid import UUID

from app.attendance.tally import Tally
from app.operations.failures import FormattedError
from app.operations.operation import Label, Operation

DONE = "ok"
COMPILED, REFERENCE = "compiled", "reference"
NOTHING = Label(None, None, None)


class OperationRecord(Tally):
    """One request. What it does not come to stays None.

    `reason` says why it was not run compiled, or why it was stopped or turned away; `limit` names the limit that it is
    beyond. `outcome` is "ok", or the code of its first error, whose id is `error_id` where the service is at fault.
    `seconds` are those from its receipt to its answer, which was at the time `ended`.
    """

    __slots__ = (
        "begun",
        "ended",
        "error_id",
        "limit",
        "operation",
        "outcome",
        "path",
        "reason",
        "request_id",
        "seconds",
        "site_id",
        "status",
        "traceparent",
    )

    def __init__(self, request_id: str | None = None, traceparent: str | None = None) -> None:
        self.statements = 0
        self.rows = 0
        self.request_id = request_id
        self.traceparent = traceparent
        self.operation: Operation | None = None
        self.site_id: UUID | None = None
        self.path: str | None = None
        self.reason: str | None = None
        self.limit: str | None = None
        self.outcome: str | None = None
        self.error_id: str | None = None
        self.status = 0
        self.seconds = 0.0
        self.ended = 0.0
        self.begun = perf_counter()

    @property
    def label(self) -> Label:
        """What the operation is; nothing where there is none."""
        return NOTHING if self.operation is None else self.operation.label

    def mark_received(self) -> None:
        """From here on it is the service that takes its time, not the client."""
        self.begun = perf_counter()

    def note_errors(self, errors: Sequence[FormattedError]) -> None:
        """The first error tells how the operation ended."""
        extensions = errors[0]["extensions"]
        self.outcome = extensions["code"]
        self.error_id = extensions.get("errorId")

    def end(self, outcome: str, status: int) -> None:
        """The answer is ready: `outcome` says how it went, unless that has been noted before."""
        self.seconds = perf_counter() - self.begun
        self.ended = time()
        self.outcome = self.outcome or outcome
        self.status = status
