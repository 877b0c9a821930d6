"""The processes of a service count together: what they did lasts, what they hold ends with them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.observing.metrics import Metrics
from app.observing.samples import Samples
from app.observing.sharing import SharedNumbers
from app.web.metrics import publish_regularly

DONE, HELD, FACT = ("attendance_rows_total",), ("attendance_pool_size", "primary"), ("attendance_build_info", "1", "3")
WORKER = """
import sys, time
from pathlib import Path
from app.observing.sharing import SharedNumbers
shared = SharedNumbers(Path(sys.argv[1]))
size, build = ("attendance_pool_size", "primary"), ("attendance_build_info", "1", "3")
shared.write({("attendance_rows_total",): 5, size: 3, build: 1})
print("ready", flush=True)
time.sleep(60)
"""


def make(done: float, held: float) -> Samples:
    return {DONE: done, HELD: held, FACT: 1}


def test_the_processes_numbers_are_added_up(tmp_path: Path) -> None:
    first, second = SharedNumbers(tmp_path), SharedNumbers(tmp_path)
    second.write(make(3, 2))
    assert first.add_others(make(10, 1)) == make(13, 3)
    second.write(make(4, 0))
    assert first.add_others(make(10, 1)) == make(14, 1)
    assert second.add_others(make(4, 0)) == make(4, 0)


def test_what_an_ended_process_did_lasts_and_what_it_held_does_not(tmp_path: Path) -> None:
    first, second = SharedNumbers(tmp_path), SharedNumbers(tmp_path)
    second.write(make(3, 2))
    second.close()
    assert first.add_others(make(10, 1)) == make(13, 1)


def test_the_next_process_clears_up_and_loses_no_count(tmp_path: Path) -> None:
    lasting = SharedNumbers(tmp_path)
    for _ in range(20):
        ending = SharedNumbers(tmp_path)
        ending.write(make(1, 1))
        ending.close()
    SharedNumbers(tmp_path).write(make(100, 1))
    assert lasting.add_others(make(0, 1)) == make(120, 2)
    assert len(list(tmp_path.iterdir())) <= 6


def test_a_killed_process_is_seen_to_be_gone(tmp_path: Path) -> None:
    watcher = SharedNumbers(tmp_path)
    worker = subprocess.Popen([sys.executable, "-c", WORKER, str(tmp_path)], stdout=subprocess.PIPE)
    assert worker.stdout is not None
    with worker.stdout:
        assert worker.stdout.readline() == b"ready\n"
        assert watcher.add_others(make(1, 1)) == make(6, 4)
        worker.kill()
        worker.wait(timeout=10)
    assert watcher.add_others(make(1, 1)) == make(6, 1)
    SharedNumbers(tmp_path)
    assert watcher.add_others(make(1, 1)) == make(6, 1)


def test_half_written_numbers_are_not_read(tmp_path: Path) -> None:
    watcher = SharedNumbers(tmp_path)
    writer = SharedNumbers(tmp_path)
    writer.write(make(3, 2))
    (tmp_path / "1-unfinished.new").write_bytes(b"[[")
    assert watcher.add_others(make(1, 1)) == make(4, 3)


def test_the_directory_is_made_where_it_is_missing(tmp_path: Path) -> None:
    shared = SharedNumbers(tmp_path / "new" / "folder")
    shared.write(make(1, 1))
    assert shared.add_others(make(2, 1)) == make(2, 1)


def test_the_last_clears_up_where_the_parent_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shared = SharedNumbers(tmp_path / "folder")
    shared.close()
    assert (tmp_path / "folder").exists()
    orphan = SharedNumbers(tmp_path / "folder")
    monkeypatch.setattr(os, "getppid", lambda: 1)
    orphan.close()
    assert not (tmp_path / "folder").exists()


async def test_a_process_ends_well_whose_directory_is_gone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    metrics = Metrics(lambda: None, [lambda: make(1, 1)], SharedNumbers(tmp_path / "folder"))
    async with publish_regularly(metrics):
        shutil.rmtree(tmp_path / "folder")
    assert "the metrics cannot be shared" in caplog.text
