"""What is counted at a moment: a number for each metric and its labels."""

from collections import defaultdict
from collections.abc import Callable, Iterable

from app.observing.catalogue import METRICS, SECONDS_BUCKET, SECONDS_SUM, Kind

Samples = dict[tuple[str, ...], float]
Source = Callable[[], Samples]

KINDS = {metric.name: metric.kind for metric in METRICS} | dict.fromkeys((SECONDS_BUCKET, SECONDS_SUM), Kind.HISTOGRAM)
LASTING = (Kind.COUNTER, Kind.HISTOGRAM)


def gather(sources: Iterable[Source]) -> Samples:
    """The numbers of all sources, which have none in common."""
    return {key: value for source in sources for key, value in source().items()}


def add_up(running: Iterable[Samples], ended: Samples) -> Samples:
    """The numbers of several processes together: those that run, and what is kept of those that have ended."""
    total: defaultdict[tuple[str, ...], float] = defaultdict(int, ended)
    for samples in running:
        for key, value in samples.items():
            if KINDS[key[0]] is Kind.FACT:
                total[key] = value
            else:
                total[key] += value
    return dict(total)


def keep_lasting(samples: Samples) -> Samples:
    """What is kept of a process that has ended."""
    return {key: value for key, value in samples.items() if KINDS[key[0]] in LASTING}
