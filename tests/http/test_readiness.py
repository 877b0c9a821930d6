"""Readiness as it is watched: the log tells of trouble once and of each change, and a metric follows `/readyz`."""

import asyncio
import json
import logging
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from app.database.migrations import migrate
from app.database.pool import Database
from app.web import readiness as module
from app.web.load.in_flight_requests import InFlightRequests
from app.web.readiness import Readiness
from tests.conftest import in_new_loop
from tests.http.conftest import ServiceBuilder
from tests.support.commands import RunningService, start_service
from tests.support.service import SECRET
from tests.support.watching import read_numbers

READY = ("attendance_ready",)
UNMIGRATED = "not ready: the database is not migrated: run `attendance migrate`"


@pytest.mark.usefixtures("database_url")  # whose migration makes the service's role, without which nobody gets in
async def test_the_metric_follows_readyz(service: ServiceBuilder, create_database: Callable[[], str]) -> None:
    url = create_database()
    async with service(database_url=url) as client:

        async def read() -> tuple[int, float]:
            status = (await client.get("/readyz")).status_code
            return status, read_numbers((await client.get("/metrics")).text)[READY]

        assert read_numbers((await client.get("/metrics")).text)[READY] == 0
        assert await read() == (503, 0)
        await migrate(url, row_security=True)
        assert await read() == (200, 1)


class FakeDatabase:
    """A database whose state a test sets."""

    reason: str | Exception | None = None
    replica: str | None = None

    async def explain_unreadiness(self) -> str | None:
        if isinstance(self.reason, Exception):
            raise self.reason
        return self.reason

    def explain_replica(self) -> str | None:
        return self.replica


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHECK_SECONDS", 0.01)


@pytest.mark.usefixtures("fast")
async def test_trouble_is_logged_once_and_at_each_change(caplog: pytest.LogCaptureFixture) -> None:
    database, prepared = FakeDatabase(), list[bool]()
    readiness = Readiness(cast(Database, database), InFlightRequests(), leads=lambda: True)
    database.reason = "the database cannot be reached"
    async with readiness.watch(lambda: prepared.append(True)):
        for database.reason, database.replica in (
            ("the database cannot be reached", None),
            ("migration 2 is missing", None),
            (RuntimeError("broken"), None),
            (None, None),
            (None, "in use"),
            (None, "out of reach: reads go to the primary"),
            (None, "in use"),
        ):
            await asyncio.sleep(0.06)
            assert readiness.is_ready == (database.reason is None)
        readiness.in_flight.begin_shutdown()
        assert not readiness.is_ready
        await asyncio.sleep(0.03)
    assert prepared == [True]
    assert [message for message in caplog.messages if message != "the readiness cannot be checked"] == [
        "not ready: the database cannot be reached",
        "not ready: migration 2 is missing",
        f"not ready: {module.UNKNOWN}",
        "ready again",
        "the replica is out of reach: reads go to the primary",
        "ready again",
    ]
    assert {record.levelno for record in caplog.records} == {logging.WARNING, logging.ERROR}


async def test_a_service_that_is_ready_from_the_start_logs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    readiness = Readiness(cast(Database, FakeDatabase()), InFlightRequests(), leads=lambda: True)
    async with readiness.watch(lambda: None):
        await asyncio.sleep(0.02)
    assert caplog.messages == []


@pytest.mark.usefixtures("fast")
async def test_a_process_that_does_not_lead_checks_its_readiness_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    database = FakeDatabase()
    readiness = Readiness(cast(Database, database), InFlightRequests(), leads=lambda: False)
    async with readiness.watch(lambda: pytest.fail("only the process that leads prepares")):
        for database.reason in (None, "migration 2 is missing", None):
            await asyncio.sleep(0.06)
            assert readiness.reason == database.reason
    assert caplog.messages == []


def read_readiness(service: RunningService) -> list[str]:
    printed = service.output.read_text().splitlines()
    lines: list[dict[str, Any]] = [json.loads(line) for line in printed if line.startswith("{")]
    return [line["event"] for line in lines if line.get("logger") == "attendance.readiness"]


def fetch_ready(service: RunningService) -> tuple[int, float]:
    try:
        with urllib.request.urlopen(f"{service.url}/readyz", timeout=10) as response:
            status = response.status
    except urllib.error.HTTPError as failure:
        status = failure.code
    return status, fetch_gauge(service)


def fetch_gauge(service: RunningService) -> float:
    with urllib.request.urlopen(f"{service.url}/metrics", timeout=10) as response:
        return read_numbers(response.read().decode())[READY]


def wait_for(service: RunningService, expected: list[str], ready: tuple[int, float]) -> None:
    deadline = time.monotonic() + 30
    while (found := (read_readiness(service), fetch_ready(service))) != (expected, ready):
        assert time.monotonic() < deadline, found
        time.sleep(0.2)


@pytest.mark.usefixtures("database_url")
@pytest.mark.parametrize("workers", ["1", "2"])
def test_serve_logs_why_it_is_not_ready_and_that_it_is_again(
    tmp_path: Path, create_database: Callable[[], str], workers: str
) -> None:
    url = create_database()
    with start_service(tmp_path, "serve", "--workers", workers, DATABASE_URL=url, JWT_SECRET=SECRET) as service:
        wait_for(service, [UNMIGRATED], (503, 0))
        in_new_loop(migrate(url, row_security=True))
        wait_for(service, [UNMIGRATED, "ready again"], (200, 1))
        time.sleep(module.CHECK_SECONDS * 1.5)
        assert read_readiness(service) == [UNMIGRATED, "ready again"]


def test_the_gauge_follows_readiness_of_workers_that_nobody_asks(
    tmp_path: Path, create_database: Callable[[], str]
) -> None:
    url = create_database()
    with start_service(tmp_path, "serve", "--workers", "2", DATABASE_URL=url, JWT_SECRET=SECRET) as service:
        for ready in (0, 1):
            deadline = time.monotonic() + 30
            while fetch_gauge(service) != ready:
                assert time.monotonic() < deadline
                time.sleep(0.2)
            in_new_loop(migrate(url, row_security=True))


async def test_published_keys_are_fetched_ahead_and_a_failure_is_logged(tmp_path: Path, database_url: str) -> None:
    url = "http://127.0.0.1:9/keys"
    with start_service(tmp_path, "serve", DATABASE_URL=database_url, JWKS_URL=url) as service:
        deadline = time.monotonic() + 10
        while "the key set cannot be fetched" not in service.output.read_text():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.1)
