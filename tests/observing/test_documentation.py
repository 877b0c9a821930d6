"""docs/operations.md names what there is: every metric and every log field, and nothing else."""

import re
from pathlib import Path
from uuid import UUID

from app.database.privileges import SERVICE_ROLE
from tests.observing.conftest import WatchedService
from tests.support.metric_list import METRICS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
METRIC_ROWS = re.findall(r"^\| `(attendance_\w+)` \| (\w+) \| ([^|]*?) ?\|", TEXT, re.MULTILINE)
FIELD_ROWS = re.findall(r"^\| `([a-z_]+)` \| ", TEXT[: TEXT.index("### Metrics")], re.MULTILINE)
BOTH_KINDS_OF_LINES = {"timestamp", "level", "event"}


def test_every_metric_is_in_the_table_with_its_kind_and_labels() -> None:
    documented = [(name, kind, tuple(re.findall(r"`(\w+)`", labels))) for name, kind, labels in METRIC_ROWS]
    assert sorted(documented) == sorted((metric.name, metric.kind, metric.labels) for metric in METRICS)


def test_no_metric_is_named_that_there_is_not() -> None:
    names = {metric.name for metric in METRICS}
    named = {re.sub(r"_bucket$", "", name) for name in re.findall(r"\battendance_\w+", TEXT)}
    assert named - {SERVICE_ROLE} == names


def test_labels_are_used_as_they_are() -> None:
    labels = {metric.name: set(metric.labels) for metric in METRICS}
    for name, selector in re.findall(r"(attendance_\w+?)(?:_bucket)?\{([^}]*)\}", TEXT):
        assert set(re.findall(r"(\w+)(?:=|!)", selector)) <= labels[name]


async def test_every_field_of_a_line_is_in_the_table(watched: WatchedService, site_id: UUID) -> None:
    await watched.client(site_id).data("{ attendances { totalCount } }")
    [line] = watched.log.lines()
    assert line.keys() == BOTH_KINDS_OF_LINES | set(FIELD_ROWS)
