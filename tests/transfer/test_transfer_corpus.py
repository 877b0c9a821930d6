"""Each file of the corpus: exactly what is stored, rejected and reported."""

import io
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from app.attendance.transfer.formats import guess_format
from app.attendance.transfer.importing import import_records
from app.attendance.transfer.rejects import RejectLog
from app.database.transfer import fetch_export, store_batch
from app.errors import ConfigurationError
from tests.transfer.corpus import BOOKING, CASES, MOMENT, Case

NOW = datetime(2026, 11, 1, tzinfo=UTC)


def test_the_corpus_has_its_size_and_no_file_twice() -> None:
    assert len(CASES) >= 80
    assert len({case.title for case in CASES}) > len(CASES) - 10
    assert len({(case.name, case.content) for case in CASES}) > len(CASES) - 5


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.title)
async def test_a_file_is_stored_rejected_and_reported_as_it_should(
    connection: Any, site_id: UUID, tmp_path: Path, case: Case
) -> None:
    path, reported = tmp_path / "rejects", list[str]()
    log = RejectLog(path, reported.append)
    importing = import_records(
        io.BytesIO(case.content),
        guess_format(case.name),
        partial(store_batch, connection, site_id, at=NOW),
        rejects=log,
    )
    if case.refused is not None:
        with pytest.raises(ConfigurationError) as refusal:
            await importing
        assert case.refused in str(refusal.value)
        assert [page async for page in fetch_export(connection, site_id)] == []
        return
    summary = await importing
    rows = [row async for page in fetch_export(connection, site_id) for row in page]
    assert sorted((row.session_id, row.status, row.number_of_attendees) for row in rows) == sorted(case.stored)
    assert {row.booking_id for row in rows} <= {BOOKING}
    problems = [orjson.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
    rejects = [(each["line"], each["reason"]) for each in problems if "lastLine" not in each]
    assert rejects == list(case.rejected)
    written = [(each["line"], each["lastLine"], each["reason"]) for each in problems if "lastLine" in each]
    assert written == [each for each in case.unread if not each[2].startswith("the JSON ends")]
    assert (summary.rejected, log.count) == (len(case.rejected), len(case.rejected) + len(case.unread))
    assert all(text.startswith("columns that are not used: ") for text in reported)
    if case.created is not None:
        assert {row.created_at for row in rows} == {datetime.fromisoformat(MOMENT)}
