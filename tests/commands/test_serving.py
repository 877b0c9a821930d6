"""Serving: the demo in its first minute, several workers, and other commands beside a running one."""

import json
import re
import urllib.request
from pathlib import Path
from typing import Any

import jwt
import pytest

from app.attendance.demo import DEMO_SITES
from tests.support.commands import RunningService, run_command, start_service
from tests.support.service import READ_SCOPE, SECRET, WRITE_SCOPE, make_token

TOTAL = "{ attendances { totalCount } }"


def ask(service: RunningService, token: str, query: str) -> Any:
    request = urllib.request.Request(
        f"{service.url}/graphql",
        json.dumps({"query": query}).encode(),
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)["data"]


def test_the_demo_serves_data_with_the_tokens_it_prints(tmp_path: Path) -> None:
    with start_service(tmp_path, "demo") as demo:
        printed = demo.output.read_text()
        read, write = re.findall(r"^(?:Read|Write) token +(\S+)$", printed, re.MULTILINE)
        assert f"{demo.url}/graphql" in printed
        for token, scope in ((read, READ_SCOPE), (write, WRITE_SCOPE)):
            assert jwt.decode(token, options={"verify_signature": False})["scope"] == scope
            assert ask(demo, token, TOTAL)["attendances"]["totalCount"] > 10_000
        page = urllib.request.Request(f"{demo.url}/graphql", headers={"Accept": "text/html"})
        with urllib.request.urlopen(page, timeout=10) as response:
            assert write in response.read().decode()
        assert ask(demo, read, "{ __schema { queryType { name } } }")["__schema"]["queryType"]["name"] == "Query"


def test_another_command_uses_the_running_server(tmp_path: Path) -> None:
    with start_service(tmp_path, "demo") as demo:
        site = DEMO_SITES[1].site_id
        token = run_command(tmp_path, "token", "--site", str(site)).stdout.strip()
        before = ask(demo, token, TOTAL)["attendances"]["totalCount"]
        exported = run_command(tmp_path, "export", "--site", str(site)).stdout
        assert len(exported.splitlines()) == before
        record = json.loads(exported.splitlines()[0]) | {"sessionId": "a new one", "_id": None}
        run_command(
            tmp_path, "import", "-", "--format", "ndjson", "--site", str(site), content=json.dumps(record).encode()
        )
        assert ask(demo, token, TOTAL)["attendances"]["totalCount"] == before + 1
    with start_service(tmp_path, "demo") as demo:
        assert ask(demo, token, TOTAL)["attendances"]["totalCount"] == before + 1


@pytest.mark.parametrize("workers", ["1", "2"])
def test_the_service_runs_on_a_given_database_and_stops_when_told(
    tmp_path: Path, database_url: str, workers: str
) -> None:
    with start_service(
        tmp_path, "serve", "--workers", workers, DATABASE_URL=database_url, JWT_SECRET=SECRET
    ) as service:
        token = make_token(DEMO_SITES[0].site_id, READ_SCOPE)
        assert ask(service, token, "{ __typename }") == {"__typename": "Query"}
        assert "totalCount" in ask(service, token, TOTAL)["attendances"]
        assert not (tmp_path / "embedded").exists()
        service.process.terminate()
        assert service.process.wait(timeout=20) == 0
