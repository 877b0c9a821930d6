"""deploy/prometheus: alerts that Prometheus accepts, over metrics that there are, documented one by one."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.expressions import list_unknown

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy" / "prometheus"
RULES = FOLDER / "attendance.rules.yml"
TESTS = FOLDER / "attendance.rules_test.yml"
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PROMTOOL = shutil.which("promtool")
needs_promtool = pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian's package prometheus)")


def read_alerts() -> list[dict[str, Any]]:
    content = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return [rule for group in content["groups"] for rule in group["rules"]]


ALERTS = read_alerts()


def run_promtool(*arguments: str) -> None:
    assert PROMTOOL
    ended = subprocess.run([PROMTOOL, *arguments], cwd=FOLDER, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    run_promtool("check", "rules", RULES.name)


@needs_promtool
def test_the_alerts_fire_when_they_should_and_only_then() -> None:
    run_promtool("test", "rules", TESTS.name)


def test_there_are_alerts_of_both_severities() -> None:
    assert {alert["labels"]["severity"] for alert in ALERTS} == {"page", "ticket"}


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert["alert"])
def test_an_alert_is_over_metrics_and_labels_of_the_service(alert: dict[str, Any]) -> None:
    assert list(list_unknown(alert["expr"])) == []
    assert alert["annotations"]["summary"]


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("rate(attendance_nothing_total[5m])", ["attendance_nothing_total"]),
        ("attendance_operation_seconds", ["attendance_operation_seconds"]),
        ('attendance_workers{server="primary"}', ["attendance_workers{server}"]),
        ("sum by (site) (attendance_workers)", ["by (site)"]),
        ('sum by (le) (attendance_operation_seconds_bucket{type="query", job="attendance"})', []),
    ],
)
def test_what_the_service_does_not_have_is_found(expression: str, unknown: list[str]) -> None:
    assert list(list_unknown(expression)) == unknown


def test_every_alert_is_documented_with_its_severity() -> None:
    rows = re.findall(r"^\| `(Attendance\w+)` \| (page|ticket) \|", OPERATIONS, re.MULTILINE)
    assert rows == [(alert["alert"], alert["labels"]["severity"]) for alert in ALERTS]
