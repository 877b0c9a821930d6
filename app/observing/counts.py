"""What this process has done, counted in plain numbers: adding to them costs next to nothing."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence

from app.errors import InternalServerError, OperationTooComplex
from app.observing.catalogue import (
    BUCKETS,
    FAULTS,
    OPERATIONS,
    PATHS,
    REFUSALS,
    ROWS,
    SECONDS_BUCKET,
    SECONDS_SUM,
    STATEMENTS,
)
from app.observing.samples import Samples
from app.operations.record import DONE, OperationRecord

MOST_NAMES = 100
ANONYMOUS, OTHER, UNKNOWN = "anonymous", "other", "unknown"
BOUNDS = (*map(str, BUCKETS), "+Inf")


class Durations:
    """How many operations took how long, by the histogram's buckets, and how long they took together."""

    __slots__ = ("counts", "seconds")

    def __init__(self) -> None:
        self.counts = [0] * len(BOUNDS)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(BUCKETS, seconds)] += 1
        self.seconds += seconds


class OperationCounts:
    """The requests that have ended, by what tells them apart without telling whose they are.

    A name comes from a client, so no more than `MOST_NAMES` are told apart: those that callers with a token were the
    first to use with success.
    """

    def __init__(self) -> None:
        self._names: set[str] = set()
        self._operations: Counter[tuple[str, str, str]] = Counter()
        self._paths: Counter[tuple[str, str]] = Counter()
        self._limits: Counter[str] = Counter()
        self._durations: dict[str, Durations] = {}
        self._faults = 0
        self._statements = 0
        self._rows = 0

    def count_all(self, records: Sequence[OperationRecord]) -> None:
        for record in records:
            self._count(record)

    def _count(self, record: OperationRecord) -> None:
        label = record.label
        kind, outcome = label.type or UNKNOWN, record.outcome or UNKNOWN
        self._operations[self._find_name(label.name, record), kind, outcome] += 1
        durations = self._durations.get(kind)
        if durations is None:
            durations = self._durations[kind] = Durations()
        durations.add(record.seconds)
        if record.path is not None:
            self._paths[record.path, record.reason or ""] += 1
            self._statements += record.statements
            self._rows += record.rows
        if record.error_id is not None or outcome == InternalServerError.code:
            self._faults += 1
        if record.limit is not None or outcome == OperationTooComplex.code:
            self._limits[record.limit or "document"] += 1

    def _find_name(self, name: str | None, record: OperationRecord) -> str:
        if name is None:
            return ANONYMOUS
        if name in self._names:
            return name
        if len(self._names) < MOST_NAMES and record.site_id is not None and record.outcome == DONE:
            self._names.add(name)
            return name
        return OTHER

    def sample(self) -> Samples:
        """All counts so far."""
        samples: Samples = {(FAULTS,): self._faults, (STATEMENTS,): self._statements, (ROWS,): self._rows}
        samples |= {(OPERATIONS, *labels): count for labels, count in self._operations.items()}
        samples |= {(PATHS, *labels): count for labels, count in self._paths.items()}
        samples |= {(REFUSALS, limit): count for limit, count in self._limits.items()}
        for kind, durations in self._durations.items():
            samples |= {(SECONDS_BUCKET, kind, bound): n for bound, n in zip(BOUNDS, durations.counts, strict=True)}
            samples[SECONDS_SUM, kind] = durations.seconds
        return samples
