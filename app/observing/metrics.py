"""The metrics in Prometheus's text format, of this process or of all that serve together."""

from collections.abc import Callable, Iterable, Iterator

from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from app.observing.catalogue import METRICS, SECONDS_BUCKET, SECONDS_SUM, Kind, Metric
from app.observing.counts import BOUNDS
from app.observing.samples import Samples, Source, gather
from app.observing.sharing import SharedNumbers

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class Metrics:
    """The numbers of several sources, which `refresh` brings up to date. With `shared`, those of all processes."""

    def __init__(
        self, refresh: Callable[[], None], sources: Iterable[Source], shared: SharedNumbers | None = None
    ) -> None:
        self._refresh = refresh
        self._sources = tuple(sources)
        self._shared = shared

    def publish(self) -> None:
        """Let the other processes see this one's numbers. They are read where those are, so call it once a second."""
        if self._shared is not None:
            self._shared.write(self._gather())

    def close(self) -> None:
        """Let the others see the last numbers. Raises OSError where they cannot."""
        if self._shared is not None:
            try:
                self.publish()
            finally:
                self._shared.close()

    def _gather(self) -> Samples:
        self._refresh()
        return gather(self._sources)

    def write(self) -> bytes:
        """The metrics of this moment, as `MEDIA_TYPE` has them.

        What is told of this process is published, so that no other process tells of less a moment later.
        """
        samples = self._gather()
        if self._shared is not None:
            self._shared.write(samples)
            samples = self._shared.add_others(samples)
        return generate_latest(SampleCollector(samples))


class SampleCollector(Collector):
    """Numbers as the Prometheus client collects them."""

    def __init__(self, samples: Samples) -> None:
        self._samples = sorted(samples.items())

    def collect(self) -> Iterator[Family]:
        for metric in METRICS:
            if metric.kind is Kind.HISTOGRAM:
                yield self._build_histogram(metric)
            else:
                kind = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
                family = kind(metric.name, metric.help, labels=metric.labels)
                for labels, value in self._list_of(metric.name):
                    family.add_metric(labels, value)
                yield family

    def _list_of(self, name: str) -> Iterator[tuple[tuple[str, ...], float]]:
        return ((key[1:], value) for key, value in self._samples if key[0] == name)

    def _build_histogram(self, metric: Metric) -> Family:
        family = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
        counts = dict(self._list_of(SECONDS_BUCKET))
        for labels, seconds in self._list_of(SECONDS_SUM):
            so_far = 0.0
            buckets = []
            for bound in BOUNDS:
                so_far += counts[*labels, bound]
                buckets.append((bound, so_far))
            family.add_metric(labels, buckets, seconds)
        return family
