"""The metrics of the service. prometheus_client keeps them, adds them up over processes and writes them.

None of them identifies a site.
"""

from bisect import bisect_left
from collections import Counter as Sums
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from app.observing.sharing import SharedFiles, count_in_memory

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# Reads a number that is kept elsewhere; for a metric with a label, a number for each value of the label.
Source = Callable[[], float | Mapping[str, float]]
# What the gauge of a service is: the sum of all running processes, or the least or the most of them.
Mode = Literal["livesum", "livemin", "livemax"]

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The metrics of this process or, with a directory that several share, of all processes of the service.

    `refresh` updates the metrics that have a source. Counters and histograms include processes that have ended.
    """

    def __init__(self, shared_directory: Path | None = None) -> None:
        count_in_memory()
        self._shared = None if shared_directory is None else SharedFiles(shared_directory)
        # For the client, a counter and a gauge have the same name if they differ by `_total` alone.
        self.counts, self.states = CollectorRegistry(), CollectorRegistry()
        self._sources: list[tuple[Counter | Gauge, Source]] = []
        self._counted: dict[Counter, float] = {}

    @property
    def is_shared(self) -> bool:
        return self._shared is not None

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """Add a counter that the caller increments."""
        return Counter(name, text, labels, registry=self.counts)

    def gauge(self, name: str, text: str, *labels: str, mode: Mode = "livesum") -> Gauge:
        """Add a gauge that the caller sets."""
        return Gauge(name, text, labels, registry=self.states, multiprocess_mode=mode)

    def histogram(self, name: str, text: str, *labels: str) -> "BatchHistogram":
        """Add a histogram of seconds that the caller observes."""
        return BatchHistogram(name, text, labels, registry=self.counts, buckets=BUCKETS)

    def counter_of(self, name: str, text: str, source: Source, *labels: str) -> None:
        """Add a counter that follows a number."""
        self._sources.append((self.counter(name, text, *labels), source))

    def gauge_of(self, name: str, text: str, source: Source, *labels: str, mode: Mode = "livesum") -> None:
        """Add a gauge that shows a number."""
        self._sources.append((self.gauge(name, text, *labels, mode=mode), source))

    def refresh(self) -> None:
        """Update the metrics that have a source."""
        for metric, source in self._sources:
            value = source()
            if isinstance(value, Mapping):
                for label, number in value.items():
                    self._update(metric.labels(label), number)
            else:
                self._update(metric, value)

    def _update(self, metric: Counter | Gauge, value: float) -> None:
        if isinstance(metric, Gauge):
            metric.set(value)
        else:
            metric.inc(value - self._counted.get(metric, 0))
            self._counted[metric] = value

    def write(self) -> bytes:
        """The current metrics in the format of `MEDIA_TYPE`. Raises OSError if the shared directory is gone."""
        self.refresh()
        if self._shared is not None:
            return generate_latest(self._shared)
        return generate_latest(self.counts) + generate_latest(self.states)

    def close(self) -> None:
        """Publish the last numbers."""
        self.refresh()
        if self._shared is not None:
            self._shared.close()


class BatchHistogram(Histogram):
    """A histogram that observes many amounts with one lock for each bucket, instead of two for each amount."""

    def observe_all(self, amounts: Sequence[float]) -> None:
        """Count each amount in its bucket, and add all of them to the sum."""
        self._raise_if_not_observable()  # type: ignore[no-untyped-call]
        self._sum.inc(sum(amounts))
        for bucket, number in Sums(bisect_left(self._upper_bounds, amount) for amount in amounts).items():
            self._buckets[bucket].inc(number)
