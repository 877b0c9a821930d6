"""The import's run without a database: batches, progress, the summary and the file of rejects."""

import asyncio
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from app.attendance.transfer.formats import ImportFormat
from app.attendance.transfer.importing import ImportProgress, ImportSummary, import_records
from app.attendance.transfer.rejects import RejectLog
from app.database.transfer import BatchResult, ImportRow, RejectedRow

BOOKING = "4a8e599f-6f50-52fb-af2a-3271f99623ba"
NDJSON = ImportFormat.NDJSON


class RecordingStore:
    """Takes batches as the database would, and refuses the sessions named `refused`."""

    def __init__(self) -> None:
        self.batches: list[Sequence[ImportRow]] = []

    async def __call__(self, rows: Sequence[ImportRow]) -> BatchResult:
        self.batches.append(rows)
        rejected = [RejectedRow(at, "refused") for at, row in enumerate(rows) if row.session_id == "refused"]
        return BatchResult(created=len(rows) - len(rejected), updated=0, unchanged=0, rejected=rejected)


def write_lines(*session_ids: str) -> bytes:
    records = [{"bookingId": BOOKING, "sessionId": session_id, "status": "ATTENDED"} for session_id in session_ids]
    return "".join(json.dumps(record) + "\n" for record in records).encode()


def log_to(path: Path, reported: list[str] | None = None) -> RejectLog:
    return RejectLog(path, [].append if reported is None else reported.append)


def read_rejects(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_records_are_stored_in_batches_and_progress_is_told_after_each(tmp_path: Path) -> None:
    store, progress = RecordingStore(), list[ImportProgress]()
    content = write_lines(*map(str, range(7)))
    summary = await import_records(
        io.BytesIO(content),
        NDJSON,
        store,
        rejects=log_to(tmp_path / "rejects"),
        report_progress=progress.append,
        batch_records=3,
    )
    assert [[row.session_id for row in batch] for batch in store.batches] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert [step.summary.records for step in progress] == [3, 6, 7]
    assert progress[-1].bytes_read == len(content)
    assert summary == ImportSummary(created=7)
    assert summary.records == 7


async def test_rejects_of_every_stage_are_written_with_line_reason_and_record(tmp_path: Path) -> None:
    path = tmp_path / "records.ndjson.rejects.ndjson"
    content = write_lines("good", "refused", "") + b"not JSON\n" + write_lines("good")
    summary = await import_records(io.BytesIO(content), NDJSON, RecordingStore(), rejects=log_to(path))
    assert summary == ImportSummary(created=2, rejected=3)
    refused, empty, unreadable = read_rejects(path)
    assert refused["line"] == 2
    assert refused["reason"] == "refused"
    assert refused["record"] == {"bookingId": BOOKING, "sessionId": "refused", "status": "ATTENDED"}
    assert empty["line"] == 3
    assert empty["reason"] == "sessionId must be a text of 1 to 250 characters"
    assert (unreadable["line"], unreadable["record"]) == (4, "not JSON")


async def test_a_clean_import_leaves_no_file_of_rejects_and_removes_an_earlier_one(tmp_path: Path) -> None:
    path = tmp_path / "rejects"
    path.write_text('{"line":1,"reason":"stale","record":{}}')
    await import_records(io.BytesIO(write_lines("good")), NDJSON, RecordingStore(), rejects=log_to(path))
    assert not path.exists()


async def test_a_batch_of_nothing_but_rejects_stores_nothing_and_goes_on(tmp_path: Path) -> None:
    store = RecordingStore()
    content = b"broken\n" * 4 + write_lines("good")
    path = tmp_path / "rejects"
    summary = await import_records(io.BytesIO(content), NDJSON, store, rejects=log_to(path), batch_records=2)
    assert summary == ImportSummary(created=1, rejected=4)
    assert len(store.batches) == 1
    assert len(read_rejects(path)) == 4


async def test_a_reject_that_cannot_be_repeated_is_still_told(tmp_path: Path) -> None:
    path = tmp_path / "rejects"
    content = b"[" * 500 + b"]" * 500
    await import_records(io.BytesIO(content), NDJSON, RecordingStore(), rejects=log_to(path))
    assert read_rejects(path) == [
        {
            "line": 1,
            "reason": "the record must be an object with fields",
            "record": "(nested too deeply to be repeated here)",
        }
    ]


async def test_a_file_that_is_not_of_an_import_stays_where_nothing_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "rejects"
    path.write_text("notes of somebody")
    await import_records(io.BytesIO(write_lines("good")), NDJSON, RecordingStore(), rejects=log_to(path))
    assert path.read_text() == "notes of somebody"


async def test_reasons_are_reported_where_the_rejects_cannot_be_written_and_the_rest_is_stored(tmp_path: Path) -> None:
    path, reported = tmp_path / "missing" / "rejects", list[str]()
    content = b"broken\n" + write_lines("good", "refused", "good")
    log = log_to(path, reported)
    summary = await import_records(io.BytesIO(content), NDJSON, RecordingStore(), rejects=log, batch_records=2)
    assert summary == ImportSummary(created=2, rejected=2)
    assert reported == [
        f"cannot write the rejects to {path}: No such file or directory; these are not stored:",
        "line 1: the record is not valid JSON: unexpected character, expected a JSON value",
        "line 3: refused",
    ]
    assert (log.count, log.is_reported) == (2, True)


async def test_rejects_can_be_written_to_an_output_that_is_open(tmp_path: Path) -> None:
    output = io.BytesIO()
    path = tmp_path / "unused"
    log = RejectLog(path, print, output=output)
    await import_records(io.BytesIO(write_lines("refused")), NDJSON, RecordingStore(), rejects=log)
    assert json.loads(output.getvalue())["reason"] == "refused"
    assert not output.closed
    assert not path.exists()


async def test_numbers_and_bytes_that_json_does_not_have_are_written_down(tmp_path: Path) -> None:
    path = tmp_path / "rejects"
    record = b'{"bookingId": "x", "sessionId": 123456789012345678901234567890, "ratio": 2.50, "notes": "caf\xe9"}'
    await import_records(io.BytesIO(record), NDJSON, RecordingStore(), rejects=log_to(path))
    assert '"sessionId":123456789012345678901234567890,"ratio":2.50,"notes":"caf\N{REPLACEMENT CHARACTER}"' in (
        path.read_text(encoding="utf-8")
    )


async def test_a_failing_store_ends_the_import_with_its_error(tmp_path: Path) -> None:
    async def fail(_: Sequence[ImportRow]) -> BatchResult:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        await import_records(io.BytesIO(write_lines("good")), NDJSON, fail, rejects=log_to(tmp_path / "rejects"))


async def test_waiting_for_a_slow_source_does_not_hold_up_the_event_loop(tmp_path: Path) -> None:
    loop = asyncio.get_running_loop()

    class SlowSource(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(timeout=10)
            return super().read(size)

    source = SlowSource(write_lines("good"))
    summary = await import_records(source, NDJSON, RecordingStore(), rejects=log_to(tmp_path / "rejects"))
    assert summary == ImportSummary(created=1)


class LineSource:
    """A CSV that gives a line at each read, and then fails."""

    def __init__(self, sessions: Sequence[str], failure: OSError) -> None:
        header = b"bookingId,sessionId,status\n"
        self._lines = [header, *(f"{BOOKING},{each},ATTENDED\n".encode() for each in sessions)]
        self._failure = failure

    def read(self, size: int, /) -> bytes:
        if not self._lines:
            raise self._failure
        line = self._lines[0]
        self._lines[0] = line[size:]
        if not line[size:]:
            del self._lines[0]
        return line[:size]


async def test_what_was_read_before_a_read_failed_is_stored(tmp_path: Path) -> None:
    store, progress = RecordingStore(), list[ImportProgress]()
    source: Any = LineSource(["first", "second"], OSError("lost"))
    with pytest.raises(OSError, match="lost"):
        await import_records(
            source,
            ImportFormat.CSV,
            store,
            rejects=log_to(tmp_path / "rejects"),
            report_progress=progress.append,
            batch_records=1,
        )
    assert [[row.session_id for row in batch] for batch in store.batches] == [["first"], ["second"]]
    assert [step.summary.stored for step in progress] == [1, 2]
    assert progress[0].bytes_read < progress[1].bytes_read
