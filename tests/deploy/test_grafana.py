"""deploy/grafana: a dashboard whose every panel shows metrics that there are."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.expressions import NAME, list_unknown
from tests.support.metric_list import METRICS

DASHBOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "deploy/grafana/attendance.json").read_text(encoding="utf-8")
)
PANELS = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
VARIABLES = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
PROMTOOL = shutil.which("promtool")


def list_expressions() -> Iterator[str]:
    yield from (target["expr"] for panel in PANELS for target in panel["targets"])
    yield from (variable["query"] for variable in DASHBOARD["templating"]["list"] if variable["type"] == "query")


@pytest.mark.parametrize("expression", list(list_expressions()))
def test_a_panel_shows_metrics_and_labels_of_the_service(expression: str) -> None:
    assert NAME.findall(expression)
    assert list(list_unknown(expression)) == []
    assert set(re.findall(r"\$(\w+)", expression)) <= VARIABLES | {"__rate_interval"}


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name.removesuffix("_bucket") for expression in list_expressions() for name in NAME.findall(expression)}
    assert {metric.name for metric in METRICS} - shown <= {"attendance_operations_by_path_total"}


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian's package prometheus)")
def test_prometheus_can_evaluate_every_panel(tmp_path: Path) -> None:
    expressions = [
        target["expr"].replace("$__rate_interval", "5m").replace("$instance", ".*")
        for panel in PANELS
        for target in panel["targets"]
    ]
    rules = [{"record": f"panel:{place}", "expr": expression} for place, expression in enumerate(expressions)]
    (tmp_path / "panels.yml").write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    assert PROMTOOL
    command = [PROMTOOL, "check", "rules", str(tmp_path / "panels.yml")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_panels_have_distinct_ids_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_the_dashboard_takes_any_data_source() -> None:
    for panel in PANELS:
        assert panel["datasource"]["uid"] == "${datasource}"
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
