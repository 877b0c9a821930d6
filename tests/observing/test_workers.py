"""The service as it is served: its output is a log, and its workers count together whatever becomes of them."""

import json
import os
import pty
import re
import signal
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support.commands import RunningService, list_workers, start_service
from tests.support.service import READ_SCOPE, SECRET, make_token
from tests.support.watching import Numbers, read_numbers

QUERY = "query Count { attendances { totalCount } }"
SECONDS = 20


def ask(service: RunningService, **headers: str) -> None:
    token = make_token(uuid4(), READ_SCOPE)
    given = {"Authorization": f"Bearer {token}", "Content-Type": "application/json", **headers}
    content = json.dumps({"query": QUERY}).encode()
    request = urllib.request.Request(f"{service.url}/graphql", content, given)
    with urllib.request.urlopen(request, timeout=10) as response:
        assert json.load(response) == {"data": {"attendances": {"totalCount": 0}}}


def fetch_numbers(service: RunningService) -> Numbers:
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=10) as response:
        return read_numbers(response.read().decode())


def await_numbers(service: RunningService, key: tuple[str, ...], value: float) -> Numbers:
    """The metrics as soon as one of them has a value; a moment later all processes have told theirs."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        try:
            numbers = fetch_numbers(service)
        except (urllib.error.URLError, ConnectionError):
            numbers = {}
        if numbers.get(key) == value:
            return numbers
        time.sleep(0.1)
    raise AssertionError(f"{key} is not {value}: {numbers}")


def await_successor(service: RunningService, killed: int) -> None:
    """Wait until two workers run, none of them the killed one."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        workers = list_workers(service.process.pid)
        if len(workers) == 2 and killed not in workers:
            return
        time.sleep(0.05)
    raise AssertionError(f"{killed} was not replaced: {workers}")


def test_workers_count_together_and_what_a_killed_one_did_is_not_lost(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET, "POOL_SIZE": "2"}
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with start_service(tmp_path, "serve", "--workers", "2", **settings) as service:
        await_numbers(service, ("attendance_workers",), 2)
        for _ in range(40):
            ask(service)
        counted = ("attendance_operations_total", "Count", "ok", "query")
        await_numbers(service, counted, 40)
        numbers = await_numbers(service, ("attendance_workers",), 2)
        assert numbers["attendance_pool_limit", "primary"] == 4
        assert numbers["attendance_operation_seconds_count", "query"] == 40
        killed = list_workers(service.process.pid)[0]
        os.kill(killed, signal.SIGKILL)
        await_successor(service, killed)
        numbers = await_numbers(service, ("attendance_workers",), 2)
        assert numbers[counted] == 40
        ask(service)
        await_numbers(service, counted, 41)
        assert len(list(tmp_path.glob("attendance-metrics-*"))) == 1
    assert list(tmp_path.glob("attendance-metrics-*")) == []


def test_a_directory_of_other_programs_that_use_the_client_of_prometheus_is_left_alone(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "of another program"))
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWT_SECRET=SECRET) as service:
        assert fetch_numbers(service)["attendance_workers",] == 1
    assert not (tmp_path / "of another program").exists()


def test_nothing_is_left_in_the_temporary_directory_when_the_first_process_is_killed(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    settings = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET}
    with start_service(tmp_path, "serve", "--workers", "2", **settings) as service:
        await_numbers(service, ("attendance_workers",), 2)
        assert len(list(tmp_path.glob("attendance-metrics-*"))) == 1
        service.process.kill()
        service.process.wait()
        deadline = time.monotonic() + SECONDS
        while list(tmp_path.glob("attendance-metrics-*")) and time.monotonic() < deadline:
            time.sleep(0.1)
    assert list(tmp_path.glob("attendance-metrics-*")) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_standard_output_is_json_alone(tmp_path: Path, database_url: str, workers: str) -> None:
    settings = {"DATABASE_URL": database_url, "JWT_SECRET": "another secret than that of the token"}
    log = tmp_path / "log"
    with log.open("wb") as file:
        own = file.fileno()
        with start_service(tmp_path, "serve", "--workers", workers, standard_output=own, **settings) as service:
            with pytest.raises(urllib.error.HTTPError):
                ask(service)
            service.process.terminate()
            service.process.wait(timeout=20)
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["outcome"] for line in lines if line["event"] == "operation"] == ["UNAUTHENTICATED"]
    assert {None, "uvicorn.error"} <= {line.get("logger") for line in lines}
    assert all({"timestamp", "level", "event"} <= line.keys() for line in lines)


def test_a_terminal_is_told_in_words(tmp_path: Path, database_url: str) -> None:
    reading, writing = pty.openpty()
    settings = {"DATABASE_URL": database_url, "JWT_SECRET": SECRET}
    with start_service(tmp_path, "serve", standard_output=writing, **settings) as service:
        os.close(writing)
        ask(service, **{"X-Request-Id": "mine"})
        told = ""
        while "mine" not in told:
            told += os.read(reading, 65_536).decode()
    os.close(reading)
    [line] = [line for line in told.splitlines() if "mine" in line]
    assert re.fullmatch(r"\d\d(:\d\d){2} info    operation  request_id=mine operation=Count .*status=200", line)
