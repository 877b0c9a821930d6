"""The metrics that the service has, as docs, alerts and dashboards name them."""

from typing import Any, NamedTuple

from app.database.pool import Database
from app.operations.streams import ChangeStreams
from app.web.load.admission import Admission
from app.web.load.connections import ConnectionLimits, Load
from app.web.load.in_flight_requests import InFlightRequests
from app.web.metrics import build_metrics
from app.web.readiness import Readiness


class Metric(NamedTuple):
    """A metric by the name of its samples, or by that which a histogram's samples begin with."""

    name: str
    kind: str
    text: str
    labels: tuple[str, ...]


def list_metrics() -> list[Metric]:
    """All metrics."""
    database = Database("postgresql://nobody@127.0.0.1:1/nothing", pool_size=1, row_security=True)
    readiness = Readiness(database, InFlightRequests())
    load = Load(Admission(1, 1, 50), ConnectionLimits(), ChangeStreams())
    metrics, _ = build_metrics(readiness, load, None, None)
    added: list[Any] = [*metrics.counts._collector_to_names, *metrics.states._collector_to_names]  # noqa: SLF001 (no other way tells their labels)
    return [describe(family, metric._labelnames) for metric in added for family in metric.describe()]  # noqa: SLF001


def describe(family: Any, labels: tuple[str, ...]) -> Metric:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    return Metric(name, family.type, family.documentation, tuple(labels))


METRICS = list_metrics()
