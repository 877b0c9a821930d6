"""The demo has a Postgres of its own, whatever the settings say of other databases."""

from pathlib import Path

from tests.support.commands import start_service

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def test_the_demo_runs_where_a_cluster_is_configured(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with start_service(tmp_path, "demo", DATABASE_URL=NOWHERE, DISTRIBUTED="on") as demo:
        assert "Loaded" in demo.output.read_text()
