"""`attendance export --follow` as a process: a copy that is kept true, and goes on where it was stopped."""

import json
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Queue
from typing import Any
from uuid import UUID, uuid4

import pytest

from app.attendance.statistics import QueryStatistics
from app.attendance.writing import AttendanceWriter
from app.database.migrations import migrate
from app.plan.changes import ChangesPosition, plan_changes_cursors
from app.plan.properties import Property
from app.plan.write import BulkDeletePlan
from tests.conftest import in_new_loop
from tests.support.commands import COMMAND, ROOT, environment, run_command
from tests.support.service import RecordingDatabase

SECONDS = 20
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def own_url(create_database: Callable[[], str]) -> str:
    url = create_database()
    in_new_loop(migrate(url, row_security=True))
    return url


@pytest.fixture
def run(own_url: str, tmp_path: Path) -> Run:
    return lambda *arguments, **options: run_command(tmp_path, *arguments, DATABASE_URL=own_url, **options)


@pytest.fixture
def site() -> str:
    return str(uuid4())


class Follower:
    """A running command, whose lines are read by a thread so that waiting for one can end."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._lines: Queue[bytes] = Queue()
        assert process.stdout is not None
        threading.Thread(target=lambda: [self._lines.put(line) for line in process.stdout], daemon=True).start()

    def read(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(self._lines.get(timeout=SECONDS)) for _ in range(count)]

    def stop(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """The exit code, and what was said."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=SECONDS)
        assert self.process.stderr is not None
        return code, self.process.stderr.read().decode()


@contextmanager
def follow(tmp_path: Path, url: str, *arguments: str) -> Iterator[Follower]:
    process = subprocess.Popen(
        [*COMMAND, "export", "--follow", *arguments],
        env=environment(tmp_path, DATABASE_URL=url),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A shell has what it runs in the background ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        yield Follower(process)
    finally:
        process.kill()
        process.communicate()


def write(run: Run, site: str, *records: dict[str, Any]) -> None:
    content = "".join(json.dumps(record) + "\n" for record in records).encode()
    assert run("import", "-", "--format", "ndjson", "--site", site, content=content).returncode == 0


def delete(url: str, site: str, *ids: str) -> None:
    async def run_statement() -> None:
        database = RecordingDatabase(url, pool_size=1)
        await database.open()
        writer = AttendanceWriter(database, UUID(site), QueryStatistics())
        await writer.write(BulkDeletePlan(ids, range(len(ids)), {}), tuple(Property))
        await database.close()

    in_new_loop(run_statement())


def make_record(**fields: Any) -> dict[str, Any]:
    return {
        "_id": str(uuid4()),
        "bookingId": str(uuid4()),
        "sessionId": "session",
        "status": "ATTENDED",
        "numberOfAttendees": 2,
        "createdAt": "2026-01-02T03:04:05.678900Z",
        "updatedAt": "2026-02-02T03:04:05Z",
        **fields,
    }


def test_a_copy_is_kept_true_and_goes_on_from_its_last_cursor(
    own_url: str, run: Run, site: str, tmp_path: Path
) -> None:
    first, second, third = (make_record() for _ in range(3))
    write(run, site, first, second)
    with follow(tmp_path, own_url, "--site", site) as follower:
        lines = follower.read(2)
        assert [(line["kind"], line["id"], line["record"]) for line in lines] == [
            ("SET", record["_id"], record) for record in sorted((first, second), key=lambda each: str(each["_id"]))
        ]
        assert [sorted(line) for line in lines] == [["id", "kind", "record"], ["cursor", "id", "kind", "record"]]
        write(run, site, {**first, "status": "NOT_ATTENDED"})
        [changed] = follower.read(1)
        assert (changed["id"], changed["record"]["status"]) == (first["_id"], "NOT_ATTENDED")
        assert follower.stop() == (0, "")
    write(run, site, third)
    delete(own_url, site, *(record["_id"] for record in (first, second, third)))
    with follow(tmp_path, own_url, "--site", site, "--after", changed["cursor"]) as follower:
        gone = follower.read(3)
        assert {(line["kind"], line["id"], line["record"]) for line in gone} == {
            ("DELETED", record["_id"], None) for record in (first, second, third)
        }
        assert follower.stop(signal.SIGINT) == (0, "")


def test_a_copy_of_a_site_without_records_begins_with_a_cursor(
    own_url: str, run: Run, site: str, tmp_path: Path
) -> None:
    with follow(tmp_path, own_url, "--site", site) as follower:
        [line] = follower.read(1)
        assert line.keys() == {"cursor"}
    write(run, site, make_record())
    with follow(tmp_path, own_url, "--site", site, "--after", line["cursor"]) as follower:
        assert follower.read(1)[0]["kind"] == "SET"


def test_a_large_copy_has_each_record_once(own_url: str, run: Run, site: str, tmp_path: Path) -> None:
    write(run, site, *(make_record(sessionId=str(number)) for number in range(2500)))
    with follow(tmp_path, own_url, "--site", site) as follower:
        lines = follower.read(2500)
    assert len({line["id"] for line in lines}) == 2500
    assert sum("cursor" in line for line in lines) == 3


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--follow", "--after", "no cursor"], "--after takes a cursor"),
        (["--after", "x"], "add --follow"),
        (["--follow", "--format", "csv"], "NDJSON"),
    ],
)
def test_wrong_arguments_are_refused(run: Run, site: str, arguments: list[str], said: str) -> None:
    ended = run("export", "--site", site, *arguments)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert said in ended.stderr


def test_a_copy_whose_site_is_erased_ends_and_has_to_begin_again(
    own_url: str, run: Run, site: str, tmp_path: Path
) -> None:
    write(run, site, make_record())
    with follow(tmp_path, own_url, "--site", site) as follower:
        cursor = follower.read(1)[0]["cursor"]
        assert run("erase", "--site", site, "--yes").returncode == 0
        assert follower.process.wait(timeout=SECONDS) == 2
    ended = run("export", "--follow", "--site", site, "--after", cursor)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "without --after" in ended.stderr


def test_a_cursor_that_is_ahead_of_the_site_has_to_begin_again(run: Run, site: str) -> None:
    """The database was restored as it was before the cursor."""
    cursor = plan_changes_cursors(None).encode(ChangesPosition(2**40))
    ended = run("export", "--follow", "--site", site, "--after", cursor)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "without --after" in ended.stderr
