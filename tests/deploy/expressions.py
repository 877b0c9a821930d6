"""What PromQL expressions name: metrics of the service, and their labels."""

import re
from collections.abc import Iterator

from tests.support.metric_list import METRICS

NAME = re.compile(r"\battendance_\w+")
SELECTOR = re.compile(r"\b(attendance_\w+)\{([^}]*)\}")
GROUPING = re.compile(r"\b(?:by|on) ?\(([^)]*)\)")
# Prometheus adds these to whatever it scrapes.
TARGET_LABELS = {"job", "instance"}

SERIES = {
    name: {*metric.labels, *({"le"} if name.endswith("_bucket") else ())}
    for metric in METRICS
    for name in (
        [metric.name]
        if metric.kind != "histogram"
        else [f"{metric.name}_bucket", f"{metric.name}_sum", f"{metric.name}_count"]
    )
}


def list_unknown(expression: str) -> Iterator[str]:
    """The metrics that the service does not have, and the labels that a metric of the expression does not have."""
    names = set(NAME.findall(expression))
    yield from (name for name in names if name not in SERIES)
    for name, selector in SELECTOR.findall(expression):
        labels = set(re.findall(r"(\w+)\s*(?:=|!)", re.sub(r'"[^"]*"', "", selector)))
        yield from (f"{name}{{{label}}}" for label in labels - SERIES.get(name, set()) - TARGET_LABELS)
    known = TARGET_LABELS.union(*(SERIES.get(name, set()) for name in names))
    for grouping in GROUPING.findall(expression):
        yield from (f"by ({label})" for label in re.findall(r"\w+", grouping) if label not in known)
